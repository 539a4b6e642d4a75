"""Repair by linear and integer programs: one new feature z >= 0 of the input, added to the scores in one direction.

feature.py says what z can be. Where it matters, z is linear in the weights sought, so that the smallest change of
weights for which all samples are right is the solution of a linear program (program.py), or of an integer program if
the number of changed weights is to be smallest. Solutions with few weights come first, then those that change scores
on the least share of the domain. Samples on which a solution fails are added until there are none
(counterexample-guided synthesis: Solar-Lezama et al., "Combinatorial Sketching for Finite Programs", ASPLOS 2006);
then the loop tries the proof. Relayed neurons change many weights, and come last.
"""

import time
from collections.abc import Iterator
from itertools import product

import numpy as np

from engine.errors import InputError
from engine.repair.milp import settings
from engine.repair.milp.feature import STRATEGIES
from engine.repair.milp.limits import directions
from engine.repair.milp.plan import Narrow, Plan, in_order
from engine.repair.milp.prices.method import loose
from engine.repair.milp.refinement import Refinement
from engine.repair.milp.solver import PlanSolver
from engine.repair.milp.structural import with_theorem
from engine.repair.scores.change import ENOUGH, score_range
from engine.repair.task import Candidate, Evidence, Say, Task

MARGIN_SHARE = 0.2  # of the tolerance, where outputs are to stay
PRICED = "priced"  # a strategy: all but relayed features again, by programs with prices


def milp(
    task: Task,
    evidence: Evidence,
    say: Say,
    *,
    backend: str = "auto",
    norm: str = "scores",
    strategies: tuple[str, ...] = (*STRATEGIES, PRICED),
    wide: bool = True,
    patient: bool = True,
    structural: bool = False,
) -> Iterator[Candidate]:
    """Yields candidates that are right on all samples, in the order of MARGINS; those with a relayed neuron last.

    By a relayed neuron advisories may change on the share TOLERATED of the domain's samples. Where none is offered
    either, programs with prices come last (prices/). Where outputs are to stay a relayed neuron changes many of them:
    there it comes after these, if at all.

    backend, norm: see program.py; strategies: the kinds of features that are tried (feature.py); wide: False refuses
    targets about most of the domain with an InputError, as a feature of few weights rarely serves there; patient: False
    refuses those whose programs are slow; structural: True for candidates with a theorem for every input alone
    (structural.py).
    """
    start, chosen = time.monotonic(), patient or structural
    last_resort = patient and not wide  # the other methods had their turn

    def check() -> None:
        say("linear programs")
        if not chosen and time.monotonic() - start > settings.CHOICE_SECONDS:
            raise InputError("its linear programs take long: gradient comes first")

    solver = PlanSolver(task, norm=norm, backend=backend, check=check, patient=patient)
    one, several = directions(solver.regions)
    local = solver.target_share() <= settings.MAX_TARGET_SHARE
    if not (local or wide):
        raise InputError(
            "the property is about most of the inputs that are looked at",
            advice="use --method milp to try nevertheless",
        )
    if structural:
        yield from with_theorem(solver, evidence, say)
        return
    kinds = [[name for name in strategies if name in some] for some in (("rewritten", "shift"), ("extended",))]
    offered = False
    last = task.tolerance < np.inf  # relayed neurons; and one margin is enough, as prices find what others do
    margins = margins_of(task) if local and not last else margins_of(task)[:1]
    groups = one, several[: settings.MAX_JOINT_DIRECTIONS]
    enough = ENOUGH * score_range(task, seed=task.seed)
    for some, kind in product(groups, kinds):
        narrow = Narrow()
        for plan in in_order(solver, _ways(some, kind), margins, enough=enough, say=say, narrow=narrow):
            chosen = True
            for candidate in Refinement(solver, evidence, say, plan, last_resort=last_resort).candidates():
                offered = True
                yield candidate
                if evidence.boxes:
                    narrow.add(plan)
    chosen = True  # what follows takes its time: there is nothing else to offer
    relayed = local and "relayed" in strategies
    if relayed and not last:
        for candidate in _relayed(solver, evidence, say, one):
            offered = True
            yield candidate
    if PRICED in strategies and not offered:
        for candidate in loose(solver, evidence, say, [*one, *groups[1]], margins[0]):
            offered = True
            yield candidate
    if relayed and last and not offered:
        yield from _relayed(solver, evidence, say, one)


def margins_of(task: Task) -> tuple[float, ...]:
    """MARGINS, none of them larger than a share of the tolerance of outputs."""
    most = MARGIN_SHARE * task.tolerance
    return tuple(dict.fromkeys(min(margin, most) for margin in settings.MARGINS))


def _ways(directions: list[np.ndarray], strategies: list[str]) -> list[Plan]:
    """Every feature in every direction, with the first margin."""
    return [
        Plan(strategy, place, v, settings.MARGINS[0])
        for strategy in strategies
        for place in range(1 if strategy == "shift" else settings.MAX_NEURONS)
        for v in directions
    ]


def _relayed(solver: PlanSolver, evidence: Evidence, say: Say, directions: list[np.ndarray]) -> Iterator[Candidate]:
    """Yields candidates in which a neuron of an early layer is rewritten and relayed."""
    for margin, place in product(settings.RELAYED_MARGINS, range(settings.MAX_RELAY_LAYERS)):
        say(f"linear programs for a relayed neuron, margin {margin:g}")
        for v in directions:
            plan = Plan("relayed", place, v, margin)
            yield from Refinement(solver, evidence, say, plan, tolerated=settings.TOLERATED).candidates()
