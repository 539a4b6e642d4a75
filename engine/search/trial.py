"""Suspects that are looked at exactly, and what is known of their problems then."""

from collections import Counter

import numpy as np

from engine.deadline import Deadline, OutOfTime
from engine.search.confirm import Confirmer, better
from engine.search.frontier import Frontier
from engine.search.state import ProblemState
from engine.search.suspects import Suspects
from engine.verdict import Counterexample

MAX_CONFIRMATIONS = 4  # of a problem's points in one attack, milliseconds each
ERRORS = 2.0**12  # times a row's error: so far from unsafe points are looked at, as rounding may have moved them


def confirm_suspects(frontier: Frontier, suspects: Suspects, semantics: str, deadline: Deadline) -> None:
    """Looks exactly at points that seem unsafe, at least but for rounding, or that may be moved onto equations.

    The most promising come first, a few for each problem.
    """
    looked_at: Counter[int] = Counter()
    errors = (ERRORS * frontier.roots.error[suspects.root].amax(1)).tolist()
    values, roots = suspects.value.tolist(), suspects.root.tolist()
    for i in sorted(range(len(values)), key=values.__getitem__):
        owner, confirmer = frontier.owner(roots[i]), frontier.confirmer(roots[i])
        owner.nearest = min(owner.nearest, values[i])
        if owner.counterexample or looked_at[owner.index] == MAX_CONFIRMATIONS:
            continue
        if values[i] <= errors[i] or confirmer.has_equations:
            looked_at[owner.index] += 1
            found = _confirmed(owner, confirmer, suspects.point[i].cpu().numpy(), deadline)
            if found:
                _take(owner, confirmer, found, semantics)


def _confirmed(
    owner: ProblemState, confirmer: Confirmer, point: np.ndarray, deadline: Deadline
) -> Counterexample | None:
    owner.confirmations += 1
    try:
        return confirmer.counterexample(point, deadline)
    except OutOfTime:
        owner.unchecked = True
        return None


def _take(owner: ProblemState, confirmer: Confirmer, found: Counterexample, semantics: str) -> None:
    """Takes the point as a counterexample, or as a near miss.

    In real semantics a point that the network cannot be given counts where it can be given no point of its set.
    """
    if found.stands or (semantics == "real" and not found.executable and confirmer.gap(found)):
        owner.counterexample = found
        return
    owner.near_miss = better(owner.near_miss, found)
    if found.exact:
        owner.give_up_proof()
