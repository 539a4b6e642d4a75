"""The bounds of arithmetic.py without rounding, node by node (sections 5 and 6).

Numbers are Python's integers over powers of two. Only l and u are rounded, outward, to the float32
numbers that section 5 of the format asks for.
"""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from engine.audit.bounds import Bounds, Box, Boxes, Exclusions, Numbers, relu_lines
from engine.audit.data import Blocks, Floats, Integers, Objects, Singles
from engine.audit.dyadic import Dyadic

CELLS = 2**17  # so many numbers are in the rows that are bounded at once


class ExactLayer(NamedTuple):
    """A Layer with Dyadic numbers."""

    weight: Dyadic
    bias: Dyadic
    relu: bool


class ExactLines(NamedTuple):
    """a z - s <= h <= c z + t + s in one layer at one node (section 5, the table).

    noise: N(M + t).
    """

    a: Numbers
    c: Numbers
    t: Numbers
    s: Dyadic
    noise: Dyadic


class Exact(Bounds[list[list[ExactLines]]]):
    """Bounds of one network, or of several, under one semantics, in exact arithmetic."""

    def __init__(self, network: Blocks, semantics: str) -> None:
        super().__init__(network, semantics)
        self.layers = tuple(
            ExactLayer(Dyadic.of(layer.weight), Dyadic.of(layer.bias), layer.relu)
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
        """Section 5, "At each node": improves l and u in place; each node's lines of each layer."""
        each = zip(nodes.lower, nodes.upper, nodes.l, nodes.u)
        return [self._tighten(lower, upper, l, u) for lower, upper, l, u in each]

    def _tighten(self, lower: Floats, upper: Floats, l: Singles, u: Singles) -> list[ExactLines]:
        """Of one node."""
        lines: list[ExactLines] = []
        for place in self.places:
            lines += self._tighten_block(place.layers, place.box(Box(lower, upper)), l, u)
        return lines

    def _tighten_block(self, layers: range, box: Box, l: Singles, u: Singles) -> list[ExactLines]:
        """Of one node, the neurons of one block, which has this box there."""
        lines: list[ExactLines] = []
        h: Numbers = np.maximum(np.abs(box.lower), np.abs(box.upper))  # H_0
        for k in layers:
            layer, low, high = self.layers[k], l[self.parts[k]], u[self.parts[k]]
            size = np.abs(layer.weight) @ h + np.abs(layer.bias)  # M_k
            noise = self.noise(size, k)
            at = np.flatnonzero((low < 0) & (high > 0))
            for i in range(0, len(at), self.at_once):
                some = at[i : i + self.at_once]
                least = self._least(k, some, 1, box, lines) - noise[some]
                low[some] = np.maximum(low[some], least.down())
                least = self._least(k, some, -1, box, lines) - noise[some]
                high[some] = -np.maximum(-high[some], least.down())
            if layer.relu:
                (a, c, t), h, reached = relu_lines(low, high), np.maximum(high, 0), high > 0
                noise = self.noise(size + t, k)
                lines.append(ExactLines(a, c, t, noise * reached, noise))
            else:
                h = size + noise
                lines.append(ExactLines(1, 1, 0, noise, noise))
        return lines

    def _least(
        self, k: int, some: Integers, sign: int, box: Box, lines: list[ExactLines]
    ) -> Dyadic:
        """Section 6: the least value of sign * z of some neurons of layer k.

        lines: of its block's layers before it.
        """
        layer = self.layers[k]
        rows, constant = sign * layer.weight[some], sign * layer.bias[some]
        for line in reversed(lines):
            k -= 1
            rows, constant = self._substitute(k, rows, constant, line)
        return _minimum(*box, rows, constant)

    # --- exclusions -------------------------------------------------------------------------------

    def margins(self, nodes: Boxes, lines: list[list[ExactLines]], claimed: Exclusions) -> Objects:
        """Section 6, "An exclusion": the least value of its row at its node, Fractions."""
        found = []
        for node, row, slopes, multipliers in zip(*claimed):
            own = self._own_slopes(lines[node], slopes, nodes.l[node], nodes.u[node])
            box = Box(nodes.lower[node], nodes.upper[node])
            found.append(self._margin(box, own, row, multipliers))
        return np.array(found, dtype=object)

    def _own_slopes(
        self, lines: list[ExactLines], slopes: Floats, l: Singles, u: Singles
    ) -> list[ExactLines]:
        """Lines with an exclusion's lower slopes: 0 where u <= 0, else 1 where l >= 0."""
        found = []
        for layer, line, part in zip(self.layers, lines, self.parts, strict=True):
            if layer.relu:
                own = np.clip(slopes[part], l[part] >= 0, u[part] > 0)
                line = line._replace(a=np.where(np.isnan(own), line.a, own))
            found.append(line)
        return found

    def _margin(
        self, box: Box, lines: list[ExactLines], row: Objects, multipliers: Floats
    ) -> Fraction:
        """The least value of a row of outputs, constant and inputs, in 1024ths, at one node."""
        m = self.n_outputs
        scale = lcm(*(value.denominator for value in row))
        given, scaled = Dyadic(row * scale // 1, 10), scale * Dyadic.of(multipliers)
        total, left = given[None, m + 1 :], given[m : m + 1]  # r is in the first block, whole
        for layers, inputs, outputs in self.places:
            rows, constant = given[None, outputs], Dyadic(0, 0)
            for k in reversed(layers):
                own = scaled[self.parts[k]]
                rows, constant = self._substitute(k, rows, constant, lines[k], own)
            total, left = total + _spread(rows, inputs, self.n_inputs), left + constant
        least = _minimum(*box, total, left)
        return Fraction(least.numbers[0], scale << least.bits)

    # --- substitution -----------------------------------------------------------------------------

    def _substitute(
        self,
        k: int,
        rows: Numbers,
        constant: Numbers,
        lines: ExactLines,
        multipliers: Dyadic | None = None,
    ) -> tuple[Dyadic, Dyadic]:
        """Section 6: rows over the outputs of layer k, and constants -> those over its inputs."""
        a, c, t, s, noise = lines
        above, below, layer = np.maximum(rows, 0), np.minimum(rows, 0), self.layers[k]
        rows, constant = above * a + below * c, constant + below @ (t + s) - above @ s
        if multipliers is not None and multipliers.numbers.any():
            rows, constant = rows - multipliers, constant - np.abs(multipliers) @ noise
        used = np.flatnonzero(rows.numbers.any(0))  # the others are columns of zeros
        return rows[:, used] @ layer.weight[used], constant + rows[:, used] @ layer.bias[used]


def _spread(rows: Dyadic, inputs: slice | Integers, n_inputs: int) -> Dyadic:
    """The rows over a block's inputs as rows over all inputs."""
    numbers = np.zeros((len(rows.numbers), n_inputs), dtype=object)
    numbers[:, inputs] = rows.numbers
    return Dyadic(numbers, rows.bits)


def _minimum(lower: Floats, upper: Floats, rows: Numbers, constant: Numbers) -> Dyadic:
    """Section 6, at the end: the least value of rows over x on a box."""
    least: Dyadic = np.maximum(rows, 0) @ lower + np.minimum(rows, 0) @ upper + constant
    return least
