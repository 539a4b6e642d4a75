"""Arrays of numbers / 2^bits, with which numpy computes without rounding (section 6)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from engine.audit.data import Objects, Singles, Truths
from engine.audit.lines import down
from engine.audit.sparse import Sparse

PRODUCTS = np.multiply, np.matmul
SUMS = np.add, np.subtract, np.negative, np.absolute, np.maximum, np.minimum
BEYOND = 200  # from 2^200 on `down` is infinite in any case


class Dyadic(NDArrayOperatorsMixin):
    """An array of numbers / 2^bits: numpy's PRODUCTS and SUMS of it are exact.

    numbers: an array of Python's integers, never numpy's own, which would overflow. It may be a
    Sparse, which has products and few of the others.
    """

    def __init__(self, numbers: Objects | Sparse | Sequence[int] | int, bits: int) -> None:
        is_sparse = isinstance(numbers, Sparse)
        self.numbers: Any = numbers if is_sparse else np.atleast_1d(np.asarray(numbers, object))
        self.bits = bits

    @classmethod
    def of(cls, values: npt.ArrayLike | Sparse) -> "Dyadic":
        """Floating-point numbers, integers or truth values, exactly."""
        if isinstance(values, Sparse):
            different, place = np.unique(values.numbers, return_inverse=True)  # often few
            found = cls.of(different)
            return cls(replace(values, numbers=found.numbers[place]), found.bits)
        ratios = [value.as_integer_ratio() for value in np.ravel(values).tolist()]
        scale = max((denominator for _, denominator in ratios), default=1)
        numbers = np.array([number * (scale // part) for number, part in ratios], dtype=object)
        return cls(numbers.reshape(np.shape(values)), scale.bit_length() - 1)

    def __getitem__(self, key: Any) -> "Dyadic":
        return Dyadic(self.numbers[key], self.bits)

    @property
    def full(self) -> "Dyadic":
        """The same numbers, no Sparse: with all zeros."""
        return Dyadic(np.asarray(self.numbers), self.bits)

    def __array_ufunc__(
        self,
        ufunc: np.ufunc,
        method: Literal["__call__", "reduce", "reduceat", "accumulate", "outer", "at"],
        *inputs: Any,
        **options: Any,
    ) -> Any:
        """numpy asks here for ufunc(*inputs), one of which is a Dyadic."""
        if method != "__call__" or ufunc not in PRODUCTS + SUMS or options:
            return NotImplemented
        operands = [each if isinstance(each, Dyadic) else Dyadic.of(each) for each in inputs]
        if ufunc in PRODUCTS:
            bits = sum(each.bits for each in operands)
            return Dyadic(ufunc(*(each.numbers for each in operands)), bits)
        bits = max(each.bits for each in operands)
        return Dyadic(ufunc(*(each.numbers << bits - each.bits for each in operands)), bits)

    def __lt__(self, integer: float) -> Truths:
        """Less than a whole number."""
        less: Truths = self.numbers >> self.bits < integer
        return less

    def down(self) -> Singles:
        """`down` of the nearest float64 numbers (so divides Python)."""
        limit = 1 << self.bits + BEYOND
        return down((np.clip(self.numbers, -limit, limit) / (1 << self.bits)).astype(np.float64))
