"""Matrices of which few numbers are not 0: layers of windows, selections and diagonals."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

Array: TypeAlias = npt.NDArray[Any]
Integers: TypeAlias = npt.NDArray[np.integer[Any]]

KEEP_ZEROS = np.absolute, np.negative, np.left_shift, np.maximum, np.minimum
WORDS = 3  # in which each number is held, with its row and its column
PRODUCTS = 2**18  # of Python's integers at once


@dataclass(frozen=True, eq=False)
class Sparse(NDArrayOperatorsMixin):
    """A matrix that is numbers[i] at [row[i], column[i]], each place once, and 0 elsewhere.

    numbers: of float64, or Python's integers. numpy computes with it as with an array: products
    with vectors, and with rows to its left; functions of its numbers that make 0 of 0; `W[rows]`
    and `W[:, columns]`, which are Sparse; `W.T`; and np.asarray(W), which has all its zeros.
    """

    shape: tuple[int, int]
    row: Integers
    column: Integers
    numbers: Array

    @property
    def T(self) -> "Sparse":  # noqa: N802 (numpy's name)
        """Rows as columns."""
        return Sparse(self.shape[::-1], self.column, self.row, self.numbers)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        full = np.zeros(self.shape, self.numbers.dtype)
        full[self.row, self.column] = self.numbers
        return full if dtype is None else full.astype(dtype)

    # --- parts ------------------------------------------------------------------------------------

    def __getitem__(self, key: Integers | tuple[slice, Integers]) -> "Sparse":
        """These rows, in this order; or of all rows these columns."""
        if isinstance(key, tuple):
            return self.T[key[1]].T
        row, at = self._of_rows(key)
        return Sparse((len(key), self.shape[1]), row, self.column[at], self.numbers[at])

    def _of_rows(self, rows: Integers) -> tuple[Integers, Integers]:
        """(i, at) of all numbers of the i-th of these rows, which stand at `at`."""
        order, begin = self._by_row
        count = begin[rows + 1] - begin[rows]
        place = np.repeat(np.arange(len(rows)), count)
        first = np.repeat(begin[rows] - np.cumsum(count) + count, count)
        return place, order[np.arange(len(place)) + first]

    @cached_property
    def _by_row(self) -> tuple[Integers, Integers]:
        """The numbers in the order of their rows, and where each row begins among them."""
        order = np.argsort(self.row, kind="stable")
        return order, np.searchsorted(self.row, np.arange(self.shape[0] + 1), sorter=order)

    # --- numpy's functions ------------------------------------------------------------------------

    def __array_ufunc__(
        self,
        ufunc: np.ufunc,
        method: Literal["__call__", "reduce", "reduceat", "accumulate", "outer", "at"],
        *inputs: Any,
        **options: Any,
    ) -> Any:
        """numpy asks here for ufunc(*inputs), one of which is a Sparse."""
        others = [each for each in inputs if each is not self]
        known = all(isinstance(each, int | np.ndarray) for each in others) and len(others) < 2
        if method != "__call__" or options or not known:
            return NotImplemented
        if ufunc is np.matmul:
            left, right = inputs
            return self._times(right) if left is self else self._times_rows(left)
        is_kept = ufunc is np.left_shift or not np.any(others)
        if ufunc not in KEEP_ZEROS or inputs[0] is not self or not is_kept:
            return NotImplemented
        return replace(self, numbers=ufunc(self.numbers, *others))

    def _times_rows(self, rows: Array) -> Array:
        """A W, of A [.., rows]; of Python's integers A [m, rows]."""
        found = np.zeros((*rows.shape[:-1], self.shape[1]), np.result_type(self.numbers, rows))
        step = max(1, PRODUCTS // max(1, len(self.numbers)))
        if found.dtype == object:
            for i in range(0, len(rows), step):
                self._add_products(rows[i : i + step], found[i : i + step])
            return found
        turned = self.T
        for at in np.ndindex(rows.shape[:-1]):
            found[at] = turned._times(rows[at])
        return found

    def _add_products(self, rows: Array, found: Array) -> None:
        """Adds rows @ W to what is found, of Python's integers [m, rows] that are mostly 0."""
        i, row = np.nonzero(rows)
        place, at = self._of_rows(row)
        products = rows[i, row][place] * self.numbers[at]
        np.add.at(found, (i[place], self.column[at]), products)

    def _times(self, h: Array) -> Array:
        """W h, of a vector."""
        if self.numbers.dtype != object and h.dtype != object:
            sums = np.bincount(self.row, self.numbers * h[self.column], self.shape[0])
            return sums.astype(np.float64)  # of no numbers they are integers
        used = np.flatnonzero(h.astype(bool)[self.column])  # the rest is slow for nothing
        total = np.zeros(self.shape[0], dtype=object)
        np.add.at(total, self.row[used], self.numbers[used] * h[self.column[used]])
        return total


#: Of float64 numbers, all of them held or only those that are not 0.
Matrix: TypeAlias = "npt.NDArray[np.float64] | Sparse"


def selection(places: Integers, size: int) -> Sparse:
    """Rows over so many elements, each with a 1 at its place; where that is -1, of zeros."""
    row = np.flatnonzero(places >= 0)
    return Sparse((len(places), size), row, places[row], np.ones(len(row)))


def diagonal(factors: npt.NDArray[np.float64]) -> Sparse:
    """The square matrix with these numbers in its diagonal."""
    size, row = len(factors), np.flatnonzero(factors)
    return Sparse((size, size), row, row, factors[row])


def stacked(parts: list[Sparse]) -> Sparse:
    """These matrices of as many columns, one below the other."""
    begin = np.cumsum([0, *(part.shape[0] for part in parts)])
    row = [part.row + first for part, first in zip(parts, begin[:-1], strict=True)]
    return Sparse(
        (int(begin[-1]), parts[0].shape[1]),
        np.concatenate(row),
        np.concatenate([part.column for part in parts]),
        np.concatenate([part.numbers for part in parts]),
    )


def side_by_side(one: Matrix, other: Matrix) -> Matrix:
    """Two matrices as one that has them on its diagonal, and zeros."""
    if not (isinstance(one, Sparse) and isinstance(other, Sparse)):
        one, other = np.asarray(one), np.asarray(other)
        right = np.zeros((len(one), other.shape[1]))
        return np.block([[one, right], [np.zeros((len(other), one.shape[1])), other]])
    columns = one.shape[1] + other.shape[1]
    behind = replace(other, shape=(other.shape[0], columns), column=other.column + one.shape[1])
    return stacked([replace(one, shape=(one.shape[0], columns)), behind])


def below_each_other(one: Matrix, other: Matrix) -> Matrix:
    """Two matrices of as many columns as one."""
    if isinstance(one, Sparse) and isinstance(other, Sparse):
        return stacked([one, other])
    return np.block([[np.asarray(one)], [np.asarray(other)]])


def unlike(one: Matrix, other: Matrix) -> Matrix:
    """The numbers of one where those of the other, of its shape, are not the same; 0 elsewhere."""
    if not (isinstance(one, Sparse) and isinstance(other, Sparse)):
        one, other = np.asarray(one), np.asarray(other)
        return np.where(one != other, one, 0)
    places = [each.row * one.shape[1] + each.column for each in (one, other)]
    order = np.argsort(places[1])
    there = np.append(places[1][order], -1)
    at = np.searchsorted(there[:-1], places[0])
    numbers = np.append(other.numbers[order], 0)[at]
    differs = (there[at] != places[0]) | (numbers != one.numbers)
    return Sparse(one.shape, one.row[differs], one.column[differs], one.numbers[differs])


def each(function: Callable[[Array], Array], matrix: Matrix) -> Matrix:
    """The matrix of function(number), where function(0) = 0."""
    if isinstance(matrix, Sparse):
        return replace(matrix, numbers=function(matrix.numbers))
    return function(matrix)


def held(matrix: Matrix) -> Array:
    """The numbers that are held, in any order: all that are not 0."""
    return matrix.numbers if isinstance(matrix, Sparse) else matrix


def words(matrix: Matrix) -> int:
    """The size of what is held, in numbers of 8 bytes."""
    return WORDS * len(matrix.numbers) if isinstance(matrix, Sparse) else matrix.size
