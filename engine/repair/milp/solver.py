"""Plans solved on all samples known so far: the smallest change of weights that is right on each of them."""

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

import numpy as np

from engine.comparison.decision import Decision
from engine.comparison.region import Region
from engine.comparison.structure import structure
from engine.network import Network
from engine.repair.milp import settings
from engine.repair.milp.feature import Feature, Features
from engine.repair.milp.limits import held, needed
from engine.repair.milp.plan import Plan, Size
from engine.repair.milp.programs.cuts import NONE, ROUNDS, Constraints, solve
from engine.repair.milp.programs.program import Program
from engine.repair.milp.worst import worst_points
from engine.repair.samples import Samples, draw, look_at, regions
from engine.repair.scores.change import size
from engine.repair.task import Task

ROOM_SHARE = 0.9  # of what z may be, used for margins of what holds already
ELASTIC_ROUNDS = 20  # of programs with prices
MOST_MISSED = 0.002  # of the samples: a program that misses more is given up, where nothing else is asked for

#: A feature, and the weights sought: those that it is linear in.
Solution = tuple[Feature, np.ndarray]


class PlanSolver:
    """Samples, which grow, and the solutions of plans on them.

    Points that had to be searched for are soft constraints: they count for a plan as long as it has a solution that
    is right on all of them.
    """

    def __init__(
        self, task: Task, *, norm: str, backend: str, check: Callable[[], None] = lambda: None, patient: bool = False
    ):
        """check: is called between rounds of a program, and may raise what ends them; patient: True for many rounds."""
        self._few_rounds = settings.MANY_ROUNDS if patient else settings.FEW_ROUNDS
        self.task, self._check = task, check
        self.regions: list[Region] = regions(task)
        self.random = np.random.default_rng(task.seed)
        self._norm, self._backend = norm, backend
        sizes = {"domain": settings.DOMAIN, "target": settings.TARGET, "keep": settings.KEEP}
        x, owner = draw(task, self.regions, self.random, **sizes)
        self.samples = look_at(task.network, self.regions, x, owner)
        self._before = self.samples  # those before the last addition
        self.few = self.samples.every(settings.THINNING)
        self._thinned = len(self.few)  # of few samples, the first so many are of all in this order
        self._soft: Samples | None = None
        self._features = Features(task.network, self.samples, tolerance=task.tolerance)
        self._feature_of: dict[tuple[bool, str, int], Feature | None] = {}
        self._solutions: dict[Plan, Solution | None] = {}
        self._without_soft: set[Plan] = set()
        self._held: dict[tuple[bool, str, int, bytes], Constraints] = {}  # of the last solution, of few samples or all
        self._of_few: dict[tuple[str, int, bytes, float], np.ndarray | None] = {}  # weights
        self._in_work: dict[tuple[str, int, bytes, float], Lock] = {}

    # Samples

    @property
    def counts_scores(self) -> bool:
        """True iff programs make changes of scores small, and not of weights, nor outputs are to stay."""
        return self._norm == "scores" and self.task.tolerance == np.inf

    def add(self, x: np.ndarray) -> None:
        """Adds the points x [n, inputs] to the samples."""
        if len(x):
            self._before = self.samples
            self._replace(self.samples.join(look_at(self.task.network, self.regions, x)))

    def add_soft(self, x: np.ndarray) -> None:
        """Adds soft constraints: the points x [n, inputs]."""
        if len(x):
            more = look_at(self.task.network, self.regions, x)
            self._soft = self._soft.join(more) if self._soft else more
            self._solutions.clear()

    def add_counterexamples(self, x: np.ndarray, changed: Network, margin: float) -> None:
        """Adds counterexamples x [n, inputs] to a change, and unsafe or nearly unsafe points found from them."""
        found = [
            worst_points(changed, region, x[region.holds(x)], self.random, below=region.target * margin / 2)
            for region in self.regions
            if region.wide and region.holds(x).any()
        ]
        self.add(np.concatenate([x, *found]))

    def add_few(self, x: np.ndarray, plan: Plan) -> None:
        """Adds the points x [n, inputs] to the few samples, on which this plan is to be solved again."""
        self.few = self.few.join(look_at(self.task.network, self.regions, x))
        self._feature_of = {key: feature for key, feature in self._feature_of.items() if not key[0]}
        self._of_few.pop(self._key(plan), None)

    def roll_back(self) -> None:
        """Removes the samples that were added last."""
        self._replace(self._before)

    def _replace(self, samples: Samples) -> None:
        self.samples = samples
        self._solutions.clear()
        self._feature_of = {key: feature for key, feature in self._feature_of.items() if key[0]}

    def target_share(self) -> float:
        """The share of the domain's samples that lie in a target's box."""
        return float(self._in_targets(self.samples)[self.samples.owner == -1].mean())

    def _in_targets(self, samples: Samples) -> np.ndarray:
        """True for the samples in a target's box: bool [n]."""
        inside = np.zeros(len(samples), bool)
        for region, at in samples.of(self.regions):
            inside[at] |= region.target
        return inside

    # Plans

    def soft_is_met(self, plan: Plan) -> bool:
        """False once the plan's soft constraints could not all be met."""
        return plan not in self._without_soft

    def solve(self, plan: Plan) -> Solution | None:
        """The feature, and the smallest change of its weights that is right on all samples; None without one.

        Threads may ask.
        """
        if plan not in self._solutions:
            self._solutions[plan] = self._solution(plan, self.samples, self._soft)
        return self._solutions[plan]

    def solve_few(self, plan: Plan) -> Solution | None:
        """The same of few samples: it shows fast what a plan costs, and often that it has no solution.

        Plans with the same programs are solved once.
        """
        feature = self._feature(self.few, plan.strategy, plan.place)
        if feature is None:
            return None
        key = self._key(plan)
        with self._in_work.setdefault(key, Lock()):  # of two threads the second waits for the first one's solution
            if key not in self._of_few:
                found = self._solution(plan, self.few, None)
                self._of_few[key] = found and found[1]
        weights = self._of_few[key]
        return None if weights is None else (feature, weights)

    def _key(self, plan: Plan) -> tuple[str, int, bytes, float]:
        """The same for plans with the same programs."""
        return plan.strategy, self._first_alike(plan), plan.v.tobytes(), plan.margin

    def elastic(
        self, plan: Plan, *, few: bool = False, most_missed: float = MOST_MISSED
    ) -> tuple[Solution, float] | None:
        """The feature, weights that mend what is unsafe at all samples, or few, and how much else they miss.

        None where there are none, or more than a share most_missed of the samples is missed.
        """
        samples = self.few if few else self.samples
        feature = self._features.at(samples, plan.strategy, plan.place, known=True)
        program = self._program(feature, plan, samples) if feature else None
        if feature is None or program is None:
            return None
        norm = self._norm if self.task.tolerance == np.inf else "l1"
        program = replace(program, norm=norm, optional=~samples.free)
        most = most_missed * len(samples)
        found = solve(program, backend=self._backend, rounds=ELASTIC_ROUNDS, most_missed=most, check=self._check)
        return ((feature, found.w), float(program.missed(found.w).sum())) if found else None

    def size(self, plan: Plan) -> Size | None:
        """The size of the change that the plan's solution on few samples makes (plan.py); None without one.

        Threads may ask.
        """
        found = self.solve_few(plan)
        return found and self.size_of(plan, found)

    def size_of(self, plan: Plan, solution: Solution) -> Size:
        """The size of the change that a solution on few samples makes."""
        (feature, weights), domain = solution, self.few.owner == -1
        before, after = self.few.y, feature.scores(plan.v, weights)
        change = np.abs(after - before)
        amount = size(float(change.max()), float(change[domain].mean()))
        reordered = (np.argsort(before[domain]) != np.argsort(after[domain])).any(1).mean()
        claims = structure(self.task.network, feature.network(self.task.network, plan.v, weights))
        return Size(amount, claims is not None and claims.is_theorem(Decision.LOWEST), float(reordered))

    def _first_alike(self, plan: Plan) -> int:
        """The first place of the plan's strategy whose programs are the same: where scores count, those of two
        rewritten neurons without which scores are the same."""
        place, strategy = plan.place, plan.strategy
        mine = self._feature(self.samples, strategy, place)
        if mine is None or strategy != "rewritten" or self._norm != "scores" or not mine.bias:
            return place
        others = (self._feature(self.samples, strategy, other) for other in range(place))
        return next((i for i, each in enumerate(others) if each and np.array_equal(each.y, mine.y)), place)

    def _solution(self, plan: Plan, samples: Samples, soft: Samples | None) -> Solution | None:
        """See `solve`; about these samples and soft constraints."""
        feature = self._feature(samples, plan.strategy, plan.place)
        program = self._program(feature, plan, samples) if feature else None
        if feature is None or program is None:
            return None
        weights = None
        if soft and self.soft_is_met(plan):
            weights = self._solve_with_soft(program, plan, soft)
            if weights is None:
                self._without_soft.add(plan)
        if weights is None:
            few = samples is self.few
            rounds = self._few_rounds if few and self.task.tolerance == np.inf else ROUNDS
            known = self._known(plan, few=few, points=len(samples))
            found = solve(program, backend=self._backend, rounds=rounds, known=known, check=self._check)
            if found:
                self._held[few, plan.strategy, plan.place, plan.v.tobytes()] = found.held
                weights = found.w
        return None if weights is None else (feature, weights)

    def _known(self, plan: Plan, *, few: bool, points: int) -> Constraints:
        """Constraints to begin with: those of the plan's solution before, with whatever margin, on so many samples or
        on few of them."""
        of_all, of_few = (self._held.get((each, plan.strategy, plan.place, plan.v.tobytes())) for each in (False, True))
        if of_few and not few:
            of_few = of_few.select(of_few.at < self._thinned)
            of_few = Constraints(of_few.kind, settings.THINNING * of_few.at)
        known = of_few if few else of_all or of_few
        return known.select(known.at < points) if known else NONE

    def _solve_with_soft(self, program: Program, plan: Plan, soft: Samples) -> np.ndarray | None:
        """The program's solution that is right on the soft constraints too; None without one."""
        feature = self._features.at(soft, plan.strategy, plan.place, known=True)
        more = self._program(feature, plan, soft, strict=True) if feature else None
        if more is None:
            return None
        known = self._known(plan, few=False, points=len(program.need))
        found = solve(program.join(more), backend=self._backend, known=known, check=self._check)
        return found.w if found else None

    def _feature(self, samples: Samples, strategy: str, place: int) -> Feature | None:
        """The feature at all samples or at the thinned ones; all samples say whether the network has it."""
        thinned = samples is self.few
        key = thinned, strategy, place
        if key not in self._feature_of:
            exists = not thinned or self._feature(self.samples, strategy, place)
            found = self._features.at(samples, strategy, place, known=thinned) if exists else None
            self._feature_of[key] = found
        return self._feature_of[key]

    def _program(self, feature: Feature, plan: Plan, samples: Samples, *, strict: bool = False) -> Program | None:
        """The plan's constraints at the samples; None where its direction cannot help some sample.

        strict: False to ask nothing of samples that are wrong whatever z is, True to have no program then.
        """
        need, cap, lost = self._limits(feature, plan, samples)
        if (need == np.inf).any() or (strict and lost.any()):
            return None
        n = len(feature.base)
        lower, upper = np.full(n, feature.lower), np.full(n, np.inf)
        if not feature.bias:
            lower[-1] = upper[-1] = feature.base[-1]
        return Program(
            feature.inputs,
            self._start(feature, plan),
            need,
            cap,
            lower,
            upper,
            self._norm,
            feature.largest,
            samples.owner == -1,
            feature.prices(plan.v),
        )

    def _start(self, feature: Feature, plan: Plan) -> np.ndarray:
        """The weights from which changes count: 0 where a neuron is rewritten and scores count, as small weights make
        flat features, whose proofs are short."""
        if self._norm != "scores" or plan.strategy not in ("rewritten", "relayed"):
            return feature.base
        return np.append(np.zeros(len(feature.base) - 1), 0.0 if feature.bias else feature.base[-1])

    def _limits(self, feature: Feature, plan: Plan, samples: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The least z at each sample with which targets hold, the largest that keeps all else right, and whether no z
        does: [n] each. Nothing is asked then.
        """
        safe, v = ~samples.free, feature.along(plan.v)
        need = needed(samples, self.regions, feature.y, v, margin=plan.margin)
        floor, cap = held(samples, self.regions, feature.y, v, tolerance=self.task.tolerance)
        need[safe] = _within(need[safe], cap[safe])
        if self.task.max_change < np.inf:
            cap = np.minimum(cap, settings.CHANGE_SHARE * self.task.max_change / np.abs(plan.v).max())
            need[safe] = _within(need[safe], cap[safe])
        lost = floor > cap
        return np.where(lost, -np.inf, np.maximum(need, floor)), np.where(lost, np.inf, cap), lost


def _within(need: np.ndarray, cap: np.ndarray) -> np.ndarray:
    """What is needed where the target holds already: as much of it as there is room for, well within the cap."""
    found: np.ndarray = np.where(cap > 0, np.minimum(need, ROOM_SHARE * cap), -np.inf)
    return found
