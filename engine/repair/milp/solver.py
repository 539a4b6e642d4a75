"""Plans solved on all samples known so far: the smallest change of weights that is right on each of them."""

import threading
from dataclasses import dataclass

import numpy as np

from engine.comparison.region import Region
from engine.network import Network
from engine.repair.milp import settings
from engine.repair.milp.feature import Feature, Features
from engine.repair.milp.limits import held, needed
from engine.repair.milp.plan import Cost, Plan
from engine.repair.milp.prices.program import MOST_MISSED, solve_elastic
from engine.repair.milp.program import Program, solve
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
        self._thinned = self.samples.every(settings.THINNING)
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
        if plan not in self._solutions:  # few samples show fast that there is no solution
            likely = self._solution(plan, self._thinned, None)
            self._solutions[plan] = self._solution(plan, self.samples, self._soft) if likely else None
        return self._solutions[plan]

    def elastic(
        self, plan: Plan, *, few: bool = False, most_missed: float = MOST_MISSED
    ) -> tuple[Solution, float] | None:
        """The feature, weights that mend what is unsafe at all samples, or few, and how much else they miss.

        None where there are none, or more than a share most_missed of the samples is missed.
        """
        samples = self._thinned if few else self.samples
        feature = self._feature(samples, plan.strategy, plan.place)
        program = self._program(feature, plan, samples) if feature else None
        found = solve_elastic(program, samples.free, most_missed=most_missed) if program else None
        return ((feature, found[0]), found[1]) if feature and found else None

    def cost(self, plan: Plan) -> Cost | None:
        """The cost of the plan's solution (plan.py); None without one."""
        found = self.solve(plan)
        if found is None:
            return None
        feature, weights = found
        on = feature.value(weights)[self.samples.owner == -1] > 0
        changed = (weights != feature.base).sum() + feature.weights_beside(self.task.network)
        return bool(changed > settings.FEW_WEIGHTS), float(on.mean())

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
        thinned = samples is self._thinned
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
        most = plan.level * max(need.max(), 0.0) if plan.level < np.inf else np.inf
        outside = ~self._in_targets(samples) & (floor == -np.inf)
        cap = np.where(outside, np.minimum(cap, most), cap)
        lost = floor > cap  # wrong whatever z is
        need, cap = np.where(lost, -np.inf, np.maximum(need, floor)), np.where(lost, np.inf, cap)
        n = len(feature.base)
        lower, upper = np.full(n, feature.lower), np.full(n, np.inf)
        if not feature.bias:
            lower[-1] = upper[-1] = feature.base[-1]
        return Program(feature.inputs, feature.base, need, cap, lower, upper, self._norm, feature.largest)

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
