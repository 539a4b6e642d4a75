"""The bounds of arithmetic.py without rounding, node by node (sections 5, 6 and 14).

Numbers are Python's integers over powers of two. Only l and u are rounded, outward, to the float32
numbers that section 5 of the format asks for.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from engine.audit.bounds import Bounds, Exclusions, Numbers
from engine.audit.curves.lines import CurveLines, curve_lines
from engine.audit.data import Blocks, Floats, Integers, Objects, Singles, Truths
from engine.audit.dyadic import Dyadic
from engine.audit.lines import relu_lines
from engine.audit.pairs import Ends
from engine.audit.places import Box, Boxes, Place, Target, spread

CELLS = 2**17  # so many numbers are in the rows that are bounded at once


class ExactLayer(NamedTuple):
    """A Layer's weight, which may be a Sparse, and bias, as Dyadic numbers."""

    weight: Dyadic
    bias: Dyadic


class ExactLines(NamedTuple):
    """a z + r - s <= h <= c z + t + s in one layer at one node (section 5, the table).

    noise: N(M + t). size: H. r: of curves alone (section 14), else 0.

    difference: in the second block of a pair, the lines of differences (section 11), which are used
    where coupled is 1, not 0.
    """

    a: Numbers
    c: Numbers
    t: Numbers
    s: Dyadic
    noise: Dyadic
    size: Numbers
    difference: "ExactLines | None" = None
    coupled: Integers | None = None
    r: Numbers = 0

    def relax(self, rows: "Rows") -> "Rows":
        """Section 6, step 1: rows over h, and constants -> those over z, nowhere larger."""
        above, below = np.maximum(rows.coefficients, 0), np.minimum(rows.coefficients, 0)
        loss = below @ (self.t + self.s) - above @ (self.s - self.r)
        return Rows(above * self.a + below * self.c, rows.constant + loss)


class Node(NamedTuple):
    """One of the nodes of Boxes."""

    lower: Floats
    upper: Floats
    l: Singles  # noqa: E741 (the format's letter)
    u: Singles


class Rows(NamedTuple):
    """Rows [m, neurons] of one layer, and their constants [m]."""

    coefficients: Numbers
    constant: Numbers


class Exact(Bounds[ExactLines, list[list[ExactLines]]]):
    """Bounds of one network, or of several, under one semantics, in exact arithmetic."""

    def __init__(self, network: Blocks, semantics: str, ratio: float = 1) -> None:
        super().__init__(network, semantics, ratio)
        self.layers = tuple(
            ExactLayer(Dyadic.of(layer.weight), Dyadic.of(layer.bias))
            for block in network.blocks
            for layer in block.layers
        )
        n, is_executed = network.width, int(semantics == "float32")
        self.at_once = max(1, CELLS // n)
        g = -(-is_executed * (n + 4) * 2**60 // (2**24 - n - 4))  # rounded up to 2^-60
        #: of each layer: g, and 2^-53 in a rounded block
        self.units = [
            Dyadic(g + 2**7 * block.rounded, 60) for block in network.blocks for _ in block.layers
        ]
        self.floor = Dyadic(is_executed * (2 * n + 4), 126)  # e

    def noise(self, size: Numbers, k: int) -> Numbers:
        return self.units[k] * size + self.floor

    def down(self, values: Numbers) -> Singles:
        found: Singles = values.down()
        return found

    # --- neurons ----------------------------------------------------------------------------------

    def tighten(self, nodes: Boxes) -> list[list[ExactLines]]:
        """Section 5, "At each node", and section 11: improves l and u in place; all lines."""
        each = zip(nodes.lower, nodes.upper, nodes.l, nodes.u)
        return [self._bound(Node(*node)) for node in each]

    def size(self, h: Numbers, k: int) -> Dyadic:
        """M_k of section 5, h being H_{k-1}."""
        layer = self.layers[k]
        size: Dyadic = np.abs(layer.weight) @ h + np.abs(layer.bias)
        return size

    def improve(
        self,
        ends: Ends,
        chosen: Truths,
        target: Target,
        nodes: Boxes,
        lines: Mapping[int, ExactLines],
        noise: Numbers,
    ) -> None:
        """Section 6: improves the chosen ends of a target, in place, by substitution of rows."""
        l, u = ends
        at = np.flatnonzero(chosen)
        for i in range(0, len(at), self.at_once):
            some = at[i : i + self.at_once]
            least = self._least(target, some, 1, nodes, lines) - noise[some]
            l[some] = np.maximum(l[some], least.down())
            least = self._least(target, some, -1, nodes, lines) - noise[some]
            u[some] = -np.maximum(-u[some], least.down())

    def _least(
        self,
        target: Target,
        some: Integers,
        side: int,
        nodes: Boxes,
        lines: Mapping[int, ExactLines],
    ) -> Dyadic:
        """Section 6: the least value of side * some of a target's neurons or differences."""
        blocks, steps, starts = target
        rows = []
        for k, sign in starts:
            layer = self.layers[k]
            weight, bias = layer.weight[some].full, layer.bias[some]
            rows.append(Rows(side * sign * weight, side * sign * bias))
        for step in reversed(steps):
            relaxed = _relax([rows[i] for i, _ in step], [lines[k] for _, k in step])
            for (block, k), row in zip(step, relaxed):
                rows[block] = self._through(k, row)
        if len(blocks) == 1:
            return _minimum(*blocks[0].box(nodes), *rows[0])
        return _minimum(nodes.lower, nodes.upper, *self._added(blocks, rows))

    def line(self, z: Ends, size: Numbers, k: int) -> ExactLines:
        """Section 5, the table, and section 14, "Bounds": the lines of layer k."""
        if k in self.curves:
            return self._curved(curve_lines(self.curves[k], *z), size, k)
        a, c, t = relu_lines(*z, self.ratio[k])
        noise, has_relu = self.noise(size + t, k), self.relus[k]
        h = np.maximum(z.u, 0) * has_relu
        if not has_relu.all():  # else h keeps its few bits
            h = h + (size + noise) * ~has_relu
        return ExactLines(a, c, t, noise * (z.u > 0), noise, h)

    def _curved(self, known: CurveLines, size: Numbers, k: int) -> ExactLines:
        """Section 14: of hidden neurons these lines, of others z - s <= h <= z + s."""
        there = self.relus[k]
        a, c = np.where(there, known.a, 1), np.where(there, known.c, 1)
        r, t = known.r * there, known.t * there
        noise = self.noise(size + np.maximum(np.abs(r), np.abs(t)), k)
        h = known.size * there + (size + noise) * ~there
        return ExactLines(a, c, t, noise, noise, h, r=r)

    def couple(self, line: ExactLines, is_coupled: Truths, c: Floats, give: Numbers) -> ExactLines:
        """Section 11, "Bounds", step 6: the lines of g's layer with those of differences.

        (1 - c) d - give <= delta <= c d + give where they are coupled.
        """
        difference = ExactLines(1 - c, c, 0, give, Dyadic(0, 0), 0)
        return line._replace(difference=difference, coupled=is_coupled.astype(int))

    # --- exclusions -------------------------------------------------------------------------------

    def margins(self, nodes: Boxes, lines: list[list[ExactLines]], claimed: Exclusions) -> Objects:
        """Section 6, "An exclusion": the least value of its row at its node, Fractions."""
        found = []
        for place, row, slopes, multipliers in zip(*claimed):
            node = Node(*(part[place] for part in (nodes.lower, nodes.upper, nodes.l, nodes.u)))
            own = self._own_slopes(lines[place], slopes, node)
            found.append(self._margin(Box(node.lower, node.upper), own, row, multipliers))
        return np.array(found, dtype=object)

    def _own_slopes(self, lines: list[ExactLines], slopes: Floats, node: Node) -> list[ExactLines]:
        """Lines with an exclusion's lower slopes: 0 where u <= 0, else 1 where l >= 0."""
        found = []
        for k, line in enumerate(lines):
            l, u = self._ends(node, k)
            given = spread(slopes[self.parts[k]], self.relus[k], np.nan)
            own = np.clip(given, l >= 0, u > 0)
            found.append(line._replace(a=np.where(np.isnan(own), line.a, own)))
        return found

    def _margin(
        self, box: Box, lines: list[ExactLines], row: Objects, multipliers: Floats
    ) -> Fraction:
        """The least value of a row of outputs, constant and inputs, in 1024ths, at one node."""
        m = self.n_outputs
        scale = lcm(*(value.denominator for value in row))
        given = Dyadic(row * scale // 1, 10)
        total, left = given[None, m + 1 :], given[m : m + 1]  # r is in the first block, whole
        for blocks, steps in self.groups:
            rows = [Rows(given[None, place.outputs], Dyadic(0, 0)) for place in blocks]
            for step in reversed(steps):
                relaxed = _relax([rows[i] for i, _ in step], [lines[k] for _, k in step])
                for (block, k), each in zip(step, relaxed):
                    own = spread(multipliers[self.parts[k]], self.relus[k], 0)
                    less = _less(each, scale * Dyadic.of(own), lines[k].noise)
                    rows[block] = self._through(k, less)
            added, constant = self._added(blocks, rows)
            total, left = total + added, left + constant
        least = _minimum(*box, total, left)
        return Fraction(least.numbers[0], scale << least.bits)

    # --- substitution -----------------------------------------------------------------------------

    def _substitute(
        self, k: int, coefficients: Numbers, constant: Numbers, lines: ExactLines
    ) -> Rows:
        """Section 6: rows over the outputs of layer k, and constants -> those over its inputs."""
        return self._through(k, lines.relax(Rows(coefficients, constant)))

    def _through(self, k: int, rows: Rows) -> Rows:
        """Section 6, step 2: rows over z of layer k -> rows over its inputs."""
        (coefficients, constant), layer = rows, self.layers[k]
        used = np.flatnonzero(coefficients.numbers.any(0))  # the others are columns of zeros
        coefficients = coefficients[:, used]
        return Rows(coefficients @ layer.weight[used], constant + coefficients @ layer.bias[used])

    def _added(self, blocks: Sequence[Place], rows: Iterable[Rows]) -> Rows:
        """The rows over the inputs of each block as rows over all inputs, added up."""
        coefficients, constant = Dyadic(0, 0), Dyadic(0, 0)
        for place, (own, more) in zip(blocks, rows, strict=True):
            numbers = np.zeros((len(own.numbers), self.n_inputs), dtype=object)
            numbers[:, place.inputs] = own.numbers
            coefficients, constant = coefficients + Dyadic(numbers, own.bits), constant + more
        return Rows(coefficients, constant)


def _relax(rows: list[Rows], lines: Sequence[ExactLines]) -> list[Rows]:
    """Section 6, step 1, of one layer; or of both of a stage, as section 11 has it."""
    if len(rows) == 1:
        return [lines[0].relax(rows[0])]
    (first, first_constant), (second, second_constant) = rows
    f, g = lines
    assert g.difference is not None
    shared = second * g.coupled  # B
    change, change_constant = g.difference.relax(Rows(shared, Dyadic(0, 0)))  # B'
    first, first_constant = f.relax(Rows(first + shared, first_constant))
    second, second_constant = g.relax(Rows(second - shared, second_constant))
    return [
        Rows(first - change, first_constant),
        Rows(second + change, second_constant + change_constant),
    ]


def _less(rows: Rows, multipliers: Dyadic, noise: Dyadic) -> Rows:
    """Section 6, "An exclusion": the rows over z of a layer, after its neurons' multipliers."""
    if not multipliers.numbers.any():
        return rows
    loss = np.abs(multipliers) @ noise
    return Rows(rows.coefficients - multipliers, rows.constant - loss)


def _minimum(lower: Floats, upper: Floats, rows: Numbers, constant: Numbers) -> Dyadic:
    """Section 6, at the end: the least value of rows over x on a box."""
    least: Dyadic = np.maximum(rows, 0) @ lower + np.minimum(rows, 0) @ upper + constant
    return least
