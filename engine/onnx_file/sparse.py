"""Matrices that are mostly zeros by construction, held as the numbers that are somewhere in them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from engine.errors import InputError
from engine.network import Matrix
from engine.onnx_file.constant import LITERAL, Constant

MAX_NUMBERS = 1 << 24  # of one matrix, and of all of a network, each row counted as one
MAX_ROWS = 1 << 16
SMALL = 1 << 16  # numbers of a matrix that is written out with its zeros
SHARE = 0.25  # of numbers that are no such zeros, from which on it is written out: they are stored with their places


@dataclass(frozen=True, eq=False)
class Sparse:
    """The matrix of this shape with numbers[i] at (row[i], column[i]), no two at one place; all else is zeros.

    numbers: [n], each of which may stand somewhere in the file, as the zeros do not. InputError beyond the limits.
    """

    row: np.ndarray
    column: np.ndarray
    numbers: Constant
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        demand_rows(self.shape[0])
        demand_numbers(len(self.row), self.shape[0])

    @property
    def room(self) -> int:
        """What it takes of MAX_NUMBERS."""
        return len(self.row) + self.shape[0]

    def scaled(self, factor: float) -> "Sparse":
        """Returns factor * self, exactly. InputError where float64 does not hold it."""
        return replace(self, numbers=self.numbers.scaled(factor))

    @property
    def is_small(self) -> bool:
        """True where it is held with all its zeros."""
        size = self.shape[0] * self.shape[1]
        return size <= SMALL or len(self.row) >= SHARE * size

    @cached_property
    def matrix(self) -> Matrix:
        """Its numbers but zeros, as rows."""
        from scipy.sparse import csr_array

        values, row, column = self.numbers.values, self.row, self.column
        if not values.all():
            held = values != 0
            values, row, column = values[held], row[held], column[held]
        return csr_array((values.astype(np.float64, copy=False), (row, column)), shape=self.shape)

    def written_out(self) -> Constant:
        """Returns it with all its zeros, which stand nowhere in the file."""
        index = self.numbers.index
        if index is not None:
            index = self._filled(np.full(self.shape, LITERAL, np.int32), index)
        return replace(self.numbers, values=self._filled(np.zeros(self.shape), self.numbers.values), index=index)

    def _filled(self, matrix: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        matrix[self.row, self.column] = numbers
        return matrix


def demand_rows(count: int) -> None:
    """Raises InputError where a matrix has too many rows."""
    if count > MAX_ROWS:
        what = f"as a matrix it has {count:,} rows, and at most {MAX_ROWS:,} are supported"
        raise InputError(what, advice="use a smaller network")


def demand_numbers(count: int, rows: int) -> None:
    """Raises InputError where a matrix of so many rows has too many numbers."""
    if count + rows > MAX_NUMBERS:
        what = f"as a matrix it has {count:,} numbers in {rows:,} rows, more than {MAX_NUMBERS:,} in all"
        raise InputError(what, advice="use a smaller network")


def selection(places: np.ndarray, size: int, kind: int) -> Sparse:
    """Returns the rows over `size` elements that take those at these places [out]; at -1 a row of zeros."""
    demand_rows(len(places))
    row = np.flatnonzero(places >= 0)
    return Sparse(row, places[row], Constant(np.ones(len(row)), kind), (len(places), size))


def diagonal(factors: Constant) -> Sparse:
    """Returns the matrix with these factors [n] on its diagonal."""
    places = np.arange(len(factors.values))
    return Sparse(places, places, factors, (len(places), len(places)))
