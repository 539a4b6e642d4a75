"""Plans solved on all samples known so far: the smallest change of weights that is right on each of them."""

import threading
from dataclasses import dataclass

import numpy as np

from engine.comparison.region import Region
from engine.network import Network
from engine.repair.milp import settings
from engine.repair.milp.feature import Feature, Features
from engine.repair.milp.limits import held, needed
from engine.repair.milp.plan import Plan
from engine.repair.milp.prices.program import solve_elastic
from engine.repair.milp.programs.cuts import solve
from engine.repair.milp.programs.program import Program
from engine.repair.milp.worst import worst_points
from engine.repair.samples import Samples, draw, look_at, regions
from engine.repair.task import Task

#: A feature, and the weights sought: those that it is linear in.
Solution = tuple[Feature, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class _Limits:
    """Limits of z at samples, each [n].

    need: the least z with which targets hold; floor, cap: everything else stays right between them.
    """

    need: np.ndarray
    floor: np.ndarray
    cap: np.ndarray


class _Latest(threading.local):
    """The limits of all samples that a thread found last, and of which feature, direction and margin they are."""

    key: tuple[Feature, tuple[float, ...], float] | None = None
    limits: _Limits | None = None


class PlanSolver:
    """Samples, which grow, and the solutions of plans on them.

    Points that had to be searched for are soft constraints: they count for a plan as long as it has a solution that
    is right on all of them.
    """

    def __init__(self, task: Task, *, norm: str, backend: str):
        self.task = task
        self.regions: list[Region] = regions(task)
        self.random = np.random.default_rng(task.seed)
        self._norm, self._backend = norm, backend
        sizes = {"domain": settings.DOMAIN, "target": settings.TARGET, "keep": settings.KEEP}
        x, owner = draw(task, self.regions, self.random, **sizes)
        self.samples = look_at(task.network, self.regions, x, owner)
        self._before = self.samples  # those before the last addition
        self._few = self.samples.every(settings.THINNING)
        self._soft: Samples | None = None
        self._features = Features(task.network, self.samples, tolerance=task.tolerance)
        self._feature_of: dict[tuple[bool, str, int], Feature | None] = {}
        self._solutions: dict[Plan, Solution | None] = {}
        self._without_soft: set[Plan] = set()
        self._latest = _Latest()

    # Samples

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
        """False once soft constraints were dropped for the plan, or could not all be met."""
        return plan not in self._without_soft

    def drop_soft(self, plan: Plan) -> None:
        """Solves the plan without soft constraints from now on."""
        self._without_soft.add(plan)
        self._solutions.pop(plan, None)

    def solve(self, plan: Plan) -> Solution | None:
        """The feature, and the smallest change of its weights that is right on all samples; None without one.

        Threads may ask.
        """
        if plan not in self._solutions:
            self._solutions[plan] = self._solution(plan, self.samples, self._soft)
        return self._solutions[plan]

    def solve_few(self, plan: Plan) -> Solution | None:
        """The same of few samples: it shows fast what a plan costs, and often that it has no solution."""
        return self._solution(plan, self._few, None)

    def elastic(self, plan: Plan, *, few: bool = False) -> tuple[Solution, float] | None:
        """The feature, weights that mend what is unsafe at all samples, or few, and how much else they miss.

        None where there are none.
        """
        samples = self._few if few else self.samples
        feature = self._feature(samples, plan.strategy, plan.place)
        program = self._program(feature, plan, samples) if feature else None
        found = solve_elastic(program, samples.free) if program else None
        return ((feature, found[0]), found[1]) if feature and found else None

    def size(self, plan: Plan) -> float | None:
        """How much the plan's solution on few samples changes scores there; None without one. Threads may ask."""
        found = self.solve_few(plan)
        if found is None:
            return None
        feature, weights = found
        z = feature.value(weights)
        prices = feature.prices(plan.v)
        return float(prices[0] * z.max() + prices[1] * z[self._few.owner == -1].mean())

    def most(self, plan: Plan, solution: Solution) -> float:
        """By how much the feature changes a score at most at the samples; inf where the norm is another."""
        feature, weights = solution
        if self._norm != "scores":
            return np.inf
        return float(np.abs(feature.along(plan.v)).max() * feature.value(weights).max())

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
            weights = solve(program, backend=self._backend)
        return None if weights is None else (feature, weights)

    def _solve_with_soft(self, program: Program, plan: Plan, soft: Samples) -> np.ndarray | None:
        """The program's solution that is right on the soft constraints too; None without one."""
        feature = self._features.at(soft, plan.strategy, plan.place, known=True)
        more = self._program(feature, plan, soft) if feature else None
        return solve(program.join(more), backend=self._backend) if more else None

    def _feature(self, samples: Samples, strategy: str, place: int) -> Feature | None:
        """The feature at all samples or at the thinned ones; all samples say whether the network has it."""
        thinned = samples is self._few
        key = thinned, strategy, place
        if key not in self._feature_of:
            exists = not thinned or self._feature(self.samples, strategy, place)
            found = self._features.at(samples, strategy, place, known=thinned) if exists else None
            self._feature_of[key] = found
        return self._feature_of[key]

    def _program(self, feature: Feature, plan: Plan, samples: Samples) -> Program | None:
        """The plan's constraints at the samples; None where its direction cannot help some sample."""
        limits = self._limits(feature, plan, samples)
        need, floor, cap = limits.need, limits.floor, limits.cap
        if (need == np.inf).any():
            return None
        lost = floor > cap  # wrong whatever z is
        need, cap = np.where(lost, -np.inf, np.maximum(need, floor)), np.where(lost, np.inf, cap)
        n = len(feature.base)
        lower, upper = np.full(n, feature.lower), np.full(n, np.inf)
        if not feature.bias:
            lower[-1] = upper[-1] = feature.base[-1]
        return Program(
            feature.inputs,
            feature.base,
            need,
            cap,
            lower,
            upper,
            self._norm,
            feature.largest,
            samples.owner == -1,
            feature.prices(plan.v),
        )

    def _limits(self, feature: Feature, plan: Plan, samples: Samples) -> _Limits:
        """Limits of z whatever the level; those of all samples are kept, as the next level asks for them again."""
        key = feature, tuple(plan.v), plan.margin
        if self._latest.limits and key == self._latest.key:
            return self._latest.limits
        safe, v = ~samples.free, feature.along(plan.v)
        need = needed(samples, self.regions, feature.y, v, margin=plan.margin)
        floor, cap = held(samples, self.regions, feature.y, v, tolerance=self.task.tolerance)
        need[safe] = np.minimum(need[safe], cap[safe])  # where it holds, as much margin as there is room for
        if self.task.max_change < np.inf:
            cap = np.minimum(cap, settings.CHANGE_SHARE * self.task.max_change / np.abs(plan.v).max())
            need[safe] = np.minimum(need[safe], cap[safe])
        limits = _Limits(need, floor, cap)
        if samples is self.samples:
            self._latest.key, self._latest.limits = key, limits
        return limits
