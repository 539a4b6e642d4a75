"""The points on which two networks are measured: random ones of a box, or a regular grid of it.

Points come in chunks that do not depend on each other, so that threads can share them.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

MAX_GRID = 30**5  # points of a regular grid
CHUNK = 1 << 12  # points drawn and evaluated at once; which points are drawn depends on it


class PointSource(Protocol):
    """Points in so many chunks; without chunks there is none, and chunk 0 is empty."""

    chunks: int

    def chunk(self, i: int) -> np.ndarray:
        """Points [n, inputs] in float64, at most CHUNK."""


class Uniform:
    """Random points of the box [lower, upper], float64 [inputs]: the same for the same seed."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray, points: int, seed: Sequence[int]):
        self._lower, self._upper, self._points, self._seed = lower, upper, points, seed
        self.chunks = -(-points // CHUNK)

    def chunk(self, i: int) -> np.ndarray:
        random = np.random.default_rng([*self._seed, i])
        return random.uniform(self._lower, self._upper, (min(CHUNK, self._points - i * CHUNK), len(self._lower)))


class Grid:
    """The regular grid with `size` points along each input, ends included; none where size is 0."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray, size: int):
        self._lower, self._upper, self._size = lower, upper, size
        self.chunks = -(-(size ** len(lower)) // CHUNK)

    def chunk(self, i: int) -> np.ndarray:
        inputs = len(self._lower)
        index = np.arange(i * CHUNK, min((i + 1) * CHUNK, self._size**inputs))
        places = np.stack(np.unravel_index(index, (max(self._size, 1),) * inputs), 1)
        return np.asarray(self._lower + (self._upper - self._lower) * places / max(self._size - 1, 1))


def points_along(grid: int, inputs: int) -> int:
    """As many points along each input as asked for, and fewer where that makes more than MAX_GRID in all."""
    return min(grid, max(1, int(MAX_GRID ** (1 / inputs) + 1e-9)))
