"""The bounds of arithmetic.py without rounding, node by node, in Python integers over powers of two.

Only l and u are rounded, outward, to the float32 numbers that section 5 of the format asks for.
"""

from fractions import Fraction
from math import lcm

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from engine.audit.arithmetic import Exclusions, Floating, down, relu_lines
from engine.audit.data import Layer, Network

PRODUCTS = np.multiply, np.matmul
CELLS = 2**17  # so many numbers are in the rows that are bounded at once
SUMS = np.add, np.subtract, np.negative, np.absolute, np.maximum, np.minimum


class Dyadic(NDArrayOperatorsMixin):
    """An array of numbers / 2^bits: numpy's PRODUCTS and SUMS of it, and of others with it, are exact."""

    def __init__(self, numbers, bits: int):
        self.numbers, self.bits = (
            np.atleast_1d(np.asarray(numbers, dtype=object)),
            bits,
        )  # never numpy's own integers

    @classmethod
    def of(cls, values) -> "Dyadic":
        """Floating-point numbers, integers or truth values, exactly."""
        ratios = [value.as_integer_ratio() for value in np.ravel(values).tolist()]
        scale = max((d for _, d in ratios), default=1)
        numbers = np.array([n * (scale // d) for n, d in ratios], dtype=object)
        return cls(numbers.reshape(np.shape(values)), scale.bit_length() - 1)

    def __getitem__(self, key):
        return Dyadic(self.numbers[key], self.bits)

    def __array_ufunc__(self, function, method, *operands):
        if method != "__call__" or function not in PRODUCTS + SUMS:
            return NotImplemented
        operands = [
            operand if isinstance(operand, Dyadic) else Dyadic.of(operand) for operand in operands
        ]
        if function in PRODUCTS:
            return Dyadic(
                function(*(operand.numbers for operand in operands)), sum(o.bits for o in operands)
            )
        bits = max(operand.bits for operand in operands)
        return Dyadic(
            function(*(operand.numbers << bits - operand.bits for operand in operands)), bits
        )

    def __lt__(self, integer):
        return self.numbers >> self.bits < integer

    def down(self) -> np.ndarray:
        """`down` of the nearest float64 numbers (so divides Python); beyond 2^200 it is infinite in any case."""
        limit = 1 << self.bits + 200
        return down((np.clip(self.numbers, -limit, limit) / (1 << self.bits)).astype(np.float64))


class Exact(Floating):
    """Bounds of one network under one semantics: as Floating, whose `root` it shares, with Dyadic for all numbers."""

    _down = staticmethod(Dyadic.down)

    def __init__(self, network: Network, semantics: str):
        super().__init__(network, semantics)  # for parts, and the same limits
        self.layers = [
            Layer(Dyadic.of(a.weight), Dyadic.of(a.bias), a.relu) for a in network.layers
        ]
        self.at_once = max(1, CELLS // max(max(a.weight.shape) for a in network.layers))
        width, executed = (
            max(max(a.weight.shape) for a in network.layers),
            int(semantics == "float32"),
        )
        unit = -(-executed * (width + 4) * 2**60 // (2**24 - width - 4))  # g, rounded up
        self.unit = Dyadic(unit + 2**7 * network.rounded, 60)
        self.floor = Dyadic(executed * (2 * width + 4), 126)  # e

    def tighten(self, nodes) -> list[list[tuple]]:
        """Section 5: improves l and u in place, and returns each layer's (a, c, t, s, N(M + t)) at each node."""
        return [self._tighten(*node) for node in zip(nodes.lower, nodes.upper, nodes.l, nodes.u)]

    def _tighten(self, lower, upper, l, u):
        lines, h = [], np.maximum(np.abs(lower), np.abs(upper))
        for layer, part in zip(self.layers, self.parts):
            size, low, high = np.abs(layer.weight) @ h + np.abs(layer.bias), l[part], u[part]
            noise = self._noise(size)
            at = np.flatnonzero((low < 0) & (high > 0))
            for some in (at[i : i + self.at_once] for i in range(0, len(at), self.at_once)):
                for bound, sign in ((low, 1), (high, -1)):
                    row = sign * layer.weight[some], sign * layer.bias[some]
                    for k in range(len(lines) - 1, -1, -1):
                        row = self._substitute(k, *row, *lines[k])
                    least = _minimum(lower, upper, *row) - noise[some]
                    bound[some] = sign * np.maximum(sign * bound[some], least.down())
            if layer.relu:
                (a, c, t), h, reached = relu_lines(low, high), np.maximum(high, 0), high > 0
            else:
                (a, c, t), h, reached = (1, 1, 0), size + noise, True
            noise = self._noise(size + t)
            lines.append((a, c, t, noise * reached, noise))
        return lines

    def margins(self, nodes, lines: list[list[tuple]], claimed: Exclusions):
        """The least value of each exclusion's row at its node (section 6): Fractions."""
        found, n = [], len(self.layers[-1].bias.numbers)
        for node, given, slopes, multipliers in zip(*claimed):
            scale = lcm(*(value.denominator for value in given))
            given, multipliers = Dyadic(given * scale // 1, 10), scale * Dyadic.of(multipliers)
            row = given[None, :n], given[n : n + 1]
            for k in range(len(self.layers) - 1, -1, -1):
                (a, *line), part = lines[node][k], self.parts[k]
                if self.layers[k].relu:
                    chosen = np.clip(
                        slopes[part], nodes.l[node, part] >= 0, nodes.u[node, part] > 0
                    )
                    a = np.where(np.isnan(chosen), a, chosen)
                row = self._substitute(k, *row, a, *line, multipliers[part])
            least = _minimum(
                nodes.lower[node], nodes.upper[node], row[0] + given[None, n + 1 :], row[1]
            )
            found.append(Fraction(least.numbers[0], scale << least.bits))
        return np.array(found, dtype=object)

    def _substitute(
        self, k: int, rows, constant, a, c, t, s, noise, multipliers=None
    ) -> tuple[Dyadic, Dyadic]:
        """Rows over the outputs of layer k and their constants -> those over its inputs (section 6)."""
        above, below, layer = np.maximum(rows, 0), np.minimum(rows, 0), self.layers[k]
        rows, constant = above * a + below * c, constant + below @ (t + s) - above @ s
        if multipliers and multipliers.numbers.any():
            rows, constant = rows - multipliers, constant - np.abs(multipliers) @ noise
        used = np.flatnonzero(rows.numbers.any(0))  # the others are columns of zeros
        return rows[:, used] @ layer.weight[used], constant + rows[:, used] @ layer.bias[used]


def _minimum(lower, upper, rows: Dyadic, constant: Dyadic) -> Dyadic:
    """The least value of rows over x on a box."""
    return np.maximum(rows, 0) @ lower + np.minimum(rows, 0) @ upper + constant


def radii(network: Network, point: tuple[Fraction, ...]) -> list[Fraction]:
    """How far the outputs at a point may be from what `evaluate` gives: section 7."""
    if not network.rounded:
        return [Fraction(0)] * len(network.layers[-1].bias)
    exact = np.vectorize(Fraction, otypes=[object])
    h, r = exact(np.array(point, dtype=object)), exact(np.zeros(len(point)))
    for layer in network.layers:
        weight, bias = exact(layer.weight), exact(layer.bias)
        size = np.abs(weight) @ (np.abs(h) + r) + np.abs(bias)
        r = np.abs(weight) @ r + size * Fraction(1, 2**53)
        h = weight @ h + bias
        h = np.maximum(h, 0) if layer.relu else h
    return r.tolist()


def evaluate(network: Network, point: tuple[Fraction, ...]) -> list[Fraction]:
    """The outputs at a point, in real arithmetic on the numbers of the layers."""
    scale = lcm(*(value.denominator for value in point))
    h = Dyadic([value * scale // 1 for value in point], 0)
    for layer in network.layers:
        h = layer.weight @ h + scale * Dyadic.of(layer.bias)
        h = np.maximum(h, 0) if layer.relu else h
    return [Fraction(number, scale << h.bits) for number in h.numbers]
