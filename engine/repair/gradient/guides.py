"""Points that guide a repair by gradient: references, whose advisory is to stay, and those that may be unsafe."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from engine.attack import descend, sample, violation
from engine.bounds.roots import Roots, make_roots
from engine.bounds.stack import Stack
from engine.evaluation import scores, values
from engine.network import Network
from engine.repair.gradient.certified import Regions
from engine.repair.task import Evidence, Task

SCALE = 0.002  # one unit of every hinge, in scores: about the median gap between the two best advisories
DOMAIN = 150_000  # reference points, uniform in the domain
AROUND = 30_000  # reference points in each target's box, and as many near it
IN_BOX = 30_000  # points of each target's case that may be unsafe
KEPT = 1_000  # points of each kept property's case
BOXES = 300  # open boxes that count, at most


@dataclass(frozen=True, slots=True)
class _Points:
    """Points; h [n, width]: what the first tuned layer reads there."""

    h: torch.Tensor

    def join(self, other: Self) -> Self:
        """Both, these first."""
        return type(self)(*(torch.cat([getattr(self, n), getattr(other, n)]) for n in self.__dataclass_fields__))

    def select(self, keep: torch.Tensor) -> Self:
        """Those that `keep` names: bool [n], or their numbers."""
        return type(self)(*(getattr(self, n)[keep] for n in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Reference(_Points):
    """Points whose advisory [n] is to stay; gap [n, outputs]: how far each score is to stay above the lowest.

    y [n, outputs]: the original's scores. Where these are to stay, no advisory counts, and each gap is one unit.
    """

    advisory: torch.Tensor
    gap: torch.Tensor
    y: torch.Tensor


@dataclass(frozen=True, slots=True)
class Danger(_Points):
    """Points x [n, inputs] of the cases root [n]; attainable [n]: how far from unsafe they can be asked to be."""

    root: torch.Tensor
    x: torch.Tensor
    attainable: torch.Tensor


class Facts:
    """Cases and points that all choices of neurons share, with what the first tuned layer reads there.

    first: the first tuned layer; reference, danger: the points; units: of each layer from `first` on, the steps in
    which its weights and bias move; counts [outputs]: the references of the domain that have each as their advisory.
    """

    def __init__(self, task: Task, first: int):
        self.task, self.first = task, first
        cases = [(i, c, case) for i, prop in enumerate(task.properties) for c, case in enumerate(prop.cases)]
        self._cases = [case for *_, case in cases]
        self._root_of = {(i, c): root for root, (i, c, _) in enumerate(cases)}
        self._target = torch.tensor([i < len(task.targets) for i, *_ in cases])
        self.targets = self._target.nonzero()[:, 0]
        self.roots = self.bounded(task.network)[1]
        self._random = np.random.default_rng(task.seed)
        self.generator = torch.Generator().manual_seed(task.seed)
        domain = self._uniform(DOMAIN)
        self.reference = self._references_at(np.concatenate([domain, *self._around(AROUND)]))
        self.danger = self._danger_at(*self._sampled(IN_BOX, KEPT))
        self.units = {
            k: self._unit(values(task.network, domain, layer=k), alike=k > 0)
            for k in range(first, len(task.network.layers))
        }
        self.counts = torch.bincount(self.reference.advisory[:DOMAIN], minlength=task.network.n_outputs)

    def bounded(self, network: Network) -> tuple[Stack, Roots]:
        """The network and the cases as bounds need them."""
        stack = Stack([network])
        return stack, make_roots(stack, [0] * len(self._cases), self._cases)

    def outputs_to_raise(self) -> list[int]:
        """The outputs that make points safe where they are high, by the targets' rows."""
        return (self.roots.rows[self.targets, ..., :-1] > 0).flatten(0, 2).any(0).nonzero()[:, 0].tolist()

    def fresh(self, n: int) -> Reference:
        """New uniform reference points."""
        return self._references_at(self._uniform(n))

    def around(self, n: int) -> Reference:
        """New reference points in and around each target's box."""
        return self._references_at(np.concatenate(self._around(n)))

    def nearly_unsafe(self, network: Network) -> Danger:
        """Points that are nearly unsafe for this network, found by descent."""
        stack, roots = self.bounded(network)
        root, x = self._sampled(IN_BOX // 10, KEPT // 10)
        _, value = descend(stack, roots, root, x, torch.zeros_like(x), steps=0)
        best = value.argsort()[:1000]
        width = (roots.upper - roots.lower)[root[best]]
        x, _ = descend(stack, roots, root[best], x[best], 0.1 * width, steps=20)
        return self._danger_at(root[best], x)

    def counterexamples(self, evidence: Evidence) -> Danger:
        """The evidence's counterexamples."""
        root = torch.tensor([self._root_of[found.property, found.case] for found in evidence.counterexamples])
        x = torch.tensor(np.stack([found.point for found in evidence.counterexamples]), dtype=torch.float64)
        return self._danger_at(root, x)

    def changed(self, evidence: Evidence) -> Reference:
        """The evidence's points whose advisory a candidate changed and should not have."""
        return self._references_at(np.stack(evidence.changed).astype(np.float32))

    def open_boxes(self, evidence: Evidence) -> Regions:
        """Some of the open boxes, chosen at random."""
        chosen = torch.randperm(len(evidence.boxes), generator=self.generator)[:BOXES].tolist()
        boxes = [evidence.boxes[i] for i in chosen]
        root = torch.tensor([self._root_of[box.property, box.case] for box in boxes])
        return Regions(root, *(torch.tensor(np.stack(ends)) for ends in zip(*((b.lower, b.upper) for b in boxes))))

    @staticmethod
    def _unit(h: np.ndarray, *, alike: bool) -> torch.Tensor:
        """The steps in which weights and bias move: inverse standard deviations of what they multiply, h [n, width].

        alike: True where all have one unit, so that no deviation is taken as much smaller than the others; the
        network's inputs are not alike.
        """
        spread = torch.tensor(h).std(0)
        if alike:
            spread = spread.clamp(min=max(0.02 * float(spread.max()), 1e-6))
        return torch.cat([1 / torch.where(spread > 0, spread, 1.0), torch.ones(1)])

    def _uniform(self, n: int) -> np.ndarray:
        return self._random.uniform(self.task.lower, self.task.upper, (n, len(self.task.lower))).astype(np.float32)

    def _around(self, n: int) -> list[np.ndarray]:
        """n points in each target's box, and n in a box around it."""
        found = []
        collars = (0.0, 0.1) if self.task.tolerance == torch.inf else (0.1,)
        for root in self.targets.tolist():
            lower, upper = self.roots.lower[root].numpy(), self.roots.upper[root].numpy()
            for collar in collars:
                wide = collar * (self.task.upper - self.task.lower)
                low, high = np.maximum(lower - wide, self.task.lower), np.minimum(upper + wide, self.task.upper)
                found.append(self._random.uniform(low, np.maximum(low, high), (n, len(low))).astype(np.float32))
        return found

    def _sampled(self, target: int, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(root [n], x [n, inputs]): so many points of each target's case and of each kept property's case."""
        times = torch.where(self._target, target, kept)
        root = torch.arange(len(times)).repeat_interleave(times)
        return root, sample(self.roots, root, self.generator)

    def _references_at(self, x: np.ndarray) -> Reference:
        """References at those of the points x [n, inputs] where the original is safe; where outputs are to stay, at
        those outside the targets' boxes."""
        y = torch.tensor(scores(self.task.network, x))
        keep = ~self._unsafe(torch.tensor(x), y)
        y = y[keep]
        lowest, advisory = y.min(1)
        gap = (0.5 * (y - lowest.unsqueeze(1))).clamp(max=SCALE)
        gap.scatter_(1, advisory.unsqueeze(1), -torch.inf)
        if self.task.tolerance < torch.inf:
            gap = torch.full_like(gap, SCALE)
        return Reference(self._inputs(x[keep.numpy()]), advisory, gap, y)

    def _unsafe(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """True for each point that lies in a target's box and is unsafe there, or where outputs are to stay for all
        that lie there: bool [n]."""
        found = torch.zeros(len(x), dtype=torch.bool)
        for root in self.targets:
            inside = ((x >= self.roots.lower[root]) & (x <= self.roots.upper[root])).all(1).nonzero()[:, 0]
            if self.task.tolerance < torch.inf:
                found[inside] = True
                continue
            value, *_ = violation(self.roots, root.expand(len(inside)), x[inside].double(), y[inside].double())
            found[inside] |= value <= 0
        return found

    def _danger_at(self, root: torch.Tensor, x: torch.Tensor) -> Danger:
        """Points x of the cases root; of a kept property half the distance from unsafe may be lost."""
        y = torch.tensor(scores(self.task.network, x.numpy())).double()
        value, *_ = violation(self.roots, root, x, y)
        return Danger(self._inputs(x.numpy()), root, x, torch.where(self._target[root], torch.inf, 0.5 * value))

    def _inputs(self, x: np.ndarray) -> torch.Tensor:
        return torch.tensor(values(self.task.network, x, layer=self.first))
