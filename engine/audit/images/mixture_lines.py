"""Lines over a few inputs, and what they are on a box (section 15, "Bounds"), in both arithmetics.

A line of m inputs is m + 1 numbers, its coefficients and then its constant; those of a layer's
neurons are [m + 1, neurons].
"""

from typing import NamedTuple

import numpy as np

from engine.audit.bounds import Numbers
from engine.audit.dyadic import Dyadic


class Lines(NamedTuple):
    """low <= h <= up on a box, of a layer's neurons: lines [m + 1, neurons]."""

    low: Numbers
    up: Numbers


class Box(NamedTuple):
    """The ends of each input on the box, and the larger of their sizes."""

    lower: Numbers
    upper: Numbers
    size: Numbers


class Noise(NamedTuple):
    """What is given up of a value of some size: for rounding alone, or for a network's, too."""

    of_network: Numbers
    of_arithmetic: Numbers
    floor: Numbers

    def of(self, size: Numbers) -> Numbers:
        """N(size), where weights were multiplied with."""
        return size * self.of_network + self.floor

    def loss(self, size: Numbers) -> Numbers:
        """For rounding alone."""
        return size * self.of_arithmetic + self.floor


def _inputs(line: Numbers) -> int:
    """m of lines [m + 1, neurons]."""
    return len(line.numbers if isinstance(line, Dyadic) else line) - 1


def ends(line: Numbers, box: Box, noise: Noise) -> tuple[Numbers, Numbers]:
    """The least and the largest value on the box, or beyond."""
    least = most = line[-1]
    for d in range(_inputs(line)):
        one, other = line[d] * box.lower[d], line[d] * box.upper[d]
        least, most = least + np.minimum(one, other), most + np.maximum(one, other)
    loss = noise.loss(size(line, box))
    return least - loss, most + loss


def size(line: Numbers, box: Box) -> Numbers:
    """|line| of section 15."""
    found = np.abs(line[-1])
    for d in range(_inputs(line)):
        found = found + np.abs(line[d]) * box.size[d]
    return found


def larger(lines: Lines, box: Box) -> Numbers:
    """H of section 15."""
    return np.maximum(size(lines.low, box), size(lines.up, box))


def plus(line: Numbers, constant: Numbers) -> Numbers:
    """Lines with this much more."""
    place = np.zeros((_inputs(line) + 1, 1), dtype=int)
    place[-1] = 1
    return line + constant * place


def wider(lines: Lines, noise: Numbers) -> Lines:
    """Lines with this much more to both sides."""
    return Lines(plus(lines.low, -noise), plus(lines.up, noise))
