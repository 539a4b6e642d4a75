"""The walk through a proof's tree: every exclusion must be shown, and every polytope excluded at every leaf."""

from collections import namedtuple
from fractions import Fraction
from math import inf, nan

import numpy as np

from .arithmetic import Exclusions
from .data import Certificate, Network, Rejected, Row, demand

BATCH, CELLS = 1024, 2**19  # so many nodes, or nodes times hidden neurons or polytopes, are bounded at once

#: What was checked, and the least bound that showed an exclusion.
Tally = namedtuple("Tally", "nodes leaves exclusions margin", defaults=(0, 0, 0, inf))


class Nodes(namedtuple("Nodes", "number case lower upper l u sign excluded")):
    """Nodes: boxes [n, inputs], l <= z <= u, assumed signs 1, -1 or 0 [n, hidden], polytopes [n, most of a case]."""

    def take(self, index) -> "Nodes":
        return Nodes(*(part[index] for part in self))


class Proof:
    """A proof's tree, whose arrays have passed Tree.check. The `wanted` nodes are visited: with each, its parent."""

    def __init__(self, certificate: Certificate, network: Network, bounds, wanted: np.ndarray):
        self.tree, self.cases, self.bounds, self.wanted = certificate.tree, certificate.cases, bounds, wanted
        split, self.inputs, outputs = self.tree.split, len(self.cases[0].lower), len(network.layers[-1].bias)
        self.child = len(self.cases) + 2 * np.cumsum(split >= 0) - 2  # the first of each split node
        self.cut = np.cumsum((split >= 0) & (split < self.inputs)) - 1  # where each input split's cut stands
        self.exclusions = np.searchsorted(self.tree.node, np.arange(len(split) + 1))  # where those of each node begin
        parts = self.tree.rows, self.tree.slopes, self.tree.multipliers
        self.rows, self.slopes, self.multipliers = (np.cumsum([0, *part]) for part in parts)  # those of each exclusion
        sizes = bounds.parts[-1].stop, *(len(case.unsafe) for case in self.cases)
        self.batch, self.at_once = (max(1, min(BATCH, CELLS // max(1, size))) for size in (max(sizes), sizes[0]))
        self.numbers = [[_numbers(polytope, outputs, self.inputs) for polytope in case.unsafe] for case in self.cases]

    def roots(self) -> Nodes:
        """The cases. A polytope with a false row without variables is excluded from the start."""
        lower = np.array([[_outward(end, -1) for end in case.lower] for case in self.cases])
        upper = np.array([[_outward(end, 1) for end in case.upper] for case in self.cases])
        l, u = np.stack([self.bounds.root(*ends) for ends in zip(lower, upper)], axis=1)
        excluded = np.ones((len(self.cases), max(len(case.unsafe) for case in self.cases)), bool)
        for case, here in zip(self.cases, excluded):
            here[: len(case.unsafe)] = [any(map(_false, polytope)) for polytope in case.unsafe]
        number = np.arange(len(self.cases))
        nodes = Nodes(number, number, lower, upper, l, u, np.zeros(l.shape, np.int8), excluded)
        return nodes.take(self.wanted[: len(number)])

    def walk(self, pending: list[Nodes], report, enough=inf) -> Tally:
        """Checks the pending nodes and all below them, or stops when `enough` are pending; report(nodes checked)."""
        tally = Tally()
        while 0 < sum(len(nodes.number) for nodes in pending) < enough:
            with np.errstate(all="ignore"):  # what overflows shows nothing
                children, counts = self._step(_pop(pending, self.batch))
            pending += [children] if len(children.number) else []
            tally = merge(tally, counts)
            report(tally.nodes)
        return tally

    def _step(self, nodes: Nodes) -> tuple[Nodes, Tally]:
        """Checks these nodes, and returns their children."""
        lines, (place, exclusion), margins = self.bounds.tighten(nodes), _entries(self.exclusions, nodes.number), [inf]
        for i in range(0, len(place), self.at_once):
            node, e = place[i : i + self.at_once], exclusion[i : i + self.at_once]
            claimed, strict = self._claimed(nodes, node, e)
            margin = self.bounds.margins(nodes, lines, claimed)
            _demand((margin > 0) | (strict & (margin == 0)), nodes.number[node], "an exclusion is not shown")
            nodes.excluded[node, self.tree.polytope[e]] = True
            margins.append(margin.min())
        split = self.tree.split[nodes.number]
        _demand((split >= 0) | nodes.excluded.all(1), nodes.number, "it is a leaf with a polytope that is not excluded")
        tally = Tally(len(split), int((split < 0).sum()), len(place), float(min(margins)))
        return self._children(nodes.take(split >= 0)), tally

    def _claimed(self, nodes: Nodes, node, e) -> tuple[Exclusions, np.ndarray]:
        """Exclusions e of nodes `node` of the batch; which of them have a strict row."""
        tree, number = self.tree, nodes.number[node]
        parts = zip(nodes.case[node], tree.polytope[e], self.rows[e], self.rows[e + 1])
        rows = np.array([tree.row_weight[first:last].astype(object) @ self.numbers[case][p][tree.row[first:last]]
                         for case, p, first, last in parts])
        slopes, multipliers = np.full((len(e), nodes.l.shape[1]), nan), np.zeros((len(e), nodes.l.shape[1]))
        of, entry = _entries(self.slopes, e)
        _demand(tree.slope[entry] < slopes.shape[1], number[of], "the slope of a neuron that is not there")
        slopes[of, tree.slope[entry]] = tree.slope_value[entry] / 1024
        of, entry = _entries(self.multipliers, e)
        _demand(tree.multiplier[entry] < slopes.shape[1], number[of], "the multiplier of a neuron that is not there")
        sign = nodes.sign[node[of], tree.multiplier[entry]]
        _demand(sign != 0, number[of], "the multiplier of a neuron without an assumed sign")
        multipliers[of, tree.multiplier[entry]] = sign * tree.multiplier_value[entry]
        return Exclusions(node, rows[:, :-1], slopes, multipliers), rows[:, -1] > 0

    def _children(self, parents: Nodes) -> Nodes:
        """The wanted children of split nodes."""
        split, number = self.tree.split[parents.number], parents.number
        _demand(split < self.inputs + parents.l.shape[1], number, "it is split by what is not there")
        children = parents.take(np.repeat(np.arange(len(split)), 2))
        children.number[::2], children.number[1::2] = self.child[number], self.child[number] + 1
        at = np.flatnonzero(split < self.inputs)
        d, cut = split[at], self.tree.cut[self.cut[number[at]]]
        inside = (parents.lower[at, d] < cut) & (cut < parents.upper[at, d])
        _demand(inside, number[at], "its cut is not inside its box")
        children.upper[2 * at, d] = children.lower[2 * at + 1, d] = cut
        at = np.flatnonzero(split >= self.inputs)
        j, first, second = split[at] - self.inputs, 2 * at, 2 * at + 1
        _demand(parents.sign[at, j] == 0, number[at], "it is split by a sign that is assumed already")
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
    return not row.inputs and not row.outputs and (row.constant > 0 or row.constant == 0 and row.strict)


def _numbers(polytope: tuple[Row, ...], outputs: int, inputs: int) -> np.ndarray:
    """For each row: coefficients of the outputs, constant, coefficients of the inputs, 1 where strict."""
    rows = np.zeros((len(polytope), outputs + inputs + 2), dtype=object)
    for numbers, row in zip(rows, polytope):
        terms = [*row.outputs.items(), (outputs, row.constant), *((outputs + 1 + i, c) for i, c in row.inputs.items())]
        for place, value in [*terms, (-1, int(row.strict))]:
            demand(abs(value) <= 2**900, "a number of the property is beyond 2^900")
            numbers[place] = value.numerator if value.denominator == 1 else value  # integers are faster
    return rows
