"""Branch and bound over a few numbers: boxes of them are bounded by lines, and halved."""

import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from engine.bounds.forward import Doubles, ForwardBounds, Pieces
from engine.bounds.roots import outward
from engine.images.certify.pieces import Piece, proof_of
from engine.network import Affine
from engine.search.confirm import Confirmer
from engine.search.problem import OnVerdict, Options, Problem
from engine.tied import Tied
from engine.verdict import Counterexample, Statistics, Unknown, Verified, Violated

NUMBERS = 1 << 21  # of the lines of one layer, about: so many boxes are bounded at once
MOST = 256  # boxes at once
NARROWEST = 2.0**-30  # of the whole range: what is no wider is not halved
LOOKS = 4  # at points of one case that seem unsafe, a second each for large networks


@dataclass(slots=True, eq=False)
class _State:
    """A case while it is searched.

    rows: of all its polytopes [m, outputs]; starts: where those of each polytope begin. open: boxes that are neither
    proved nor halved. looks: points that were looked at exactly. stuck: True once a box is too narrow to be halved.
    """

    index: int
    problem: Problem
    rows: Doubles
    starts: list[int]
    root: Piece
    open: deque[Piece]
    boxes: int = 0
    looks: int = 0
    seconds: float = 0.0
    stuck: bool = False
    found: Counterexample | None = None

    @property
    def network(self) -> Tied:
        assert isinstance(self.problem.network, Tied)
        return self.problem.network

    @property
    def reach(self) -> Doubles:
        """How much one unit of each number changes all inputs together."""
        found: Doubles = np.abs(self.network.layers[0].weight).sum(0)
        return found


def search(bounds: ForwardBounds, problems: Sequence[Problem], options: Options, on_verdict: OnVerdict) -> None:
    """Decides problems about tied networks, of which `bounds` has the own one; on_verdict(index, verdict) tells each.

    Verified and Violated are as certain as those of engine.search.verify. options.timeout is that of each problem, of
    its share of the time by boxes. Counterexamples are points of the free inputs.
    """
    active = [_begin(i, problem) for i, problem in enumerate(problems)]
    while active := [state for state in active if not _settle(state, options, on_verdict)]:
        start = time.monotonic()
        chosen = _chosen(active, bounds.network.layers)
        _bound(bounds, chosen)
        share = (time.monotonic() - start) / len(chosen)
        for state, _ in chosen:
            state.seconds += share
        for state, piece in chosen:
            if not piece.proved and not state.found:
                _go_on(state, piece)


def _begin(index: int, problem: Problem) -> _State:
    """The case as one box, whose corners are looked at."""
    start = time.monotonic()
    (case,) = problem.property.cases
    rows = [[float(c) for c in row.outputs] for polytope in case.unsafe for row in polytope.rows]
    counts = [len(polytope.rows) for polytope in case.unsafe]
    ends = [np.array([outward(end, side) for end in of]) for of, side in ((case.lower, -1), (case.upper, 1))]
    root = Piece(ends[0], ends[1])
    starts = np.cumsum([0, *counts[:-1]]).tolist()
    state = _State(index, problem, np.array(rows), starts, root, deque([root]))
    _look(state, np.array(list(itertools.product(*zip(*ends)))))
    state.seconds = time.monotonic() - start
    return state


def _chosen(active: Sequence[_State], layers: Sequence[Affine]) -> list[tuple[_State, Piece]]:
    """Boxes to be bounded together, the oldest of each case."""
    width = max(max(layer.shape) for layer in layers) * (len(active[0].root.lower) + 1)
    room = max(1, min(MOST, NUMBERS // width))
    share = max(1, room // len(active))
    found = [(state, state.open.popleft()) for state in active[:room] for _ in range(min(share, len(state.open)))]
    return found


def _bound(bounds: ForwardBounds, chosen: Sequence[tuple[_State, Piece]]) -> None:
    """Marks those of the boxes that are proved."""
    firsts = [state.network.layers[0] for state, _ in chosen]
    pieces = Pieces(
        lower=np.array([piece.lower for _, piece in chosen]),
        upper=np.array([piece.upper for _, piece in chosen]),
        weight=np.array([first.weight for first in firsts]),
        bias=np.array([first.bias for first in firsts]),
    )
    least = bounds.least(pieces, np.array([state.rows for state, _ in chosen]))
    for (state, piece), margins in zip(chosen, least):
        state.boxes += 1
        parts = np.split(margins, state.starts[1:])
        if all(part.max() > 0 for part in parts):
            piece.proved = tuple(int(part.argmax()) for part in parts)


def _go_on(state: _State, piece: Piece) -> None:
    """Looks at the middle of a box, and halves it in the number that changes the image most."""
    start = time.monotonic()
    _look(state, piece.middle[None])
    widths = piece.upper - piece.lower
    i = int((widths * state.reach).argmax())
    if widths[i] > NARROWEST * (state.root.upper - state.root.lower)[i]:
        state.open.extend(piece.halve(i))
    else:
        state.stuck = True
    state.seconds += time.monotonic() - start


def _look(state: _State, points: Doubles) -> None:
    """Looks exactly, and in onnxruntime, at those of the points that seem unsafe, until one is."""
    values = state.network.evaluate(points) @ state.rows.T
    unsafe = np.maximum.reduceat(values, state.starts, axis=1).min(1)
    (case,) = state.problem.property.cases
    for i in np.argsort(unsafe, kind="stable"):
        if unsafe[i] > 0 or state.looks == LOOKS:
            return
        state.looks += 1
        found = Confirmer(state.network, case).counterexample(points[i])
        if found and found.stands:
            state.found = found
            return


def _settle(state: _State, options: Options, on_verdict: OnVerdict) -> bool:
    """Reports the verdict, where there is one."""
    statistics = Statistics(state.boxes, state.seconds, "cpu")
    late = state.seconds >= (options.timeout or inf)
    if state.found:
        on_verdict(state.index, Violated(state.found, "real", statistics))
    elif not state.open and not state.stuck:
        proof = proof_of(state.root) if options.proofs else None
        on_verdict(state.index, Verified("real", statistics, proof=proof))
    elif late or not state.open:
        reason = f"out of time after {state.seconds:.1f} s" if late else "boxes too narrow to be halved stay open"
        on_verdict(state.index, Unknown(reason, late, _proved(state.root), "real", statistics))
    else:
        return False
    return True


def _proved(root: Piece) -> float:
    """The share of a box that is proved."""
    pending, found = [(root, 1.0)], 0.0
    while pending:
        piece, share = pending.pop()
        found += share * bool(piece.proved)
        pending += [(half, share / 2) for half in piece.halves]
    return found
