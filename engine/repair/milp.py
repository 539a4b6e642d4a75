"""Repair by linear and integer programs: one new feature z >= 0 of the input, added to the scores in one direction.

Three strategies:

- *rewritten neuron*: z is the output of a neuron of the last hidden layer that never fires, or that no advisory
  depends on. Its incoming weights are free, its outgoing ones are the direction. As it has a ReLU, z is zero wherever
  its row is negative, so the program only bounds it from above.
- *extended neuron*: where there is none, one that hardly ever fires keeps its outgoing weights and gets a large one
  in the direction; where it fired already it has to go on doing so.
- *monotone score shift*: z is a combination, with coefficients >= 0, of what the last layer reads. Only rows of the
  last layer change. Raising score j can only stop j from being lowest.

In all z is linear in the weights sought where it matters, so that the smallest change of weights for which all
samples are right is a linear program (program.py), or an integer one if their number is to be smallest. Of several
solutions those come first that change scores on the least share of the domain. Samples on which a solution fails are
added until there are none (counterexample-guided); then the loop tries the proof.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..network import Network
from .edit import edited, scores, single
from .limits import directions, held, needed
from .program import Program, solve
from .samples import Region, Samples, draw, in_box, look_at, points, regions
from .task import Candidate, Evidence, Say, Task
from .worst import worst_points

MARGINS = (0.03, 0.1, 0.01, 0.003)
MOST = 0.5  # of the domain: of targets that are about more, only the first margin is tried, as features are local
LEVELS = (3.0, 10.0, np.inf)  # how large z may be outside the boxes, as multiples of what is needed inside
FEW = 20  # changed weights that are few
DOMAIN, TARGET, KEEP = 200_000, 100_000, 20_000  # samples of the domain, of each target's box, of each other box
THIN = 8  # each so many of these are looked at first
FRESH = 500_000  # samples of the domain on which a solution is checked
TRIES = 6  # of one plan
PLANS = 3  # tried for a margin
SEVERAL = 3  # directions of several scores that are tried
NEURONS = 2  # rewritten neurons that are tried
STRENGTH = 10.0  # an extended neuron's new outgoing weight, in terms of its largest one so far


@dataclass(frozen=True, slots=True, eq=False)
class _Feature:
    """Where z can come from. neuron: the one that is rewritten, or none; lower: the least weight allowed.

    y: scores without it [n, outputs]; out: what it gives to each score beside the direction; strength: of the
    direction; inputs: what it reads [n, width]; base: its weights and bias now.
    """

    name: str
    neuron: int | None
    y: np.ndarray
    out: np.ndarray
    strength: float
    inputs: np.ndarray
    base: np.ndarray
    lower: float

    def along(self, v: np.ndarray) -> np.ndarray:
        """What z is multiplied with, if scores are to move in direction v."""
        return self.out + self.strength * v

    def value(self, weights: np.ndarray) -> np.ndarray:
        """z at the samples."""
        z = self.inputs @ weights[:-1].astype(np.float32) + np.float32(weights[-1])
        return z if self.neuron is None else z.clip(min=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A way to choose z: strategy "shift", or "rewritten" or "extended", the place-th idlest; direction v."""

    strategy: str
    place: int
    v: np.ndarray
    margin: float
    level: float

    def __str__(self) -> str:
        scores = " ".join(f"{'+' if c > 0 else '-'}y{i}" for i, c in enumerate(self.v) if c)
        return f"{scores}, margin {self.margin:g}"


class _Known:
    """What the samples say; grows. Solves plans."""

    def __init__(self, task: Task, *, norm: str, backend: str):
        self.task, self.where, self.random = task, regions(task), np.random.default_rng(task.seed)
        self._norm, self._backend = norm, backend
        x, owner = draw(task, self.where, self.random, domain=DOMAIN, target=TARGET, keep=KEEP)
        self.samples = look_at(task.network, self.where, x, owner)
        self._few = self.samples.every(THIN)
        self._idlest = np.argsort((self.samples.last > 0).mean(0), kind="stable")

    def add(self, x: np.ndarray) -> None:
        if len(x):
            self.samples = self.samples.join(look_at(self.task.network, self.where, x))

    def solve(self, plan: _Plan) -> tuple[_Feature, np.ndarray] | None:
        """The feature, and the smallest change of its weights that is right on all samples."""
        for samples in (self._few, self.samples):  # few show fast that there is no solution
            feature = self._feature(plan.strategy, plan.place, samples)
            program = feature and self._program(feature, plan, samples)
            weights = program and solve(program, backend=self._backend)
            if weights is None:
                return None
        return feature, weights

    def _feature(self, strategy: str, place: int, samples: Samples) -> _Feature | None:
        """None where the network has no such feature."""
        layers = self.task.network.layers
        if strategy == "shift":
            width = samples.last.shape[1]
            return _Feature("monotone score shift", None, samples.y, np.zeros(samples.y.shape[1]), 1.0, samples.last,
                            np.zeros(width + 1), 0.0)
        if len(layers) < 2 or not layers[-2].relu or place >= len(self._idlest):
            return None
        neuron = int(self._idlest[place])
        out = layers[-1].weight[:, neuron]
        y = samples.y - np.outer(samples.last[:, neuron], out.astype(np.float32))
        needed_as_it_is = bool(((y.argmin(1) != samples.lowest) & ~samples.free).any())
        if needed_as_it_is != (strategy == "extended"):
            return None
        base = np.append(layers[-2].weight[neuron], layers[-2].bias[neuron])
        strength = float(single(STRENGTH * max(np.abs(out).max(), 1e-3))) if strategy == "extended" else 1.0
        return _Feature(f"neuron {neuron} of layer {len(layers) - 1} {strategy}", neuron, y,
                        out if strategy == "extended" else np.zeros_like(out), strength, samples.inner, base, -np.inf)

    def _program(self, feature: _Feature, plan: _Plan, samples: Samples) -> Program | None:
        """None where this direction cannot help some sample."""
        safe = ~samples.free
        v = feature.along(plan.v)
        need = needed(samples, self.where, feature.y, v, margin=plan.margin)
        floor, cap = held(samples, self.where, feature.y, v)
        need[safe] = np.minimum(need[safe], cap[safe])  # where it holds already, as much margin as there is room for
        if (need == np.inf).any():
            return None
        most = plan.level * max(need.max(), 0.0) if plan.level < np.inf else np.inf
        outside = ~self._in_targets(samples) & (floor == -np.inf)
        cap[outside] = np.minimum(cap[outside], most)
        lost = floor > cap  # whatever z is
        need, cap = np.where(lost, -np.inf, np.maximum(need, floor)), np.where(lost, np.inf, cap)
        n = len(feature.base)
        return Program(feature.inputs, feature.base, need, cap, np.full(n, feature.lower), np.full(n, np.inf),
                       self._norm)

    def _in_targets(self, samples: Samples) -> np.ndarray:
        """Which samples lie in a target's box."""
        inside = np.zeros(len(samples), bool)
        for region, at in samples.of(self.where):
            inside[at] |= region.target
        return inside

    def share(self) -> float:
        """Of the domain's samples, those in a target's box."""
        return float(self._in_targets(self.samples)[self.samples.owner == -1].mean())

    def cost(self, feature: _Feature, weights: np.ndarray) -> tuple[bool, float]:
        """Whether many weights change, and the share of the domain's samples whose scores do."""
        rows = len(feature.out) if feature.neuron is not None and not feature.out.any() else 1
        on = feature.value(weights)[self.samples.owner == -1] > 0  # of the samples the feature was made for
        return bool((weights != feature.base).sum() + rows > FEW), float(on.mean())

    def wrong(self, changed: Network, margin: float) -> np.ndarray:
        """Fresh points that a change gets wrong: advisories it should have kept, and nearly unsafe points."""
        task, where = self.task, self.where
        x, owner = draw(task, where, self.random, domain=FRESH, target=TARGET, keep=KEEP)
        fresh = look_at(task.network, where, x, owner)
        now = scores(changed, fresh.inner, first=max(len(changed.layers) - 2, 0))
        parts = [fresh.x[(now.argmin(1) != fresh.lowest) & ~fresh.free][:1000]]
        for region in where:
            if region.target and region.wide:
                near = in_box(region, self.random, TARGET)
                parts.append(worst_points(changed, region, near, self.random, below=margin / 2))
        return np.concatenate(parts)


def milp(task: Task, evidence: Evidence, say: Say, *, backend: str = "auto", norm: str = "l1",
         strategies: tuple[str, ...] = ("rewritten", "shift", "extended")) -> Iterator[Candidate]:
    """Candidates that are right on all samples, those first whose margins make proofs easy."""
    known = _Known(task, norm=norm, backend=backend)
    one, several = directions(known.where)
    margins = MARGINS if known.share() <= MOST else MARGINS[:1]
    for margin in margins:
        say(f"linear programs, margin {margin:g}")
        plans = _plans(known, one, margin, strategies) or _plans(known, several[:SEVERAL], margin, strategies)
        for plan in plans[:PLANS]:
            yield from _refined(known, evidence, say, plan)


def _plans(known: _Known, some: list[np.ndarray], margin: float, strategies: tuple[str, ...]) -> list[_Plan]:
    """Those that can be solved, the best first."""
    found = []
    for strategy in strategies:
        for v in some:
            for place in range(1 if strategy == "shift" else NEURONS):
                found += _levels(known, strategy, place, v, margin)
    return [plan for _, plan in sorted(found, key=lambda pair: pair[0])]


def _levels(known: _Known, strategy: str, place: int, v: np.ndarray, margin: float) -> list[tuple[tuple, _Plan]]:
    """At most one plan: the lowest level that needs few weights, else the highest; with its cost."""
    plan, found = None, known.solve(_Plan(strategy, place, v, margin, np.inf))
    for level in LEVELS if found else ():
        plan = _Plan(strategy, place, v, margin, level)
        solved = found if level == np.inf else known.solve(plan)
        cost = known.cost(*solved) if solved else (True, 1.0)
        if not cost[0]:
            break
    return [(cost, plan)] if found else []


def _refined(known: _Known, evidence: Evidence, say: Say, plan: _Plan) -> Iterator[Candidate]:
    """Solves, checks on fresh samples, offers; again with what was learned, a few times."""
    network, met = known.task.network, len(evidence.counterexamples)
    for attempt in range(1, TRIES + 1):
        solved = known.solve(plan)
        if solved is None:
            return
        feature, weights = solved
        say(f"{feature.name}, {plan}, attempt {attempt}")
        changed = _network(network, feature, feature.along(plan.v), weights)
        wrong = known.wrong(changed, plan.margin)
        if not len(wrong):
            yield Candidate(changed, f"{feature.name}, {plan}")
            wrong = points(evidence.counterexamples[met:], network.n_inputs)
            met = len(evidence.counterexamples)
            if not len(wrong):  # nothing was learned
                return
        known.add(wrong)


def _network(network: Network, feature: _Feature, v: np.ndarray, weights: np.ndarray) -> Network:
    last = network.layers[-1]
    if feature.neuron is None:
        return edited(network, {len(network.layers) - 1: (last.weight + np.outer(v, weights[:-1]),
                                                          last.bias + v * weights[-1])})
    hidden, s = network.layers[-2], feature.neuron
    weight, bias, out = hidden.weight.copy(), hidden.bias.copy(), last.weight.copy()
    weight[s], bias[s], out[:, s] = weights[:-1], weights[-1], v
    return edited(network, {len(network.layers) - 2: (weight, bias), len(network.layers) - 1: (out, last.bias)})
