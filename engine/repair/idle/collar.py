"""Distances from a box that idle neurons of layer 1 measure, and the collar in which all are small."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np

from engine.repair.edit import single

THICKNESS = 1 / 256  # of the collar, in about the box's width
ROUNDING = 2.0**-40  # more than rounding can change in an end of the box around it, as a share of the end's terms
PASSES = 10  # over the half-spaces, for the box around them

Box = tuple[Sequence[Fraction], Sequence[Fraction]]  # lower and upper ends, exact


class _Face(NamedTuple):
    """sign * (x[input] - end) <= 0 on the box, where end is a float32 value; width: of the box in this input."""

    input: int
    sign: int
    end: float
    width: float


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """The distances relu(weight @ x + bias) that idle neurons measure: [neurons, inputs] and [neurons].

    All are 0 on a box. The collar is where none is above THICKNESS: what is rewritten acts there alone. The unit is
    about the box's width.
    """

    weight: np.ndarray
    bias: np.ndarray

    def hull(self, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends (lower, upper) of a box in [lower, upper] around the collar and what it encloses."""
        low, high = lower.copy(), upper.copy()
        for _ in range(PASSES):
            for row, constant in zip(self.weight, self.bias - THICKNESS):
                least = np.minimum(row * low, row * high)
                for i in np.flatnonzero(row):
                    end = -(constant + least.sum() - least[i]) / row[i]
                    size = (abs(constant) + np.abs(least).sum()) / row[i]
                    end += ROUNDING * size
                    low[i], high[i] = (max(low[i], end), high[i]) if row[i] < 0 else (low[i], min(high[i], end))
        return low, high

    def holds(self, x: np.ndarray) -> np.ndarray:
        """True for the points [n, inputs] in the collar, and where all distances are 0: bool [n]."""
        near: np.ndarray = (x @ self.weight.T + self.bias <= THICKNESS).all(1)
        return near

    def sample(
        self, lower: np.ndarray, upper: np.ndarray, n: int, random: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        """Those of n random points of the hull that lie in the collar or within it, and the volume of these."""
        low, high = self.hull(lower, upper)
        x = random.uniform(low, high, (n, len(low)))
        x = x[self.holds(x)]
        return x, float(np.prod(high - low)) * len(x) / n


def distances(box: Box, lower: np.ndarray, upper: np.ndarray, neurons: int, *, near: float = 0.025) -> Distances | None:
    """Distances from a box in the domain [lower, upper] that so many neurons can measure.

    None where the box has no face inside the domain, or there is no neuron. A face nearer to the domain's than the
    share `near` of the domain's width is left out. Where neurons are fewer than faces, some measure the sum of several
    signed distances, which is at most 0 on a wedge around the box: the faces are shared out so that the volume is
    least.
    """
    faces = _faces(box, lower, upper, near)
    if not faces or not neurons:
        return None
    groups = min(neurons, len(faces))
    ways = [
        way for way in product(range(groups), repeat=len(faces)) if list(dict.fromkeys(way)) == list(range(groups))
    ]  # each way once, no group empty
    found = [_measured(faces, way, len(lower)) for way in ways]

    def volume(measured: Distances) -> float:
        return measured.sample(lower, upper, 4000, np.random.default_rng(0))[1]

    return found[0] if len(found) == 1 else min(found, key=volume)


def _measured(faces: list[_Face], way: tuple[int, ...], n_inputs: int) -> Distances:
    """Sums of the faces' signed distances: number g is the sum of the faces with way == g."""
    weight, bias, size = np.zeros((max(way) + 1, n_inputs)), np.zeros(max(way) + 1), np.zeros(max(way) + 1)
    for (i, sign, end, width), g in zip(faces, way):
        scale = sign * 2.0 ** -np.round(np.log2(width))  # a power of two: products are exact
        weight[g, i] += scale
        bias[g] -= scale * end
        size[g] += abs(scale * end)
    several = np.bincount(way) > 1
    bias[several] = single(bias - 2.0**-20 * size)[several]  # each sum is rounded, in float32 at every step
    return Distances(weight, bias)


def _faces(box: Box, lower: np.ndarray, upper: np.ndarray, near: float) -> list[_Face]:
    """The faces of the box that are not near the domain's."""
    faces = []
    for i, (a, b) in enumerate(zip(*box)):
        low, high = -_float32_above(-a), _float32_above(b)
        for sign, end, beyond in ((-1, low, low - lower[i]), (1, high, upper[i] - high)):
            if beyond > near * (upper[i] - lower[i]):
                width = max(high - low, 2.0**-20 * float(upper[i] - lower[i]))
                faces.append(_Face(i, sign, end, width))
    return faces


def _float32_above(value: Fraction) -> float:
    """A float32 value >= an exact one: the nearest, or the one after it."""
    number = np.float32(float(value))
    return float(number if float(number) >= value else np.nextafter(number, np.float32(np.inf)))
