"""Points where scores change most by a plan: programs that do not know them let scores change more there than at any
sample."""

import numpy as np

from engine.repair.milp.feature import Feature
from engine.repair.milp.plan import Plan
from engine.repair.milp.solver import PlanSolver
from engine.repair.milp.worst import steepest_points

ROUNDS = 4  # of few samples: the solution that knows some points may change scores most elsewhere
STARTS, MOST = 400, 40  # samples from which points are looked for; points added in a round
STREAM = 2  # of random numbers, beside those that other samples are drawn from
MORE = 0.1  # share by which scores have to change more there than at any sample


def add_steepest(solver: PlanSolver, plan: Plan) -> None:
    """Adds such points to the samples, where the plan's feature is local and scores count."""
    begun, random = len(solver.few), np.random.default_rng([solver.task.seed, STREAM])
    for _ in range(ROUNDS if solver.counts_scores else 0):
        found = solver.solve_few(plan)
        x = _steepest(solver, plan, *found, random) if found and found[0].chain else solver.few.x[:0]
        if not len(x):
            break
        solver.add_few(x, plan)
    solver.add(solver.few.x[begun:])


def _steepest(
    solver: PlanSolver, plan: Plan, feature: Feature, weights: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The points [n, inputs] where scores change most by this solution on few samples."""
    task, value = solver.task, feature.value(weights)
    most = float(np.abs(feature.along(plan.v)).max() * value.max(initial=0.0))
    changed, start = feature.network(task.network, plan.v, weights), solver.few.x[np.argsort(value)[-STARTS:]]
    ends = {"lower": task.lower, "upper": task.upper}
    return steepest_points(task.network, changed, start, random, **ends, above=(1 + MORE) * most)[:MOST]
