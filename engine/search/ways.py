"""How a problem of many inputs is split, found out: two trees, one splits signs, the other inputs, by turns.

Which of them is smaller, a hundredfold at times, is not to be told from shapes. Each is grown for some boxes; the one
that has proved more goes on alone, for so many times the boxes; if they do not suffice, the other has its turn again.
The worse one is never grown more than LONGER times as far as the better one, and one that has proved less than a
quarter of what the other has is grown a quarter as far (BEHIND). Nothing depends on the clock.
"""

from math import inf

import torch

from engine.search.branching import MAX_RIVAL_INPUTS, MAX_SPLIT_INPUTS
from engine.search.problem import Problem
from engine.search.state import ProblemState

FIRST_TURN = 64  # boxes of a tree whose signs are split
LONGER = 4  # times the boxes of the turn before
BEHIND = 4  # one that has proved so many times less is grown so many times less
INPUT_BOXES = 4  # of a tree whose inputs are split, for each whose signs are: these cost about as much
MAX_CASES = 16  # of more the roots are begun once


def make_state(index: int, problem: Problem, limit: float) -> ProblemState:
    """A problem's state. One of many inputs begins with signs; of no more than MAX_RIVAL_INPUTS, it has a rival that
    splits inputs."""
    state = ProblemState(index, problem, limit)
    cases = problem.property.cases
    wide = [sum(low < high for low, high in zip(case.lower, case.upper)) for case in cases[: MAX_CASES + 1]]
    if len(cases) <= MAX_CASES and MAX_SPLIT_INPUTS < min(wide) <= MAX_RIVAL_INPUTS:
        state.rival = ProblemState(index, problem, limit, by_sign=False, turn=FIRST_TURN, rival=state)
        state.turn = FIRST_TURN
    return state


def next_turn(state: ProblemState) -> ProblemState:
    """The one of the state and its rival that is searched next."""
    rival = state.rival
    if rival is None or _grown(state) < state.turn:
        return state
    turn = state.turn if BEHIND * rival.proved >= state.proved else max(FIRST_TURN, state.turn // BEHIND)
    if _grown(rival) < turn:
        rival.turn = turn
        return rival
    leader = max(state, rival, key=_progress)
    leader.turn *= LONGER
    return leader


def _grown(state: ProblemState) -> float:
    """The work done, in boxes whose signs are split."""
    return state.boxes if state.by_sign else state.boxes / INPUT_BOXES


def split_by_sign(owners: list[ProblemState], many: torch.Tensor) -> torch.Tensor:
    """True for boxes of these problems whose signs are to be split, where they have many inputs: [n]."""
    return many & torch.tensor([owner.by_sign for owner in owners], dtype=torch.bool, device=many.device)


def _progress(state: ProblemState) -> tuple[float, float]:
    """The share of the volume that is proved, and the least bound of what is open."""
    return state.proved, min((known.bound for known in state.open.values()), default=inf)
