"""Which suspects are judged exactly, and what their searches learn from it."""

from collections import Counter

import numpy as np

from engine.deadline import Deadline, OutOfTime
from engine.search.confirm import Judge, better
from engine.search.frontier import Frontier
from engine.search.problem import Search
from engine.search.suspects import Suspects
from engine.verdict import Counterexample

JUDGED = 4  # points of a problem that one attack may have checked exactly, milliseconds each
NEARLY = 2.0**12  # times a row's error: how far from unsafe points are judged, as rounding may have moved them


def judge_suspects(frontier: Frontier, suspects: Suspects, semantics: str, deadline: Deadline) -> None:
    """Has the points judged that look unsafe, at least but for rounding, or that may be brought onto equations: the
    most promising first, a few for each problem."""
    judged = Counter()
    root, x, value = suspects
    nearly = NEARLY * frontier.roots.error[root].amax(1)
    values, roots, nearly = value.tolist(), root.tolist(), nearly.tolist()
    for i in sorted(range(len(values)), key=values.__getitem__):
        owner, judge = frontier.owner(roots[i]), frontier.judge(roots[i])
        owner.nearest = min(owner.nearest, values[i])
        if owner.counterexample or judged[owner.index] == JUDGED:
            continue
        if values[i] <= nearly[i] or judge.has_equations:
            judged[owner.index] += 1
            found = _judged(owner, judge, x[i].cpu().numpy(), deadline)
            if found:
                _learn(owner, judge, found, semantics)


def _judged(owner: Search, judge: Judge, point: np.ndarray, deadline: Deadline) -> Counterexample | None:
    owner.judged += 1
    try:
        return judge.counterexample(point, deadline)
    except OutOfTime:
        owner.unchecked = True
        return None


def _learn(owner: Search, judge: Judge, found: Counterexample, semantics: str) -> None:
    """Takes the point as a counterexample, or as one in case there is no better.

    In real semantics one that the network cannot be given counts where it can be given none of the set.
    """
    if found.stands or (semantics == "real" and not found.executable and judge.gap(found)):
        owner.counterexample = found
        return
    owner.near_miss = better(owner.near_miss, found)
    if found.exact:
        owner.give_up_proof()
