"""The descent for one choice of neurons: on points that are to become safe, on references, and on certified bounds.

Three hinges are descended: points of the properties' boxes nearer to unsafe than a margin, open boxes whose certified
lower bound (certified.py) is not above zero, and reference points whose advisory is about to change. Of points only
the hardest count. Proximal steps (soft thresholds) leave most weights as they were.
"""

from collections.abc import Callable, Iterable

import torch

from engine.attack import violation
from engine.repair.gradient.certified import CertifiedBounds, Regions, Weights, undecided
from engine.repair.gradient.choices import Chosen
from engine.repair.gradient.guides import BOXES, SCALE, Danger, Facts, Reference
from engine.repair.gradient.proxy import ProxyBoxes
from engine.repair.gradient.tuned import Tuned
from engine.repair.task import Evidence

HARDEST = 20_000  # reference points that count in a step, at most
WORST = 3_000  # points of the properties' boxes that count in a step, at most
REFRESH = 25  # steps after which both are chosen anew
FRESH = 200_000  # uniform points of each check of the agreement
DEPTHS = (6, 8, 10)  # halvings of the boxes whose bounds are descended to simplify rows
DEEP = 12  # halvings of the boxes by which it is judged whether the proof is out of reach
LOOSE = 0.7  # scores; bounds farther below zero need other rows rather than a small shift
USABLE_SHARE = 0.8  # of the tolerance of outputs
BOX_WEIGHT = 2.0  # of the boxes' hinge in the loss
WEIGHT_PRICE = 0.05  # of each changed weight, where descents are compared

#: By how much each box is above what it is to reach, for these weights: [boxes], above zero where it does.
Aim = Callable[[Weights], torch.Tensor]


class Descent:
    """One choice of neurons, the points that guide their descent, and the weights found so far."""

    def __init__(self, facts: Facts, chosen: Chosen, margin: float, objective: str = "bound"):
        self.facts, self.chosen, self.margin, self._objective = facts, chosen, margin, objective
        self.tuned = Tuned(facts.task.network, chosen, facts.units)
        self.reference, self.danger = facts.reference, facts.danger
        self.loss: float = torch.inf

    def learn(self, evidence: Evidence) -> None:
        """Adds points: counterexamples, those with advisories that a proved candidate changed, and those that an
        attack on the network as it is now finds."""
        if evidence.counterexamples:
            self.danger = self.danger.join(self.facts.counterexamples(evidence))
        self.danger = self.danger.join(self.facts.nearly_unsafe(self.tuned.edited()))
        if evidence.changed:
            self.reference = self.reference.join(self.facts.changed(evidence))

    @torch.no_grad()
    def agreement(self) -> float:
        """Returns the share of new uniform points with the same advisory, or outputs.

        Those about to change become references.
        """
        fresh = self.facts.fresh(FRESH)
        self.reference = self.reference.join(fresh.select(self._slack(fresh).amin(1) < SCALE))
        y, tolerance = self.tuned.scores(fresh.h), self.facts.task.tolerance
        alike = y.argmin(1) == fresh.advisory if tolerance == torch.inf else (y - fresh.y).abs().amax(1) <= tolerance
        return float(alike.double().mean())

    @torch.no_grad()
    def safe(self) -> bool:
        """True iff all points of the properties' boxes are safe."""
        return bool((self._distance(self.danger) > 0).all())

    def polish(self, evidence: Evidence) -> None:
        """Goes from a first trial to a repair of all points whose proof is not out of reach."""
        self.learn(evidence)
        if self.out_of_reach():
            changes = list(self.tuned.change.values())
            _assign(changes, map(torch.zeros_like, changes))
            self._simplify()
            return
        self.descend(steps=200, rate=0.002, sparsity=0.5)
        self.agreement()
        self.learn(evidence)
        self.descend(steps=100, rate=0.0005)

    def certify(self, evidence: Evidence) -> None:
        """Descends the bounds on open boxes, and those of simpler rows where they are far from proved."""
        self.learn(evidence)
        regions = self.facts.open_boxes(evidence) if evidence.boxes else None
        if regions and self._loose(regions):
            self._simplify()
        else:
            self.descend(steps=150, rate=0.002, sparsity=0.3, regions=regions)

    def _simplify(self) -> None:
        """Descends the bounds with all weights of the chosen neurons, in plain units.

        Bounds this loose are lost in the hidden layers; rows that differ less from each other are easier to bound.
        """
        self.tuned.measure({k: torch.ones_like(unit) for k, unit in self.facts.units.items()})
        for depth in DEPTHS:
            regions = self._undecided(depth)
            if len(regions):
                self.descend(steps=100, rate=0.001, sparsity=0.02, regions=regions)
        self.tuned.measure(self.facts.units)

    def out_of_reach(self) -> bool:
        """True iff the proof of the targets is out of reach, by a sample of their split trees."""
        return self._loose(self._undecided(DEEP))

    def _undecided(self, depth: int) -> Regions:
        return undecided(
            *self.facts.bounded(self.tuned.edited()),
            self.facts.targets,
            depth=depth,
            limit=BOXES // 2,
            generator=self.facts.generator,
        )

    def _loose(self, regions: Regions) -> bool:
        """True iff the bounds on most of these boxes are far below zero."""
        return len(regions) > 0 and float(self._bounds(regions)(self._doubles()).detach().median()) < -LOOSE

    def descend(self, *, steps: int, rate: float, sparsity: float = 0.0, regions: Regions | None = None) -> None:
        """Descends by Adam with proximal steps, and goes back to the best weights met.

        rate: of the first step; sparsity: the soft threshold of a step, as a multiple of its rate: without one only
        changed weights move; regions: boxes whose bounds count too.
        """
        changes = list(self.tuned.change.values())
        free = [torch.ones_like(change) if sparsity else (change != 0).float() for change in changes]
        aim = self._aim(regions) if regions and len(regions) else None
        optimizer = torch.optim.Adam(changes, lr=rate, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.01 * rate)
        self.loss, best = torch.inf, [change.detach().clone() for change in changes]
        for step in range(steps + 1):
            if step % REFRESH == 0 or step == steps:
                hardest = self._hardest()
                with torch.no_grad():
                    loss = float(self._loss(self.reference, self.danger, aim)) + WEIGHT_PRICE * self.tuned.count()
                if loss < self.loss:
                    self.loss, best = loss, [change.detach().clone() for change in changes]
            if step < steps:
                optimizer.zero_grad()
                torch.autograd.backward(self._loss(*hardest, aim))
                for change, mask in zip(changes, free):
                    assert change.grad is not None  # each tuned weight reaches the loss
                    change.grad *= mask
                threshold = sparsity * float(schedule.get_last_lr()[0])
                optimizer.step()
                schedule.step()
                _assign(changes, [torch.nn.functional.softshrink(change, threshold) for change in changes])
        _assign(changes, best)

    @torch.no_grad()
    def _hardest(self) -> tuple[Reference, Danger]:
        """The points that count most: those with the least slack, and the nearest to unsafe."""
        slack = self._slack(self.reference).amin(1)
        margin = self._distance(self.danger) - self.danger.attainable.clamp(max=self.margin)
        near = slack.topk(min(HARDEST, len(slack)), largest=False)
        worst = margin.topk(min(WORST, len(margin)), largest=False).indices
        return self.reference.select(near.indices[near.values < 0.03]), self.danger.select(worst)

    def _loss(self, reference: Reference, danger: Danger, aim: Aim | None) -> torch.Tensor:
        """The sum of all hinges; a reference's is steeper where its gap is small, a box's is a logarithm."""
        lost = (-self._slack(reference)).clamp(min=0)
        loss = 0.1 * (lost / (reference.gap.clamp(min=0) + 0.1 * SCALE)).sum()
        short = (danger.attainable.clamp(max=self.margin) - self._distance(danger)).clamp(min=0) / SCALE
        loss = loss + 0.1 * short.sum() + 0.5 * short.amax()
        if aim:
            short = (0.5 * SCALE - aim(self._doubles())).clamp(min=0) / SCALE
            loss = loss + BOX_WEIGHT * torch.log1p(short).sum()
        return loss

    def _slack(self, points: Reference) -> torch.Tensor:
        """The distance of each score from the lowest, less the one that is to stay: [n, outputs].

        Where outputs are to stay: how much of the tolerance is left, less a fifth of it.
        """
        y, tolerance = self.tuned.scores(points.h), self.facts.task.tolerance
        if tolerance < torch.inf:
            return USABLE_SHARE * tolerance - (y - points.y).abs()
        return y - y.gather(1, points.advisory.unsqueeze(1)) - points.gap

    def _distance(self, points: Danger) -> torch.Tensor:
        """The distance of each point from unsafe, in scores: [n]."""
        value: torch.Tensor = violation(self.facts.roots, points.root, points.x, self.tuned.scores(points.h).double())[
            0
        ]
        return value

    def _doubles(self) -> Weights:
        return {k: (weight.double(), bias.double()) for k, (weight, bias) in self.tuned.weights().items()}

    def _aim(self, regions: Regions) -> Aim:
        """The objective on these boxes, made around the network as it is now."""
        if self._objective == "bound":
            return self._bounds(regions)
        return ProxyBoxes(
            *self.facts.bounded(self.tuned.edited()),
            regions,
            first=self.facts.first,
            margin=SCALE,
            generator=self.facts.generator,
        )

    def _bounds(self, regions: Regions) -> CertifiedBounds:
        """Certified bounds on these boxes, made around the network as it is now."""
        return CertifiedBounds(*self.facts.bounded(self.tuned.edited()), regions, tuned=self.tuned.neurons)


@torch.no_grad()
def _assign(changes: list[torch.Tensor], new: Iterable[torch.Tensor]) -> None:
    """Puts new values into the tensors."""
    for change, value in zip(changes, new):
        change.copy_(value)
