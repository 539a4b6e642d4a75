"""The outcome of a search: verdicts, and for those without one the reason and the state that it ended in."""

import numpy as np
import torch

from engine.exact import unheld_text
from engine.memory import size_text
from engine.search.frontier import Frontier
from engine.search.plan import Plan
from engine.search.problem import Options
from engine.search.recorder import Recorder
from engine.search.state import ProblemState
from engine.verdict import Standing, Statistics, Unknown, Verdict, Verified, Violated

# Boxes and confirmations that are spent on a counterexample where there will be no proof.
MAX_BOXES_WITHOUT_PROOF, MAX_CONFIRMATIONS_WITHOUT_PROOF = 4_096, 64


class Outcome:
    """The verdicts on the problems of one run."""

    def __init__(self, frontier: Frontier, recorder: Recorder | None, plan: Plan, options: Options, device: str):
        self._frontier, self._recorder = frontier, recorder
        self._plan, self._options, self._device = plan, options, device

    def verdict(self, state: ProblemState, active: list[ProblemState]) -> Verdict | None:
        """The verdict that can be given now, None where the problem is to be searched on.

        In real semantics a point that the network cannot be given decides too, once none was found that it can.
        active: all problems that are searched.
        """
        semantics, near, (boxes, confirmations) = self._options.semantics, state.near_miss, state.since
        statistics = Statistics(state.all_boxes, state.spent, self._device)
        done = not state.open and not state.waiting
        crowded = self._crowded() and len(state.open) == max(len(other.open) for other in active)
        if state.counterexample:
            return Violated(state.counterexample, semantics, statistics)
        if done and not (state.tie or state.stuck or state.refuted):
            return Verified(semantics, statistics, near, self._recorder.proof(state.trees) if self._recorder else None)
        spent = boxes >= MAX_BOXES_WITHOUT_PROOF or confirmations >= MAX_CONFIRMATIONS_WITHOUT_PROOF
        if not (done or state.late or crowded or spent):
            return None
        if near and near.exact and not near.executable and semantics == "real":
            return Violated(near, semantics, statistics)
        return Unknown(
            reason(state, self._full() if crowded else ""),
            state.late,
            max(0.0, state.proved),
            semantics,
            statistics,
            near,
            self._open_boxes(state),
            standing(state, self._frontier),
        )

    def _crowded(self) -> str:
        """The part of the memory that is full, if any."""
        taken = self._frontier.root_bytes + (3 * self._recorder.nbytes if self._recorder else 0)
        if self._frontier.open > self._plan.open:
            return f"more than {self._plan.open:,} boxes are open"
        return "the proof so far, and the cases in work, are too large" if taken > self._plan.rest else ""

    def _full(self) -> str:
        """The same, with the limit."""
        limit = f"max_open {self._options.max_open}" if self._options.max_open else "--memory"
        return f"{self._crowded()} ({limit}, {size_text(self._options.memory)})"

    def _open_boxes(self, state: ProblemState) -> np.ndarray | None:
        """The ends [n, 2, inputs] of the most suspicious of its open boxes, if they are wanted."""
        if not self._options.open_boxes:
            return None
        if not state.open:  # no box may ever have been open
            return np.empty((0, 2, state.problem.network.n_inputs))
        worst = sorted(state.open, key=state.open.__getitem__)[: self._options.open_boxes]
        lower, upper = self._frontier.read_columns(worst, "lower", "upper")
        return torch.stack([lower, upper], 1).cpu().numpy()


def reason(state: ProblemState, full: str) -> str:
    """The reason why there is no verdict; `full`: the part of the memory that was full, if any."""
    if state.late:
        words = f"out of time after {state.spent:.1f} s with {len(state.open):,} boxes open"
        words += "; a point that looks unsafe could not be checked exactly in time" if state.unchecked else ""
    elif full:
        words = f"out of memory: {full}"
    elif state.refuted:
        words = "no proof can exist, and no point was found that is unsafe both exactly and as executed"
    elif state.tie:
        words = "on boxes that were left the margin is zero, or less than rounding can change"
    else:
        words = "boxes were left that can be split no further, and their bounds do not exclude what is unsafe"
    return words + _of_near_miss(state)


def _of_near_miss(state: ProblemState) -> str:
    near = state.near_miss
    if not near:
        return ""
    if near.executable:
        return f"; a point was found that is unsafe in {'exact arithmetic' if near.exact else 'onnxruntime'} alone"
    number = state.problem.network.number.__name__
    return (
        f"; exact arithmetic violates it at a point that {number} cannot hold ({unheld_text(near.point, near.inputs)})"
    )


def standing(state: ProblemState, frontier: Frontier) -> Standing:
    """The state of a problem that is given up, from the boxes that are open still."""
    bound = min([state.bound, *(known.bound for known in state.open.values())])
    deepest, width = 0, 0.0
    if state.open:
        root, lower, upper, depth = frontier.read_columns(list(state.open), "root", "lower", "upper", "depth")
        whole = (frontier.roots.upper - frontier.roots.lower)[root]
        shares = torch.where(whole > 0, (upper - lower) / whole, 0.0)
        deepest, width = int(depth.max()), float(shares.amax(1).median())
    return Standing(len(state.open), deepest, width, _finite(bound), _finite(state.nearest), state.ties)


def _finite(value: float) -> float | None:
    return value if abs(value) < torch.inf else None
