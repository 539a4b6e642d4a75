"""The bounds of arithmetic.py without rounding, node by node (sections 5 and 6).

Numbers are Python's integers over powers of two. Only l and u are rounded, outward, to the float32
numbers that section 5 of the format asks for.
"""

from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from engine.audit.bounds import Bounds, Boxes, Exclusions, Numbers, relu_lines
from engine.audit.data import Floats, Integers, Network, Objects, Singles
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
    """Bounds of one network under one semantics, in exact arithmetic."""

    def __init__(self, network: Network, semantics: str) -> None:
        super().__init__(network, semantics)
        self.layers = tuple(
            ExactLayer(Dyadic.of(layer.weight), Dyadic.of(layer.bias), layer.relu)
            for layer in network.layers
        )
        n, is_executed = network.width, int(semantics == "float32")
        self.at_once = max(1, CELLS // n)
        g = -(-is_executed * (n + 4) * 2**60 // (2**24 - n - 4))  # rounded up to 2^-60
        self.unit = Dyadic(g + 2**7 * network.rounded, 60)  # and 2^-53
        self.floor = Dyadic(is_executed * (2 * n + 4), 126)  # e

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
        h: Numbers = np.maximum(np.abs(lower), np.abs(upper))  # H_0
        for layer, part in zip(self.layers, self.parts, strict=True):
            size = np.abs(layer.weight) @ h + np.abs(layer.bias)  # M_k
            low, high = l[part], u[part]
            noise = self.noise(size)
            at = np.flatnonzero((low < 0) & (high > 0))
            for i in range(0, len(at), self.at_once):
                some = at[i : i + self.at_once]
                least = self._least(some, 1, lower, upper, lines) - noise[some]
                low[some] = np.maximum(low[some], least.down())
                least = self._least(some, -1, lower, upper, lines) - noise[some]
                high[some] = -np.maximum(-high[some], least.down())
            if layer.relu:
                (a, c, t), h, reached = relu_lines(low, high), np.maximum(high, 0), high > 0
                noise = self.noise(size + t)
                lines.append(ExactLines(a, c, t, noise * reached, noise))
            else:
                h = size + noise
                lines.append(ExactLines(1, 1, 0, noise, noise))
        return lines

    def _least(
        self, some: Integers, sign: int, lower: Floats, upper: Floats, lines: list[ExactLines]
    ) -> Dyadic:
        """Section 6: the least value of sign * z of some neurons of the layer after these lines."""
        layer = self.layers[len(lines)]
        rows, constant = sign * layer.weight[some], sign * layer.bias[some]
        for k in range(len(lines) - 1, -1, -1):
            rows, constant = self._substitute(k, rows, constant, lines[k])
        return _minimum(lower, upper, rows, constant)

    # --- exclusions -------------------------------------------------------------------------------

    def margins(self, nodes: Boxes, lines: list[list[ExactLines]], claimed: Exclusions) -> Objects:
        """Section 6, "An exclusion": the least value of its row at its node, Fractions."""
        found = []
        for node, row, slopes, multipliers in zip(*claimed):
            own = self._own_slopes(lines[node], slopes, nodes.l[node], nodes.u[node])
            found.append(self._margin(nodes.lower[node], nodes.upper[node], own, row, multipliers))
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
        self,
        lower: Floats,
        upper: Floats,
        lines: list[ExactLines],
        row: Objects,
        multipliers: Floats,
    ) -> Fraction:
        """The least value of a row of outputs, constant and inputs, in 1024ths, at one node."""
        m = len(self.layers[-1].bias.numbers)
        scale = lcm(*(value.denominator for value in row))
        given, scaled = Dyadic(row * scale // 1, 10), scale * Dyadic.of(multipliers)
        rows, constant = given[None, :m], given[m : m + 1]
        for k in range(len(lines) - 1, -1, -1):
            own = scaled[self.parts[k]]
            rows, constant = self._substitute(k, rows, constant, lines[k], own)
        least = _minimum(lower, upper, rows + given[None, m + 1 :], constant)
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


def _minimum(lower: Floats, upper: Floats, rows: Numbers, constant: Numbers) -> Dyadic:
    """Section 6, at the end: the least value of rows over x on a box."""
    least: Dyadic = np.maximum(rows, 0) @ lower + np.minimum(rows, 0) @ upper + constant
    return least
