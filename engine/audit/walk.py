"""The walk through a proof's tree: exclusions are shown, and leaves covered (section 4)."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple, Protocol

import numpy as np

from engine.audit.bounds import Exclusions
from engine.audit.claimed import ClaimedExclusions
from engine.audit.data import Blocks, Floats, Integers, Objects, Row, Singles, Tree, Truths
from engine.audit.failures import demand
from engine.audit.nodes import Nodes, demand_all, entries, pop
from engine.audit.places import are_curved, hidden_parts
from engine.audit.tree import AnyCase

BATCH = 1024  # so many nodes are bounded at once,
CELLS = 2**19  # or nodes times hidden neurons or polytopes


OnNodes = Callable[[int], object]  # (nodes checked)


class Tally(NamedTuple):
    """Counts of what was checked. margin: the least bound that showed an exclusion."""

    nodes: int = 0
    leaves: int = 0
    exclusions: int = 0
    margin: float = inf


def merge(one: Tally, other: Tally) -> Tally:
    """Both together."""
    return Tally(
        one.nodes + other.nodes,
        one.leaves + other.leaves,
        one.exclusions + other.exclusions,
        min(one.margin, other.margin),
    )


class NodeBounds(Protocol):
    """What bounds nodes: Bounds, or what is as one. Its lines are its own business."""

    @property
    def hidden(self) -> int:
        """The number of hidden neurons that can be split."""

    @property
    def columns(self) -> int:
        """These, and the differences of pairs."""

    def root(self, lower: Floats, upper: Floats) -> Singles:
        """l and u of a root [2, columns]."""

    def tighten(self, nodes: Nodes) -> Any:
        """Improves l and u in place; all lines."""

    def margins(self, nodes: Nodes, lines: Any, claimed: Exclusions) -> Floats | Objects:
        """The least value of each exclusion's row at its node, or less."""


class Proof:
    """A proof's tree, whose arrays have passed check_tree.

    The `wanted` nodes are visited; the parent of each must be among them.
    """

    def __init__(
        self,
        tree: Tree,
        cases: Sequence[AnyCase],
        network: Blocks,
        bounds: "NodeBounds",
        wanted: Truths,
    ) -> None:
        self.tree, self.cases, self.bounds, self.wanted = tree, cases, bounds, wanted
        self.inputs, self.hidden = len(cases[0].lower), hidden_parts(network)[-1].stop
        is_split = tree.split >= 0
        #: the first child of each split node, and where each input split's cut stands
        self.child = len(cases) + 2 * np.cumsum(is_split, dtype=np.int32) - 2
        self.cut = np.cumsum(is_split & (tree.split < self.inputs), dtype=np.int32) - 1
        self.below = _below(tree.split, len(cases))
        self.claimed = ClaimedExclusions(tree, cases, network.n_outputs, self.hidden)
        demand(not are_curved(network)[tree.slope].any(), "a neuron with a curve is among slopes")
        self.polytopes = max(len(case.unsafe) for case in cases)
        self.fit(network)

    def fit(self, network: Blocks) -> None:
        """Finds how many nodes and exclusions of this network are bounded at once."""
        layers = [layer for block in network.blocks for layer in block.layers]
        width = self.inputs + sum(len(layer.bias) for layer in layers)
        width += self.bounds.columns - self.bounds.hidden  # differences
        self.batch = max(1, min(BATCH, CELLS // (width + self.polytopes)))  # nodes
        self.at_once = max(1, min(BATCH, CELLS // width))  # exclusions

    # --- roots ------------------------------------------------------------------------------------

    def roots(self) -> Iterator[Nodes]:
        """The wanted roots, as many at a time as are bounded at once."""
        for first in range(0, len(self.cases), self.batch):
            last = min(first + self.batch, len(self.cases))
            roots = self._roots(np.arange(first, last))
            yield roots.take(self.wanted[roots.number])

    def _roots(self, number: Integers) -> Nodes:
        """Sections 4 and 5: cases' boxes rounded outward, and bounds by interval arithmetic."""
        return self._roots_of(number, *self._boxes(self.cases[number[0] : number[-1] + 1]))

    def _boxes(self, cases: Sequence[AnyCase]) -> tuple[Floats, Floats]:
        """The boxes of these cases, rounded outward: lower and upper ends [cases, inputs]."""
        boxes = [self.box(case) for case in cases]
        return np.array([lower for lower, _ in boxes]), np.array([upper for _, upper in boxes])

    def box(self, case: AnyCase) -> tuple[Sequence[float] | Floats, Sequence[float] | Floats]:
        """The box of a case, rounded outward."""
        lower = [outward(end, -1) for end in case.lower]
        return lower, [outward(end, 1) for end in case.upper]

    def _roots_of(self, number: Integers, lower: Floats, upper: Floats) -> Nodes:
        """Section 5, "Before a root": the roots of these numbers and boxes.

        A polytope that holds a false row without variables is excluded.
        """
        cases = [self.cases[i] for i in number]
        bounds = [self.bounds.root(*ends) for ends in zip(lower, upper, strict=True)]
        l, u = np.stack(bounds, axis=1)
        excluded = np.ones((len(cases), self.polytopes), bool)
        for case, here in zip(cases, excluded, strict=True):
            here[: len(case.unsafe)] = [any(map(_is_false, rows)) for rows in case.unsafe]
        sign = np.zeros((len(cases), self.bounds.hidden), np.int8)
        return Nodes(number, number, lower, upper, l, u, sign, excluded)

    # --- the walk ---------------------------------------------------------------------------------

    def walk(self, pending: list[Nodes], report: OnNodes, enough: float = inf) -> Tally:
        """Checks the pending nodes and all below them, or stops when `enough` are pending.

        report(nodes checked). The smallest subtrees come first: what is left behind is at least as
        large as what is done before it, so that never more than about 2 ln(nodes) batches are
        pending, whatever the tree's shape.
        """
        tally = Tally()
        while 0 < sum(len(nodes.number) for nodes in pending) < enough:
            with np.errstate(all="ignore"):  # what overflows shows nothing
                children, counts = self._step(pop(pending, self.batch))
            smallest_last = np.argsort(-self.below[children.number], kind="stable")
            pending += [children.take(smallest_last)] if len(children.number) else []
            tally = merge(tally, counts)
            report(tally.nodes)
        return tally

    def _step(self, nodes: Nodes) -> tuple[Nodes, Tally]:
        """Section 4, "The certificate is accepted": checks these nodes; their children."""
        exclusions, margin = self._check_exclusions(nodes)
        split = self.tree.split[nodes.number]
        done = (split >= 0) | nodes.excluded.all(1)
        demand_all(done, nodes.number, "it is a leaf with a polytope that is not excluded")
        tally = Tally(len(split), int((split < 0).sum()), exclusions, margin)
        return self._children(nodes.take(split >= 0)), tally

    def _check_exclusions(self, nodes: Nodes) -> tuple[int, float]:
        """Section 6: bounds the nodes, and marks what they exclude; how many, and the least margin.

        Rejected where an exclusion is not shown.
        """
        lines = self.bounds.tighten(nodes)
        place, exclusion = entries(self.claimed.begin, nodes.number)
        least = [inf]
        for i in range(0, len(place), self.at_once):
            node, number = place[i : i + self.at_once], exclusion[i : i + self.at_once]
            claimed, strict = self.claimed.of(nodes, node, number)
            margin = self.bounds.margins(nodes, lines, claimed)
            shown = (margin > 0) | (strict & (margin == 0))
            demand_all(shown, nodes.number[node], "an exclusion is not shown")
            nodes.excluded[node, self.tree.polytope[number]] = True
            least.append(margin.min())
        return len(place), float(min(least))

    # --- children ---------------------------------------------------------------------------------

    def _children(self, parents: Nodes) -> Nodes:
        """The wanted children of split nodes: the first and the second of each, in turn."""
        split, number = self.tree.split[parents.number], parents.number
        there = split < self.inputs + self.hidden
        demand_all(there, number, "it is split by what is not there")
        children = parents.take(np.repeat(np.arange(len(split)), 2))
        children.number[::2], children.number[1::2] = self.child[number], self.child[number] + 1
        self._split_inputs(parents, children, np.flatnonzero(split < self.inputs))
        self._split_signs(parents, children, np.flatnonzero(split >= self.inputs))
        return children.take(self.wanted[children.number])

    def _split_inputs(self, parents: Nodes, children: Nodes, at: Integers) -> None:
        """Section 4, "Split in input d at c": the boxes of the children of parents `at`."""
        number = parents.number[at]
        d, cut = self.tree.split[number], self.tree.cut[self.cut[number]]
        inside = (parents.lower[at, d] < cut) & (cut < parents.upper[at, d])
        demand_all(inside, number, "its cut is not inside its box")
        children.upper[2 * at, d] = children.lower[2 * at + 1, d] = cut

    def _split_signs(self, parents: Nodes, children: Nodes, at: Integers) -> None:
        """Section 4, "Split by neuron j", and section 5, "A child": signs and bounds of z_j."""
        number = parents.number[at]
        j = self.claimed.columns_of(self.tree.split[number] - self.inputs, number)
        first, second = 2 * at, 2 * at + 1
        new = parents.sign[at, j] == 0
        demand_all(new, number, "it is split by a sign that is assumed already")
        children.sign[first, j], children.sign[second, j] = -1, 1
        children.u[first, j] = np.minimum(children.u[first, j], 0)
        children.l[second, j] = np.maximum(children.l[second, j], 0)


def _below(split: Integers, roots: int) -> Integers:
    """Returns the number of nodes in each node's subtree."""
    sizes, splits = [1] * len(split), np.flatnonzero(split >= 0)[::-1].tolist()
    first_children = range(len(split) - 2, roots - 1, -2)
    for node, child in zip(splits, first_children):  # children have larger numbers
        sizes[node] += sizes[child] + sizes[child + 1]
    return np.array(sizes, np.int32)


def outward(value: Fraction, side: int) -> float:
    """The nearest float64 that is not above (side -1) or not below (side 1) the value.

    2^101 stands for more, which no root may have.
    """
    limit = Fraction(2**101)
    nearest = float(max(-limit, min(value, limit)))
    return nearest if side * nearest >= side * value else float(np.nextafter(nearest, side * inf))


def _is_false(row: Row) -> bool:
    """True iff it has no variables and does not hold."""
    has_variables = row.inputs or row.outputs
    return not has_variables and (row.constant > 0 or (row.constant == 0 and row.strict))
