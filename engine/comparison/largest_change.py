"""A proved bound of the change of any output between two networks, on a whole box.

Branch and bound on the difference of both (difference_network.py), in real arithmetic: the box whose bound is largest
comes first, and the largest bound of all open boxes is a bound at any time.
"""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite

import torch

from engine.bounds.roots import Roots, make_roots
from engine.bounds.stack import Stack
from engine.comparison.difference_network import DifferenceNetwork, difference_network
from engine.comparison.structure import Claim, structure
from engine.deadline import Deadline, OutOfTime
from engine.evaluation import in_threads
from engine.network import Network
from engine.property import Case, Polytope, Row, Vector
from engine.search.batch import bounded
from engine.search.branching import split_input, splits
from engine.search.exclude import exclude
from engine.search.frontier import root_nodes
from engine.search.pool import Nodes, Pool

BATCH = 512  # boxes bounded at once
STEPS = 5  # of slope optimization for a box
EARLY = 1.0  # seconds after which a proof may be given up
FAR = 3.0
MAX_OPEN_BYTES = 360 << 20  # of boxes still to be split


@dataclass(frozen=True, slots=True)
class ProvedChange:
    """For all x of the box and all outputs j: |changed(x)[j] - original(x)[j]| <= bound, in real arithmetic.

    bound: None where none was found. boxes, seconds: what it took.
    """

    bound: Fraction | None
    boxes: int
    seconds: float


def largest_change(
    original: Network,
    changed: Network,
    *,
    lower: Vector,
    upper: Vector,
    goal: Fraction,
    seconds: float,
    only_goal: bool = False,
) -> ProvedChange:
    """Bounds the change on the box [lower, upper] until `goal` is proved, or the time is over.

    only_goal: True to end early where the goal is far from what the rest of the time will prove.
    Both are networks of ReLUs whose numbers are their own. InputError where their shapes differ.
    """
    start = time.monotonic()
    difference = difference_network(original, changed)
    claims = structure(original, changed)
    case = Case(lower, upper, tuple(_exceeding(difference, claims.outputs if claims else (), goal)))
    if not case.unsafe:
        return ProvedChange(Fraction(0), 0, time.monotonic() - start)
    try:
        search = _Search(difference.network, case, goal, Deadline(start + seconds))
    except OutOfTime:
        return ProvedChange(None, 0, time.monotonic() - start)
    while search.step():
        spent = time.monotonic() - start
        if only_goal and spent > EARLY and _is_far(search.bound, goal, spent / seconds):
            break
    return ProvedChange(search.bound, search.boxes, time.monotonic() - start)


def _is_far(bound: Fraction | None, goal: Fraction, share: float) -> bool:
    """True where a bound that was found in this share of the time will not reach the goal in the rest.

    Bounds of ACAS Xu's networks are halved by four times the time: with that, it would stay FAR times the goal.
    """
    return bound is None or float(bound) * share**0.5 > FAR * float(goal)


def _exceeding(difference: DifferenceNetwork, claims: tuple[Claim, ...], goal: Fraction) -> Iterator[Polytope]:
    """Where an output of the difference is above the goal, and where it is below its negation.

    None of those that the claims of all outputs rule out.
    """
    n = len(difference.outputs)
    for i, (j, rest) in enumerate(zip(difference.outputs, difference.rest)):
        claim = claims[j] if claims else Claim.FREE
        for sign, never in ((1, Claim.LOWERED), (-1, Claim.RAISED)):
            if claim not in (never, Claim.EQUAL):
                outputs = [Fraction(0)] * n
                outputs[i] = Fraction(-sign)
                none = (Fraction(0),) * difference.network.n_inputs
                yield Polytope((Row(none, tuple(outputs), goal - sign * rest, strict=True),))


class _Search:
    """Boxes on which no bound is within the goal yet, by their bounds; children inherit their parent's.

    boxes: the number that were bounded.
    """

    def __init__(self, network: Network, case: Case, goal: Fraction, deadline: Deadline):
        self._stack, self._goal, self._deadline = Stack([network]), goal, deadline
        self._final = -inf  # the largest bound of boxes that cannot be split
        self._roots: Roots = make_roots(self._stack, [0], [case], deadline=deadline)
        root = root_nodes(self._roots, torch.zeros(1, dtype=torch.long))
        self._max_open = MAX_OPEN_BYTES // sum(column[0].nbytes for column in root.columns())
        self._pool: Pool[Nodes] = Pool(max_slots=self._max_open)
        self._heap = [(-inf, slot) for slot in self._pool.put(root)]
        self.boxes = 0

    @property
    def bound(self) -> Fraction | None:
        """The bound that is proved; None where there is none yet."""
        worst = max([self._final, *(-key for key, _ in self._heap[:1])])
        if worst == -inf:
            return self._goal
        return self._goal + Fraction(worst) if isfinite(worst) else None

    def step(self) -> bool:
        """Bounds the worst boxes, and splits them; False where none is left, and no memory or no time for more."""
        if not self._heap or self._final >= -self._heap[0][0] or len(self._heap) > self._max_open - BATCH:
            return False
        taken = [heapq.heappop(self._heap) for _ in range(min(BATCH, len(self._heap)))]
        nodes = self._pool.read([slot for _, slot in taken])
        above = torch.tensor([-key for key, _ in taken], dtype=torch.float64)
        parts = torch.arange(len(nodes)).chunk(torch.get_num_threads())
        try:
            found = in_threads(lambda part: self._children(nodes.select(part), above[part]), parts)
        except OutOfTime:
            for entry in taken:
                heapq.heappush(self._heap, entry)
            return False
        self._pool.release([slot for _, slot in taken])
        self.boxes += len(nodes)
        for children, excess, final in found:
            self._final = max(self._final, final)
            for child in children:
                for entry in zip((-excess).tolist(), self._pool.put(child)):
                    heapq.heappush(self._heap, entry)
        return True

    def _children(self, nodes: Nodes, above: torch.Tensor) -> tuple[tuple[Nodes, Nodes], torch.Tensor, float]:
        """Two halves of each box that is not within the goal, by how much its bound is above, and the largest excess
        of those without halves. above [n]: their parents' excess."""
        with torch.no_grad():
            targets, _ = exclude(bounded(self._stack, self._roots, nodes, self._deadline), steps=STEPS)
        excess = torch.minimum(above[targets.box], torch.nan_to_num(-targets.bound, nan=inf, neginf=inf))
        left, plane = nodes.select(targets.box), targets.plane
        whole = ~splits(left).any(1)
        final = float(excess[whole].max()) if whole.any() else -inf
        halved = left.select(~whole)
        reach = self._roots.reach[halved.root]
        return split_input(halved, plane[~whole], reach), excess[~whole], final
