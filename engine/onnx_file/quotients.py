"""Factors of a layer that float64 need not hold: the nearest float64 numbers, and whether all are exact."""

from collections.abc import Iterable
from fractions import Fraction
from math import isqrt

import numpy as np

from engine.errors import InputError

_LEAST = 2.0**-1022  # below it a nearest number may be off by more than 2^-53 of itself


def reciprocals(divisors: np.ndarray) -> tuple[np.ndarray, bool]:
    """Returns 1 / divisors, and whether all are exact. InputError for zeros and beyond the range of float64."""
    if not divisors.all():
        raise InputError("it divides by zero", advice="check how the network was exported")
    exact = [1 / Fraction(float(value)) for value in divisors.ravel()]
    numbers, same = _nearest((value, value) for value in exact)
    return numbers.reshape(divisors.shape), same


def normalizing(scale: np.ndarray, variance: np.ndarray, epsilon: float) -> tuple[np.ndarray, bool]:
    """Returns scale / sqrt(variance + epsilon), entry by entry, and whether all are exact. InputError as above."""
    exact = [Fraction(float(value)) + Fraction(epsilon) for value in variance.ravel()]
    if min(exact) <= 0:
        raise InputError("a variance plus epsilon is not positive", advice="train or export the network again")
    squares = (Fraction(float(s)) ** 2 / v for s, v in zip(scale.ravel(), exact))
    numbers, same = _nearest(map(_root, squares))
    return np.sign(scale) * numbers.reshape(scale.shape), same


def _nearest(values: Iterable[tuple[Fraction, Fraction | None]]) -> tuple[np.ndarray, bool]:
    """Returns the nearest float64 numbers, and whether all are exact.

    values: pairs of a number with the same nearest float64 as the exact one, and the exact one, None if irrational.
    """
    numbers, same = [], True
    for value, exact in values:
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        held = np.isfinite(number) and Fraction(number) == exact
        if not held and not _LEAST <= abs(number) < np.inf:
            raise InputError("a factor is beyond the range of float64", advice="fold it into the weights")
        numbers.append(number)
        same = same and held
    return np.array(numbers), same


def _root(square: Fraction) -> tuple[Fraction, Fraction | None]:
    """Returns the root of a number >= 0 after 60 bits or more, and the exact root, None if it is irrational.

    One bit more marks a root that was cut off. So it lies on the same side as the root of every number of at most
    54 bits, where rounding to float64 changes.
    """
    bits = max(0, 60 + (square.denominator.bit_length() - square.numerator.bit_length()) // 2 + 1)
    scaled = square.numerator << 2 * bits
    whole = isqrt(scaled // square.denominator)
    exact = whole**2 * square.denominator == scaled
    root = Fraction(2 * whole + (not exact), 2 << bits)
    return root, root if exact else None
