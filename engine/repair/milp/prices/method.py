"""Repairs that change a few decisions, or outputs, where no plan keeps all at samples: by programs with prices.

Each feature and direction is solved once on a few samples; those that miss least are solved on all, checked on fresh
points, and solved again with what was found unsafe: limits that keep decisions or outputs may be missed at a price.
"""

from collections.abc import Iterator

import numpy as np

from engine.evaluation import scores
from engine.network import Network
from engine.repair.milp import settings
from engine.repair.milp.faults import find_faults
from engine.repair.milp.plan import Plan
from engine.repair.milp.solver import PlanSolver
from engine.repair.samples import points
from engine.repair.task import Candidate, Evidence, Say

DIGITS = 3  # of what is missed
PLANS = 4  # refined, those first that miss least
ATTEMPTS = 6  # times that one plan is solved and checked


def loose(
    solver: PlanSolver, evidence: Evidence, say: Say, directions: list[np.ndarray], margin: float
) -> Iterator[Candidate]:
    """Yields networks that are safe at all samples, and change as little else as the programs can have it.

    Of those that miss about as little of the rest, those that change scores least come first.
    """
    say("linear programs with prices")
    found = []
    for i, plan in enumerate(plans := _plans(directions, margin)):
        if elastic := solver.elastic(plan, few=True):
            solution, missed = elastic
            found.append((round(missed, DIGITS), solver.size_of(plan, solution).rank, i))
    for *_, i in sorted(found)[:PLANS]:
        yield from _refined(solver, evidence, say, plans[i])


def cheapest(solver: PlanSolver, directions: list[np.ndarray], margin: float, *, most: int) -> list[Network]:
    """Networks that are safe at few samples, those that change least of the rest first, however much that is.

    most: plans that are solved; those whose direction leads out of most unsafe polytopes come first, shifts last.
    """
    unsafe = [rows.outputs for region in solver.regions if region.target for rows in region.unsafe.polytopes]
    plans = _plans(directions, margin)
    plans.sort(key=lambda plan: (plan.strategy == "shift", -sum(bool((rows @ plan.v > 0).any()) for rows in unsafe)))
    found = []
    for plan in plans[:most]:
        if solved := solver.elastic(plan, few=True, most_missed=1.0):
            feature, weights = solved[0]
            found.append(feature.network(solver.task.network, plan.v, weights))
    return sorted(found, key=lambda network: _changed(solver, network))


def _changed(solver: PlanSolver, network: Network) -> float:
    """The share of the domain's samples that change: what programs miss does not count those that a feature spoils."""
    some = solver.samples.owner == -1
    x, before, tolerance = solver.samples.x[some], solver.samples.y[some], solver.task.tolerance
    y = scores(network, x)
    other = y.argmin(1) != before.argmin(1) if tolerance == np.inf else np.abs(y - before).max(1) > tolerance
    return float(other.mean())


def _plans(directions: list[np.ndarray], margin: float) -> list[Plan]:
    """Each feature in each direction."""
    return [
        Plan(strategy, place, v, margin)
        for v in directions
        for strategy in ("rewritten", "extended", "shift")
        for place in range(1 if strategy == "shift" else settings.MAX_NEURONS)
    ]


def _refined(solver: PlanSolver, evidence: Evidence, say: Say, plan: Plan) -> Iterator[Candidate]:
    """Yields what solves one plan, again and again, as long as something unsafe is found."""
    task = solver.task
    for attempt in range(1, ATTEMPTS + 1):
        found = solver.elastic(plan)
        if found is None:
            return
        (feature, weights), _ = found
        network = feature.network(task.network, plan.v, weights)
        note = f"{feature.name}, {plan}, at a price"
        say(f"{note}, attempt {attempt}")
        faults = find_faults(task, solver.regions, solver.random, network, plan.margin, search=False)
        wrong = faults.drawn[_nearly_unsafe(solver, network, faults.drawn, plan.margin)]
        known = len(evidence.counterexamples)
        if not len(wrong):
            yield Candidate(network, note, provisional=True)
            wrong = points(evidence.counterexamples[known:], task.network.n_inputs)
            if not len(wrong):
                return
        solver.add_counterexamples(wrong, network, plan.margin)


def _nearly_unsafe(solver: PlanSolver, network: Network, x: np.ndarray, margin: float) -> np.ndarray:
    """True for points of a target's box that miss unsafe by less than half the margin: bool [n]."""
    found, y = np.zeros(len(x), bool), scores(network, x)
    for region in solver.regions:
        if region.target:
            found |= region.holds(x) & (region.unsafe.distance(x, y) < margin / 2)
    return found
