"""Proved: on at most which share of the domain another decision is reached outside a band around the original's ties.

A point is outside the band of a gap where the original's lowest output is lower than all others by more than that. The
decision a of the original can become b there only in one polytope of outputs f of the original and g of the changed
network (`outside`). Which pairs of decisions there are, the weights alone say (structure.py): others have no polytope.

Branch and bound over the domain, on both networks joined (joined.py): a box is closed where no polytope is reached. A
row of each polytope bounds the change of f_b - f_a by itself, so that wherever this is at most the gap no surface on
which decisions change has to be found; others bound where a decides, and where b does. docs/certificate-format.md,
section 18, has the rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from engine.bounds.blocks import STEEP
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.comparison.decision import Decision
from engine.comparison.joined import joined, places_in_joined
from engine.comparison.pair import Differences, paired
from engine.comparison.pair_bounds import EQUAL, OPEN, BoundedPairs
from engine.comparison.pair_search import Ends
from engine.comparison.proving import Limits, Progress, demand_provable, prove_boxes, rounded_up
from engine.comparison.structure import Claim, Structure, structure
from engine.deadline import Deadline
from engine.network import Network
from engine.proof import Proof
from engine.property import Case, Polytope, Row, Vector
from engine.search.batch import bounded
from engine.search.exclude import exclude
from engine.search.pool import Nodes

STEPS = 5  # of slope optimization for a box


@dataclass(frozen=True, slots=True, eq=False)
class OutsideBand:
    """On all but the share `open` of the domain the lowest output is the same, where the original's is lower than all
    others by more than `gap`.

    outputs: the number of each network's; pairs: (before, after) of different decisions that the weights alone do not
    rule out; boxes: the number that were bounded; proof: over one case.
    """

    gap: Fraction
    outputs: int
    pairs: tuple[tuple[int, int], ...]
    open: Fraction
    boxes: int
    seconds: float
    proof: Proof
    case: Case

    @property
    def leaving(self) -> frozenset[int]:
        """The decisions of the original that may change, by the weights alone."""
        return frozenset(before for before, _ in self.pairs)


def outside_band(
    original: Network,
    changed: Network,
    *,
    gap: Fraction,
    lower: Vector,
    upper: Vector,
    first: Sequence[Ends] = (),
    limits: Limits = Limits(),
    on_progress: Callable[[Progress], None] | None = None,
) -> OutsideBand:
    """Proves where in the box [lower, upper] no decision changes outside the band, large boxes that are nearly closed
    first; gap: at least 0, in the unit of the outputs.

    first: as for `preservation`. InputError where the networks have different shapes, the box has no volume, or a
    network is not of ReLUs and numbers of its own.
    """
    demand_provable(original, changed, lower, upper)
    claims = structure(original, changed) or Structure((Claim.FREE,) * original.n_outputs)
    pairs = claims.changes(Decision.LOWEST)
    case = Case(tuple(lower), tuple(upper), outside(pairs, gap, original.n_inputs, original.n_outputs))

    search, seconds = prove_boxes(
        lambda deadline: BandBounds(original, changed, pairs, case, deadline), first, limits, on_progress
    )
    _, volume = search.finish()
    share = rounded_up(volume)
    return OutsideBand(gap, original.n_outputs, pairs, share, search.boxes, seconds, search.proof(), case)


def outside(pairs: Sequence[tuple[int, int]], gap: Fraction, inputs: int, outputs: int) -> tuple[Polytope, ...]:
    """For each pair (a, b): f_a is lower than each other f_c by more than the gap, and no g_c is lower than g_b.

    Over the outputs f, then g. The first row follows from two others: of the change of f_b - f_a.
    """

    def row(terms: dict[int, int], constant: Fraction, *, strict: bool) -> Row:
        found = [Fraction(0)] * (2 * outputs)
        for output, factor in terms.items():
            found[output] = Fraction(factor)
        return Row((Fraction(0),) * inputs, tuple(found), constant, strict)

    polytopes = []
    for a, b in pairs:
        rows = [row({a: 1, b: -1, outputs + b: 1, outputs + a: -1}, gap, strict=True)]
        rows += [row({a: 1, c: -1}, gap, strict=True) for c in range(outputs) if c != a]
        rows += [row({outputs + b: 1, outputs + c: -1}, Fraction(0), strict=False) for c in range(outputs) if c != b]
        polytopes.append(Polytope(tuple(rows)))
    return tuple(polytopes)


class BandBounds:
    """Bounds of the joined networks on boxes of one case, whose polytopes are those of `outside` for these pairs."""

    def __init__(
        self, original: Network, changed: Network, pairs: Sequence[tuple[int, int]], case: Case, deadline: Deadline
    ):
        self.stack = Stack([joined(original, changed)], ratio=STEEP)
        self.roots = make_roots(self.stack, [0], [case])
        self._differences = Differences(original, changed, Stack([paired(original, changed)]))
        self._places = torch.from_numpy(places_in_joined(original, changed))
        self._before, self._after = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
        self._deadline = deadline

    def bound(self, nodes: Nodes) -> list[BoundedPairs]:
        """Bounds one part of a batch, in a thread of its own. Raises OutOfTime after the deadline."""
        torch.set_grad_enabled(False)  # a setting of each thread
        batch = bounded(self.stack, self.roots, nodes, self._deadline)
        known = nodes.excluded.clone()
        equal = self._without_change(nodes)
        nodes.excluded[:] |= equal
        targets, exclusions = exclude(batch, steps=STEPS)
        state = torch.where(nodes.excluded.all(1), EQUAL, OPEN)
        nodes.excluded[:] = known | (nodes.excluded & ~equal)  # what is equal needs no proof, and is found again
        plane, gap = nodes.lower.new_zeros(len(nodes), self.stack.n_inputs + 1), nodes.lower.new_zeros(len(nodes))
        plane[targets.box], gap[targets.box] = targets.plane, -targets.bound.clamp(max=0)
        return [BoundedPairs(nodes, state, plane, gap, torch.zeros_like(state, dtype=torch.bool), exclusions)]

    def _without_change(self, nodes: Nodes) -> torch.Tensor:
        """True for polytopes whose two outputs are exactly equal in both networks on all of the box: [n, polytopes]."""
        differ = self._differences.outputs(nodes.u[:, self._places])
        found = torch.ones_like(nodes.excluded)  # of no pair at all the roots still have one polytope, which is missing
        found[:, : len(self._before)] = ~(differ[:, self._before] | differ[:, self._after])
        return found
