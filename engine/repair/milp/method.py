"""Repair by linear and integer programs: one new feature z >= 0 of the input, added to the scores in one direction.

What z can be is in feature.py. It is linear in the weights sought where it matters, so that the smallest change of
weights for which all samples are right is a linear program (program.py), or an integer one if their number is to be
smallest. Of several solutions those of few weights come first, then those that change scores on the least share of
the domain. Samples on which a solution fails are added until there are none (counterexample-guided); then the loop
tries the proof. Relayed neurons change many weights: they come last.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from engine.comparison.pair import first_difference
from engine.comparison.region import in_box
from engine.errors import InputError
from engine.evaluation import in_threads, scores
from engine.network import Network
from engine.repair.milp.feature import STRATEGIES, Feature, Features
from engine.repair.milp.limits import directions, held, needed
from engine.repair.milp.program import Program, solve
from engine.repair.milp.worst import changed_points, worst_points
from engine.repair.samples import Samples, draw, look_at, points, regions
from engine.repair.task import Candidate, Evidence, Say, Task

MARGINS = (0.03, 0.1, 0.01, 0.003)
RELAYED_MARGINS = (0.003, 0.0005)
MOST = 0.5  # of the domain: of targets that are about more, only the first margin is tried, as features are local
LEVELS = (3.0, 10.0, np.inf)  # how large z may be outside the boxes, as multiples of what is needed inside
FEW = 20  # changed weights that are few
DOMAIN, TARGET, KEEP = 200_000, 100_000, 20_000  # samples of the domain, of each target's box, of each other box
THIN = 8  # each so many of these are looked at first
AROUND, NEARBY = 20, 0.01  # points around each with another advisory; how far off, in terms of the domain's widths
FRESH = 200_000  # samples of the domain on which a solution is checked before changed advisories are searched for
ALONE = 2.5  # times so many where they are not
TRIES = 8  # of one plan
REFUTED = 3  # times that a counterexample refutes a plan's candidate, before the next plan is tried
PLANS = 4  # tried for a margin
SEVERAL = 3  # directions of several scores that are tried
NEURONS = 2  # rewritten neurons that are tried
TOLERATED = 1e-4  # share of the domain where a relayed neuron may change advisories
RELAYS = 5  # layers in which a relayed neuron is sought


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A way to choose z: the strategy and place of its feature, and the direction v."""

    strategy: str
    place: int
    v: np.ndarray
    margin: float
    level: float

    def __str__(self) -> str:
        scores = " ".join(f"{'+' if c > 0 else '-'}y{i}" for i, c in enumerate(self.v) if c)
        return f"{scores}, margin {self.margin:g}"


class _Known:
    """What the samples say; grows. Solves plans.

    Wishes are points that had to be searched for: they count where a plan can have all of them right.
    """

    def __init__(self, task: Task, *, norm: str, backend: str):
        self.task, self.where, self.random = task, regions(task), np.random.default_rng(task.seed)
        self._norm, self._backend = norm, backend
        x, owner = draw(task, self.where, self.random, domain=DOMAIN, target=TARGET, keep=KEEP)
        self.samples = look_at(task.network, self.where, x, owner)
        self._few = self.samples.every(THIN)
        self._limits_of = threading.local()
        self._features, self._kept, self._solved = Features(task.network, self.samples), {}, {}
        self._before, self._wishes, self._hopeless = self.samples, None, set()

    def add(self, x: np.ndarray) -> None:
        if len(x):
            self._before = self.samples
            self._replace(self.samples.join(look_at(self.task.network, self.where, x)))

    def wish(self, x: np.ndarray) -> None:
        if len(x):
            more = look_at(self.task.network, self.where, x)
            self._wishes = self._wishes.join(more) if self._wishes else more
            self._solved.clear()

    def meet(self, x: np.ndarray, changed: Network, margin: float) -> None:
        """Takes in counterexamples to a change, and unsafe or nearly unsafe points that are found from them."""
        found = [
            worst_points(changed, region, x[region.holds(x)], self.random, below=region.target * margin / 2)
            for region in self.where
            if region.wide and region.holds(x).any()
        ]
        self.add(np.concatenate([x, *found]))

    def granted(self, plan: _Plan) -> bool:
        """Whether wishes count for the plan."""
        return plan not in self._hopeless

    def refuse(self, plan: _Plan) -> None:
        """Wishes count for the plan no more."""
        self._hopeless.add(plan)
        self._solved.pop(plan, None)

    def around(self, x: np.ndarray) -> np.ndarray:
        """Points of the domain near each of x [n, inputs], and x: an advisory that changes does so nearby."""
        lower, upper = self.task.lower, self.task.upper
        steps = self.random.normal(0.0, NEARBY, (AROUND, *x.shape)) * (upper - lower)
        return np.concatenate([x, np.clip(x + steps, lower, upper).reshape(-1, x.shape[1])]).astype(np.float32)

    def forget(self) -> None:
        """Takes what was last added out again."""
        self._replace(self._before)

    def _replace(self, samples: Samples) -> None:
        self.samples = samples
        self._solved.clear()
        self._kept = {key: feature for key, feature in self._kept.items() if key[0]}

    def solve(self, plan: _Plan) -> tuple[Feature, np.ndarray] | None:
        """The feature, and the smallest change of its weights that is right on all samples. Threads may ask."""
        if plan not in self._solved:  # few samples show fast that there is no solution
            self._solved[plan] = self._solution(plan, self._few) and self._solution(plan, self.samples, self._wishes)
        return self._solved[plan]

    def cost(self, plan: _Plan) -> tuple[bool, float] | None:
        """Whether its solution changes many weights, and on what share of the domain scores; None without one."""
        found = self.solve(plan)
        return found and self._cost(*found)

    def _solution(self, plan: _Plan, samples: Samples, wishes: Samples | None = None):
        """See solve."""
        feature = self._feature(samples, plan.strategy, plan.place)
        program = feature and self._program(feature, plan, samples)
        weights = None
        if program and wishes and self.granted(plan):
            wished = self._program(self._features.at(wishes, plan.strategy, plan.place, known=True), plan, wishes)
            weights = wished and solve(program.join(wished), backend=self._backend)
            if weights is None:
                self._hopeless.add(plan)
        if program and weights is None:
            weights = solve(program, backend=self._backend)
        return None if weights is None else (feature, weights)

    def _feature(self, samples: Samples, strategy: str, place: int) -> Feature | None:
        few = samples is self._few
        key = few, strategy, place
        if key not in self._kept:  # all samples say whether the network has it
            has = not few or self._feature(self.samples, strategy, place)
            self._kept[key] = self._features.at(samples, strategy, place, known=few) if has else None
        return self._kept[key]

    def _program(self, feature: Feature, plan: _Plan, samples: Samples) -> Program | None:
        """None where this direction cannot help some sample."""
        need, floor, cap = self._limits(feature, plan, samples)
        if (need == np.inf).any():
            return None
        most = plan.level * max(need.max(), 0.0) if plan.level < np.inf else np.inf
        outside = ~self._in_targets(samples) & (floor == -np.inf)
        cap = np.where(outside, np.minimum(cap, most), cap)
        lost = floor > cap  # whatever z is
        need, cap = np.where(lost, -np.inf, np.maximum(need, floor)), np.where(lost, np.inf, cap)
        n = len(feature.base)
        lower, upper = np.full(n, feature.lower), np.full(n, np.inf)
        if not feature.bias:
            lower[-1] = upper[-1] = feature.base[-1]
        return Program(feature.inputs, feature.base, need, cap, lower, upper, self._norm, feature.largest)

    def _limits(self, feature: Feature, plan: _Plan, samples: Samples) -> tuple[np.ndarray, ...]:
        """(need, floor, cap) of z at the samples, whatever the level: those of all are kept until the next plan."""
        key = feature, tuple(plan.v), plan.margin
        if key == getattr(self._limits_of, "key", None):
            return self._limits_of.found
        safe, v = ~samples.free, feature.along(plan.v)
        need = needed(samples, self.where, feature.y, v, margin=plan.margin)
        floor, cap = held(samples, self.where, feature.y, v)
        need[safe] = np.minimum(need[safe], cap[safe])  # where it holds, as much margin as there is room for
        if samples is self.samples:
            self._limits_of.key, self._limits_of.found = key, (need, floor, cap)
        return need, floor, cap

    def _in_targets(self, samples: Samples) -> np.ndarray:
        """Which samples lie in a target's box."""
        inside = np.zeros(len(samples), bool)
        for region, at in samples.of(self.where):
            inside[at] |= region.target
        return inside

    def share(self) -> float:
        """Of the domain's samples, those in a target's box."""
        return float(self._in_targets(self.samples)[self.samples.owner == -1].mean())

    def _cost(self, feature: Feature, weights: np.ndarray) -> tuple[bool, float]:
        """Of a solution for all samples: see cost."""
        on = feature.value(weights)[self.samples.owner == -1] > 0
        changed = (weights != feature.base).sum() + feature.weights_beside(self.task.network)
        return bool(changed > FEW), float(on.mean())

    def faults(self, changed: Network, margin: float, *, strict: bool) -> "_Faults":
        """What a change gets wrong at fresh points: advisories it should have kept, nearly unsafe points.

        strict: whether to search for advisories that it changes, beside drawing points.
        """
        task, where = self.task, self.where
        domain = FRESH if strict else int(ALONE * FRESH)
        x, owner = draw(task, where, self.random, domain=domain, target=TARGET, keep=KEEP)
        fresh = look_at(task.network, where, x, owner)
        late = max(len(changed.layers) - 2, 0)  # the layer that `inner` is read by
        now = (
            scores(changed, fresh.inner, first=late)
            if first_difference(task.network, changed) >= late
            else scores(changed, fresh.x)
        )
        other = (now.argmin(1) != fresh.lowest) & ~fresh.free
        parts = [fresh.x[other][:1000]]
        for region in where:
            if region.target and region.wide:
                near = in_box(region, self.random, TARGET)
                parts.append(worst_points(changed, region, near, self.random, below=margin / 2))
        elsewhere = other & (fresh.owner == -1)
        drawn = np.concatenate(parts)
        share = elsewhere.sum() / domain if len(drawn) == elsewhere.sum() else 1.0
        return _Faults(drawn, self._sought(changed, fresh.x[fresh.owner == -1]) if strict else drawn[:0], share)

    def _sought(self, changed: Network, x: np.ndarray) -> np.ndarray:
        """Points whose advisory changes and should not, searched for from these."""
        task = self.task
        found = changed_points(task.network, changed, x, self.random, lower=task.lower, upper=task.upper)
        return found[~look_at(task.network, self.where, found).free]


@dataclass(frozen=True, slots=True, eq=False)
class _Faults:
    """Points [n, inputs] that a change gets wrong, drawn and sought; the share of the domain's among those drawn, or 1
    where there are others."""

    drawn: np.ndarray
    sought: np.ndarray
    share: float


def milp(
    task: Task,
    evidence: Evidence,
    say: Say,
    *,
    backend: str = "auto",
    norm: str = "l1",
    strategies: tuple[str, ...] = STRATEGIES,
    wide: bool = True,
) -> Iterator[Candidate]:
    """Candidates that are right on all samples, or with relayed neurons on all but TOLERATED of the domain's, in the
    order of MARGINS.

    wide: whether to try on targets about most of the domain, where a feature of few weights rarely serves; else
    InputError.
    """
    known = _Known(task, norm=norm, backend=backend)
    one, several = directions(known.where)
    local = known.share() <= MOST
    if not (local or wide):
        raise InputError(
            "the property is about most of the inputs that are looked at",
            advice="use --method milp to try nevertheless",
        )
    others = [name for name in strategies if name != "relayed"]
    hopeless = np.inf  # the least margin without a plan
    for margin in MARGINS if local else MARGINS[:1]:
        if margin > hopeless:
            continue
        say(f"linear programs, margin {margin:g}")
        for some in (one, several[:SEVERAL]):
            plans = _plans(known, some, margin, others)
            for plan in plans[:PLANS]:
                yield from _refined(known, evidence, say, plan)
            if plans:
                break
        else:
            hopeless = margin
    for margin, place in product(RELAYED_MARGINS if local and "relayed" in strategies else (), range(RELAYS)):
        say(f"linear programs for a relayed neuron, margin {margin:g}")
        for v in one:
            yield from _refined(known, evidence, say, _Plan("relayed", place, v, margin, np.inf), TOLERATED)


def _plans(known: _Known, some: list[np.ndarray], margin: float, strategies: list[str]) -> list[_Plan]:
    """Those that can be solved: for each feature the best direction first, then the others."""
    ways = [
        (strategy, place, v)
        for strategy in strategies
        for v in some
        for place in range(1 if strategy == "shift" else NEURONS)
    ]
    found = in_threads(lambda way: _level(known, *way, margin), ways)
    ranked = [plan for _, plan in sorted((pair for pair in found if pair), key=lambda pair: pair[0])]
    place = lambda plan: (plan.strategy, plan.place)
    before = lambda i: sum(place(plan) == place(ranked[i]) for plan in ranked[:i])
    return [ranked[i] for i in sorted(range(len(ranked)), key=before)]


def _level(known: _Known, strategy: str, place: int, v: np.ndarray, margin: float) -> tuple[tuple, _Plan] | None:
    """The plan of the lowest level that needs few weights, else of the highest; with its cost."""
    highest = _Plan(strategy, place, v, margin, np.inf)
    cost = known.cost(highest)
    for level in LEVELS[:-1] if cost else ():
        plan = _Plan(strategy, place, v, margin, level)
        lower = known.cost(plan)
        if lower and not lower[0]:
            return lower, plan
    return cost and (cost, highest)


def _refined(known: _Known, evidence: Evidence, say: Say, plan: _Plan, tolerated: float = 0.0) -> Iterator[Candidate]:
    """Solves, checks on fresh samples, offers; again with what was learned, a few times.

    Where all samples cannot be right, or are not after half of the attempts, advisories may change on the share
    `tolerated` of the domain. Without it, points that had to be searched for may be wrong where no solution has them
    right, and what is refuted too often gives way to the next plan.
    """
    network, strict, spare, offered, refutations = known.task.network, True, None, None, 0
    met, changed = len(evidence.counterexamples), len(evidence.changed)
    for attempt in range(1, TRIES + 1):
        solved = known.solve(plan)
        if solved is None and attempt > 1 and strict and tolerated:
            known.forget()
            solved, strict = known.solve(plan), False
        if spare and not (solved and known.granted(plan)):
            yield spare
            spare, offered = None, spare.network.sha256
        if solved is None:
            return
        feature, weights = solved
        say(f"{feature.name}, {plan}, attempt {attempt}")
        candidate = Candidate(feature.network(network, plan.v, weights), f"{feature.name}, {plan}", not tolerated)
        faults = known.faults(candidate.network, plan.margin, strict=not tolerated and known.granted(plan))
        strict = strict and not (tolerated and attempt >= TRIES // 2)
        wrong, wishes = faults.drawn, faults.sought
        spare = None if len(wrong) or tolerated else candidate
        if not len(wrong) + len(wishes) or not strict and faults.share <= tolerated:
            spare = None
            if candidate.network.sha256 != offered:  # else it would be proved twice
                offered = candidate.network.sha256
                yield candidate
            known.meet(points(evidence.counterexamples[met:], network.n_inputs), candidate.network, plan.margin)
            refuted = len(evidence.counterexamples) > met
            refutations += refuted
            if evidence.changed[changed:] and not tolerated:
                wishes = known.around(np.stack(evidence.changed[changed:]))
            met, changed = len(evidence.counterexamples), len(evidence.changed)
            if evidence.boxes and known.granted(plan):
                known.refuse(plan)  # a simpler change may be easier to prove
                continue
            if not known.granted(plan):
                wrong, wishes = wishes, wishes[:0]
            if not refuted + len(wrong) + len(wishes):  # nothing was learned
                return
        known.add(wrong)
        known.wish(wishes)
        if refutations == REFUTED and not tolerated:
            return
    if spare:
        yield spare
