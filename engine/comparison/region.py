"""A property's case in floating point: its box, points of it, and the scores that are unsafe there.

Points lie in the exact box; whether scores are unsafe is said in floating point, which at distances of a few
units in the last place may be wrong: a guide and a statistic, not a proof. Ties are those of the property:
a row `< 0` does not hold at 0, a row `<= 0` does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.exact import floats_inside
from engine.property import Case, Polytope, Vector

FACES = 0.4  # share of a box's samples' inputs that lie at an end: networks are worst there


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One unsafe polytope: inputs . x + outputs . y + constants <= 0 in every row, < 0 where strict.

    inputs [rows, n], outputs [rows, m], constants [rows], strict [rows].
    """

    inputs: np.ndarray
    outputs: np.ndarray
    constants: np.ndarray
    strict: np.ndarray

    def __len__(self) -> int:
        return len(self.constants)

    def values(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Every row's left side at points x [n, inputs] with scores y [n, outputs]: [n, rows].

        Scores are multiplied in their own precision.
        """
        value = y @ self.outputs.astype(y.dtype).T + self.constants
        return np.asarray(value + x @ self.inputs.T if self.inputs.any() else value)

    def hold(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """True for points where all rows hold: bool [n]."""
        value = self.values(x, y)
        return np.asarray(np.where(self.strict, value < 0, value <= 0).all(1))


@dataclass(frozen=True, slots=True, eq=False)
class Unsafe:
    """A union of unsafe polytopes."""

    polytopes: tuple[Rows, ...]

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The distances of points from unsafe, [n]: the least over polytopes of the largest row.

        Above 0 safe, below 0 unsafe; at 0 unsafe where the rows at 0 are not strict: `contains` knows. It is inf
        without polytopes, -inf in one without rows.
        """
        found = [rows.values(x, y).max(1, initial=-np.inf) for rows in self.polytopes]
        return np.asarray(np.min([np.full(len(x), np.inf), *found], axis=0))

    def contains(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """True for points that are unsafe: bool [n]."""
        return np.asarray(np.any([np.zeros(len(x), bool), *(rows.hold(x, y) for rows in self.polytopes)], axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A box and what is unsafe on it.

    property_index: of its property among those of a task; target: True iff that is to be repaired.
    lower, upper: float64 [inputs], the nearest to the box's ends; low, high: the first and last float32 values in the
    exact box, low > high where there is none.
    """

    property_index: int
    target: bool
    lower: np.ndarray
    upper: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unsafe: Unsafe

    @property
    def wide(self) -> bool:
        """True iff it is more than a point."""
        return bool((self.lower < self.upper).any())

    def holds(self, x: np.ndarray) -> np.ndarray:
        """True for points that lie in the box: bool [n]."""
        return np.asarray(((self.lower <= x) & (x <= self.upper)).all(1))

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Float32 points of the exact box, the nearest to x [n, inputs]; no point where the box holds none."""
        return np.clip(x.astype(np.float32), self.low, self.high)[: len(x) if (self.low <= self.high).all() else 0]


def region_of(case: Case, n_outputs: int, *, property_index: int = 0, target: bool = True) -> Region:
    """A case of a property with so many outputs, in floating point."""
    low, high = floats_inside(case.lower, case.upper)
    return Region(
        property_index, target, floats(case.lower), floats(case.upper), low, high, unsafe_set(case, n_outputs)
    )


def unsafe_set(case: Case, n_outputs: int) -> Unsafe:
    """The unsafe polytopes on the case's box."""
    return Unsafe(tuple(_rows(polytope, len(case.lower), n_outputs) for polytope in case.unsafe))


def _rows(polytope: Polytope, n_inputs: int, n_outputs: int) -> Rows:
    rows = polytope.rows
    return Rows(
        _matrix([row.inputs for row in rows], n_inputs),
        _matrix([row.outputs for row in rows], n_outputs),
        floats([row.constant for row in rows]),
        np.array([row.strict for row in rows], bool),
    )


def _matrix(vectors: list[Vector], width: int) -> np.ndarray:
    return np.array([floats(vector) for vector in vectors]).reshape(len(vectors), width)


def floats(vector: Iterable[Fraction | float]) -> np.ndarray:
    """The nearest float64 numbers."""
    return np.array([float(v) for v in vector])


def in_box(region: Region, random: np.random.Generator, n: int, *, faces: float = FACES) -> np.ndarray:
    """n random float32 points of a region's box, each input at an end with probability `faces`: [n, inputs].

    Where an end is no float32 value, the nearest ones inside; no point where the box holds none.
    """
    fraction = ((random.random((n, len(region.lower))) - 0.5) / (1 - faces) + 0.5).clip(0, 1)
    return region.nearest(region.lower + (region.upper - region.lower) * fraction)
