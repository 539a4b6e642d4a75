"""Repairs with a theorem for every input: scores that are raised or lowered, and nothing else (shifts.py).

Each way to raise or lower scores is solved once; the best are refined by counterexamples, as other plans are. Where no
solution keeps all advisories those that keep most are offered: they change only as the theorem says.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from engine.comparison.region import Region
from engine.evaluation import scores
from engine.network import Network
from engine.repair.edit import free_bias, free_weight
from engine.repair.milp import settings
from engine.repair.milp.faults import find_faults
from engine.repair.milp.limits import directions
from engine.repair.milp.shifts import Shifts, solve_shifts
from engine.repair.milp.solver import PlanSolver
from engine.repair.samples import points
from engine.repair.task import Candidate, Evidence, Say

ATTEMPTS = 6  # times that one way is solved and checked


def with_theorem(solver: PlanSolver, evidence: Evidence, say: Say) -> Iterator[Candidate]:
    """Yields networks of which each score is nowhere smaller, nowhere larger, or unchanged, at any input."""
    if not free_weight(solver.task.network, -1):
        return
    for margin in settings.MARGINS:
        say(f"linear programs for shifts, margin {margin:g}")
        found = [_solved(solver, v, margin) for v in shift_directions(solver.regions)]
        ranked = sorted((each for each in found if each), key=lambda each: (round(each.missed, 3), each.size))
        for shifts in ranked[: settings.MAX_SHIFTS]:
            yield from _refined(solver, evidence, say, shifts, margin)


def shift_directions(where: list[Region]) -> list[np.ndarray]:
    """Directions [outputs] of which some part leads out of each unsafe polytope of the targets.

    Of one score; and where there are several polytopes, of two or three as well.
    """
    one, _ = directions(where)
    polytopes = {
        rows.outputs.tobytes(): rows.outputs for region in where if region.target for rows in region.unsafe.polytopes
    }
    helps = [[bool((rows @ v > 0).any()) for rows in polytopes.values()] for v in one]
    alone = [v for v, each in zip(one, helps) if all(each)]
    joint = [
        np.sum([one[i] for i in some], axis=0)
        for n in (2, 3)
        for some in combinations(range(len(one)), n)
        if len({int(np.flatnonzero(one[i])[0]) for i in some}) == n and np.any([helps[i] for i in some], axis=0).all()
    ]
    return alone + joint[: settings.MAX_JOINT_DIRECTIONS if len(polytopes) > 1 else 0]


def _solved(solver: PlanSolver, v: np.ndarray, margin: float) -> Shifts | None:
    network = solver.task.network
    most = settings.CHANGE_SHARE * solver.task.max_change
    bias = free_bias(network, len(network.layers) - 1)
    return solve_shifts(solver.samples, solver.regions, v, margin, bias=bias, most=most)


def _refined(solver: PlanSolver, evidence: Evidence, say: Say, shifts: Shifts, margin: float) -> Iterator[Candidate]:
    """Yields the shifts, solved again with what was found wrong, as long as anything is learned."""
    task, current, offered = solver.task, shifts, set[str]()
    for attempt in range(1, ATTEMPTS + 1):
        network, note = current.network(task.network), f"monotone shift, {current}, margin {margin:g}"
        say(f"{note}, attempt {attempt}")
        faults = find_faults(task, solver.regions, solver.random, network, margin, search=False)
        wrong, known = faults.drawn, len(evidence.counterexamples)
        if not _nearly_unsafe(network, solver.regions, wrong, margin).any() and network.sha256 not in offered:
            seen = len(evidence.changed)
            offered.add(network.sha256)
            yield Candidate(network, note, provisional=current.missed > 0 or len(wrong) > 0)
            new = points(evidence.counterexamples[known:], task.network.n_inputs)
            solver.add_counterexamples(new, network, margin)
            changed = evidence.changed[seen:]
            wrong = np.concatenate([wrong, new, *([np.stack(changed)] if changed else [])])
        if not len(wrong):
            return
        solver.add(wrong)
        again = _solved(solver, current.directions, margin)
        if again is None:
            return
        current = again


def _nearly_unsafe(network: Network, where: list[Region], x: np.ndarray, margin: float) -> np.ndarray:
    """True for points of a target's box that miss unsafe by less than half the margin: bool [n]."""
    found, y = np.zeros(len(x), bool), scores(network, x)
    for region in where:
        if region.target:
            found |= region.holds(x) & (region.unsafe.distance(x, y) < margin / 2)
    return found
