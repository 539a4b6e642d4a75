"""The bounds of arithmetic.py without rounding, node by node, in Python integers over powers of two.

Only l and u are rounded, outward, to the float32 numbers that section 5 of the format asks for.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from .arithmetic import LARGEST, Exclusions, down, hidden_parts, relu_lines
from .data import Network, Rejected


@dataclass(frozen=True)
class Dyadic:
    """An array of numbers / 2^bits."""

    numbers: np.ndarray
    bits: int

    @classmethod
    def of(cls, values) -> "Dyadic":
        """Float64 values, exactly."""
        ratios = [value.as_integer_ratio() for value in np.float64(values).ravel().tolist()]
        scale = max((d for _, d in ratios), default=1)
        numbers = np.array([n * (scale // d) for n, d in ratios], dtype=object)
        return cls(numbers.reshape(np.shape(values)), scale.bit_length() - 1)

    def __getitem__(self, key):
        return Dyadic(self.numbers[key], self.bits)

    def __neg__(self):
        return Dyadic(-self.numbers, self.bits)

    def __add__(self, other):
        bits = max(self.bits, other.bits)
        return Dyadic((self.numbers << bits - self.bits) + (other.numbers << bits - other.bits), bits)

    def __mul__(self, other):
        return Dyadic(self.numbers * other.numbers, self.bits + other.bits)

    def __matmul__(self, other):
        return Dyadic(self.numbers @ other.numbers, self.bits + other.bits)

    def signs(self) -> tuple["Dyadic", "Dyadic"]:
        """The positive and the negative part."""
        return Dyadic(np.maximum(self.numbers, 0), self.bits), Dyadic(np.minimum(self.numbers, 0), self.bits)

    def down(self) -> np.ndarray:
        """`down` of the nearest float64 numbers (so divides Python); beyond 2^200 it is infinite in any case."""
        limit = 1 << self.bits + 200
        return down((np.clip(self.numbers, -limit, limit) / (1 << self.bits)).astype(np.float64))


class Exact:
    """Bounds of one network under one semantics: the methods of arithmetic.Floating."""

    def __init__(self, network: Network, semantics: str):
        self.layers, self.parts = network.layers, hidden_parts(network)
        self.affine = [(Dyadic.of(a.weight), Dyadic.of(a.bias)) for a in self.layers]
        self.size = [(Dyadic.of(np.abs(a.weight)), Dyadic.of(np.abs(a.bias))) for a in self.layers]
        width, executed = max(max(a.weight.shape) for a in self.layers), int(semantics == "float32")
        if executed and width > 2**13:
            raise Rejected(f"layers of width {width} are beyond the analysis of rounding")
        self.unit = Dyadic(-(-executed * (width + 4) * 2**60 // (2**24 - width - 4)), 60)  # g, rounded up
        self.floor = Dyadic(executed * (2 * width + 4), 126)  # e

    def root(self, lower, upper):
        """l and u [hidden] of a root, by interval arithmetic."""
        box, bounds = Dyadic.of(np.stack([lower, upper])), np.zeros((2, self.parts[-1].stop), np.float32)
        for k, ((weight, bias), part) in enumerate(zip(self.affine, self.parts)):
            h = Dyadic(abs(box.numbers).max(0), box.bits)
            size = self.size[k][0] @ h + self.size[k][1]
            if max((sizes.numbers >> sizes.bits).max() for sizes in (h, size)) >= LARGEST:
                raise Rejected(f"inputs or outputs of layer {k + 1} may reach 2^100")
            (rise, fall), noise = weight.signs(), self._noise(size)
            low, high = rise @ box[0] + fall @ box[1] + bias + -noise, rise @ box[1] + fall @ box[0] + bias + noise
            if self.layers[k].relu:
                bounds[:, part] = low.down(), -(-high).down()
                low, high = low.signs()[0], high.signs()[0]
            box = Dyadic(np.stack([low.numbers, high.numbers]), low.bits)
        return bounds

    def tighten(self, nodes) -> list[list[tuple]]:
        """Section 5: improves l and u in place, and returns each layer's (a, c, t, s, N(M + t)) at each node."""
        return [self._tighten(*node) for node in zip(nodes.lower, nodes.upper, nodes.l, nodes.u)]

    def _tighten(self, lower, upper, l, u):
        lines, h = [], Dyadic.of(np.maximum(np.abs(lower), np.abs(upper)))
        for k, ((weight, bias), part) in enumerate(zip(self.affine, self.parts)):
            size, low, high = self.size[k][0] @ h + self.size[k][1], l[part], u[part]
            noise = self._noise(size)
            at = np.flatnonzero((low < 0) & (high > 0))
            for bound, sign in ((low, 1), (high, -1)):
                row = weight[at] * Dyadic(sign, 0), bias[at] * Dyadic(sign, 0)
                for i in range(k - 1, -1, -1):
                    row = self._substitute(i, *row, *lines[i])
                bound[at] = sign * np.maximum(sign * bound[at], (_minimum(lower, upper, *row) + -noise[at]).down())
            if self.layers[k].relu:
                (a, c, t), h = relu_lines(low, high), Dyadic.of(np.maximum(high, 0))
                noise = self._noise(size + Dyadic.of(t))
                lines.append((a, c, Dyadic.of(t), noise * Dyadic.of(high > 0), noise))
            else:
                one, h = np.ones(len(size.numbers)), size + noise
                lines.append((one, one, Dyadic.of(0 * one), noise, noise))
        return lines

    def margins(self, nodes, lines: list[list[tuple]], claimed: Exclusions):
        """The least value of each exclusion's row at its node (section 6): Fractions."""
        found, n = [], len(self.layers[-1].bias)
        for node, given, slopes, multipliers in zip(*claimed):
            scale = lcm(*(value.denominator for value in given))
            given, multipliers = Dyadic(given * scale // 1, 10), Dyadic.of(multipliers) * Dyadic(scale, 0)
            row = given[None, :n], given[n : n + 1]
            for k in range(len(self.layers) - 1, -1, -1):
                (a, *line), part = lines[node][k], self.parts[k]
                chosen = np.clip(slopes[part], nodes.l[node, part] >= 0, nodes.u[node, part] > 0)
                a = np.where(np.isnan(chosen), a, chosen) if self.layers[k].relu else a
                row = self._substitute(k, *row, a, *line, multipliers[part])
            least = _minimum(nodes.lower[node], nodes.upper[node], row[0] + given[None, n + 1 :], row[1])
            found.append(Fraction(least.numbers[0], scale << least.bits))
        return np.array(found, dtype=object)

    def _noise(self, size: Dyadic) -> Dyadic:
        """N(size)."""
        return size * self.unit + self.floor

    def _substitute(self, k: int, rows, constant, a, c, t, s, noise, multipliers=None) -> tuple[Dyadic, Dyadic]:
        """Rows over the outputs of layer k and their constants -> those over its inputs (section 6)."""
        (above, below), (weight, bias) = rows.signs(), self.affine[k]
        a, c = (Dyadic((1024 * slope).astype(int).astype(object), 10) for slope in (a, c))
        rows, constant = above * a + below * c, constant + below @ (t + s) + -(above @ s)
        if multipliers and multipliers.numbers.any():
            size = Dyadic(abs(multipliers.numbers), multipliers.bits)
            rows, constant = rows + -multipliers, constant + -(size @ noise)
        used = np.flatnonzero(rows.numbers.any(0))  # the others are columns of zeros
        return rows[:, used] @ weight[used], constant + rows[:, used] @ bias[used]


def _minimum(lower, upper, rows: Dyadic, constant: Dyadic) -> Dyadic:
    """The least value of rows over x on a box."""
    above, below = rows.signs()
    return above @ Dyadic.of(lower) + below @ Dyadic.of(upper) + constant


def evaluate(network: Network, point: tuple[Fraction, ...]) -> list[Fraction]:
    """The outputs at a point, in real arithmetic."""
    scale = lcm(*(value.denominator for value in point))
    h = Dyadic(np.array(point, dtype=object) * scale // 1, 0)
    for layer in network.layers:
        h = Dyadic.of(layer.weight) @ h + Dyadic.of(layer.bias) * Dyadic(scale, 0)
        h = h.signs()[0] if layer.relu else h
    return [Fraction(number, scale << h.bits) for number in h.numbers]
