"""The walk through a proof's tree: every exclusion must be shown, and every polytope excluded at every leaf."""

from collections import namedtuple
from fractions import Fraction
from math import inf, nan

import numpy as np

from engine.audit.arithmetic import Exclusions
from engine.audit.data import Certificate, Network, Rejected, Row, begins, demand

BATCH, CELLS = (
    1024,
    2**19,
)  # so many nodes, or nodes times hidden neurons or polytopes, are bounded at once

#: What was checked, and the least bound that showed an exclusion.
Tally = namedtuple("Tally", "nodes leaves exclusions margin", defaults=(0, 0, 0, inf))


class Nodes(namedtuple("Nodes", "number case lower upper l u sign excluded")):
    """Nodes: boxes [n, inputs], l <= z <= u, assumed signs 1, -1 or 0 [n, hidden], polytopes [n, most of a case]."""

    def take(self, index) -> "Nodes":
        return Nodes(*(part[index] for part in self))


class Proof:
    """A proof's tree, whose arrays have passed Tree.check. The `wanted` nodes are visited: with each, its parent."""

    def __init__(self, certificate: Certificate, network: Network, bounds, wanted: np.ndarray):
        self.tree, self.cases, self.bounds, self.wanted = (
            certificate.tree,
            certificate.cases,
            bounds,
            wanted,
        )
        split, self.inputs, self.outputs = (
            self.tree.split,
            len(self.cases[0].lower),
            len(network.layers[-1].bias),
        )
        inner = split >= 0
        self.child = (
            len(self.cases) + 2 * np.cumsum(inner, dtype=np.int32) - 2
        )  # the first of each split node
        self.cut = (
            np.cumsum(inner & (split < self.inputs), dtype=np.int32) - 1
        )  # where each input split's cut stands
        self.below = _below(split, len(self.cases))
        nodes = np.arange(len(split) + 1, dtype=np.int32)
        self.exclusions = np.searchsorted(self.tree.node, nodes).astype(
            np.int32
        )  # where those of each node begin
        self.rows, self.slopes, self.multipliers = map(
            begins, (self.tree.rows, self.tree.slopes, self.tree.multipliers)
        )  # those of each exclusion
        for name in ("slope", "multiplier"):
            there = getattr(self.tree, name) < bounds.parts[-1].stop
            demand(there.all(), f"{name}: there is no such neuron")
        width = self.inputs + sum(len(layer.bias) for layer in network.layers)
        sizes = width + max(len(case.unsafe) for case in self.cases), width
        self.batch, self.at_once = (max(1, min(BATCH, CELLS // size)) for size in sizes)
        self.terms = [
            [[_terms(row, self.outputs) for row in rows] for rows in case.unsafe]
            for case in self.cases
        ]

    def roots(self):
        """The cases, as many at a time as are bounded at once. What has a false row without variables is excluded."""
        for first in range(0, len(self.cases), self.batch):
            roots = self._roots(np.arange(first, min(first + self.batch, len(self.cases))))
            yield roots.take(self.wanted[roots.number])

    def _roots(self, number: np.ndarray) -> Nodes:
        cases = self.cases[number[0] : number[-1] + 1]
        lower = np.array([[_outward(end, -1) for end in case.lower] for case in cases])
        upper = np.array([[_outward(end, 1) for end in case.upper] for case in cases])
        l, u = np.stack([self.bounds.root(*ends) for ends in zip(lower, upper)], axis=1)
        excluded = np.ones((len(cases), max(len(case.unsafe) for case in self.cases)), bool)
        for case, here in zip(cases, excluded):
            here[: len(case.unsafe)] = [any(map(_false, polytope)) for polytope in case.unsafe]
        return Nodes(number, number, lower, upper, l, u, np.zeros(l.shape, np.int8), excluded)

    def walk(self, pending: list[Nodes], report, enough=inf) -> Tally:
        """Checks the pending nodes and all below them, or stops when `enough` are pending; report(nodes checked).

        The smallest subtrees come first: what is left behind is at least as large as what is done before it, so that
        never more than about 2 ln(nodes) batches are pending, whatever the tree's shape.
        """
        tally = Tally()
        while 0 < sum(len(nodes.number) for nodes in pending) < enough:
            with np.errstate(all="ignore"):  # what overflows shows nothing
                children, counts = self._step(_pop(pending, self.batch))
            smallest_last = np.argsort(-self.below[children.number], kind="stable")
            pending += [children.take(smallest_last)] if len(children.number) else []
            tally = merge(tally, counts)
            report(tally.nodes)
        return tally

    def _step(self, nodes: Nodes) -> tuple[Nodes, Tally]:
        """Checks these nodes, and returns their children."""
        lines, (place, exclusion), margins = (
            self.bounds.tighten(nodes),
            _entries(self.exclusions, nodes.number),
            [inf],
        )
        for i in range(0, len(place), self.at_once):
            node, e = place[i : i + self.at_once], exclusion[i : i + self.at_once]
            claimed, strict = self._claimed(nodes, node, e)
            margin = self.bounds.margins(nodes, lines, claimed)
            _demand(
                (margin > 0) | (strict & (margin == 0)),
                nodes.number[node],
                "an exclusion is not shown",
            )
            nodes.excluded[node, self.tree.polytope[e]] = True
            margins.append(margin.min())
        split = self.tree.split[nodes.number]
        _demand(
            (split >= 0) | nodes.excluded.all(1),
            nodes.number,
            "it is a leaf with a polytope that is not excluded",
        )
        tally = Tally(len(split), int((split < 0).sum()), len(place), float(min(margins)))
        return self._children(nodes.take(split >= 0)), tally

    def _claimed(self, nodes: Nodes, node, e) -> tuple[Exclusions, np.ndarray]:
        """Exclusions e of nodes `node` of the batch; which of them have a strict row."""
        tree, number = self.tree, nodes.number[node]
        parts = zip(nodes.case[node], tree.polytope[e], self.rows[e], self.rows[e + 1])
        rows = np.array(
            [self._sum(self.terms[case][p], slice(*ends)) for case, p, *ends in parts], dtype=object
        )
        slopes, multipliers = (
            np.full((len(e), nodes.l.shape[1]), nan),
            np.zeros((len(e), nodes.l.shape[1])),
        )
        of, entry = _entries(self.slopes, e)
        slopes[of, tree.slope[entry]] = tree.slope_value[entry] / 1024
        of, entry = _entries(self.multipliers, e)
        sign = nodes.sign[node[of], tree.multiplier[entry]]
        _demand(sign != 0, number[of], "the multiplier of a neuron without an assumed sign")
        multipliers[of, tree.multiplier[entry]] = sign * tree.multiplier_value[entry]
        return Exclusions(node, rows[:, :-1], slopes, multipliers), rows[:, -1] > 0

    def _sum(self, terms: list, part: slice) -> list:
        """1024 times a sum of rows of one polytope: coefficients of outputs, constant, those of inputs, strict."""
        total = [0] * (self.outputs + self.inputs + 2)
        for row, weight in zip(self.tree.row[part].tolist(), self.tree.row_weight[part].tolist()):
            for place, value in terms[row]:
                total[place] += weight * value
        return total

    def _children(self, parents: Nodes) -> Nodes:
        """The wanted children of split nodes."""
        split, number = self.tree.split[parents.number], parents.number
        _demand(
            split < self.inputs + parents.l.shape[1], number, "it is split by what is not there"
        )
        children = parents.take(np.repeat(np.arange(len(split)), 2))
        children.number[::2], children.number[1::2] = self.child[number], self.child[number] + 1
        at = np.flatnonzero(split < self.inputs)
        d, cut = split[at], self.tree.cut[self.cut[number[at]]]
        inside = (parents.lower[at, d] < cut) & (cut < parents.upper[at, d])
        _demand(inside, number[at], "its cut is not inside its box")
        children.upper[2 * at, d] = children.lower[2 * at + 1, d] = cut
        at = np.flatnonzero(split >= self.inputs)
        j, first, second = split[at] - self.inputs, 2 * at, 2 * at + 1
        _demand(
            parents.sign[at, j] == 0, number[at], "it is split by a sign that is assumed already"
        )
        children.sign[first, j], children.sign[second, j] = -1, 1
        children.u[first, j] = np.minimum(children.u[first, j], 0)
        children.l[second, j] = np.maximum(children.l[second, j], 0)
        return children.take(self.wanted[children.number])


def merge(a: Tally, b: Tally) -> Tally:
    return Tally(*(x + y for x, y in zip(a[:3], b)), min(a.margin, b.margin))


def _pop(pending: list[Nodes], room: int) -> Nodes:
    """The last nodes of these, at most `room`."""
    nodes = pending.pop()
    while pending and len(nodes.number) < room:
        nodes = Nodes(*map(np.concatenate, zip(pending.pop(), nodes)))
    if len(nodes.number) > room:
        pending.append(nodes.take(slice(None, -room)))
    return nodes.take(slice(-room, None))


def _entries(begin, of) -> tuple[np.ndarray, np.ndarray]:
    """(i, entry) of all entries begin[of[i]], .., begin[of[i] + 1] - 1."""
    count = begin[of + 1] - begin[of]
    place = np.repeat(np.arange(len(of)), count)
    return place, np.arange(len(place)) + np.repeat(begin[of] - np.cumsum(count) + count, count)


def _demand(holds, number, what: str) -> None:
    if not holds.all():
        raise Rejected(f"node {number[np.argmin(holds)]}: {what}")


def _outward(value: Fraction, side: int) -> float:
    """The nearest float64 that is not above (side -1) or not below (side 1) the value; 2^101 stands for more."""
    nearest = float(max(-(2**101), min(value, 2**101)))
    return nearest if side * nearest >= side * value else float(np.nextafter(nearest, side * inf))


def _false(row: Row) -> bool:
    """Whether it has no variables and does not hold."""
    return (
        not row.inputs
        and not row.outputs
        and (row.constant > 0 or row.constant == 0 and row.strict)
    )


def _terms(row: Row, outputs: int) -> list[tuple]:
    """(place, number) of all that is not 0 in: coefficients of the outputs, constant, of the inputs, 1 where strict."""
    terms = [
        *row.outputs.items(),
        (outputs, row.constant),
        *((outputs + 1 + i, c) for i, c in row.inputs.items()),
    ]
    demand(
        all(abs(value) <= 2**900 for _, value in terms), "a number of the property is beyond 2^900"
    )
    terms = [
        (place, value.numerator if value.denominator == 1 else value) for place, value in terms
    ]  # faster so
    return terms + [(-1, 1)] * row.strict


def _below(split: np.ndarray, roots: int) -> np.ndarray:
    """How many nodes there are in each node's subtree."""
    sizes, splits = [1] * len(split), np.flatnonzero(split >= 0)[::-1].tolist()
    for node, child in zip(
        splits, range(len(split) - 2, roots - 1, -2)
    ):  # children have larger numbers
        sizes[node] += sizes[child] + sizes[child + 1]
    return np.array(sizes, np.int32)
