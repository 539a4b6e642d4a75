"""Exact decimals as text, and the nearest binary floating-point numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from engine.errors import InputError

MAX_LENGTH = 1200  # characters: enough for every float64 number, exactly
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_LEAST = 2.0**-1022  # below it the nearest number may be off by more than 2^-53 of itself
_SHOWN = 40  # characters of what is no number


@dataclass(frozen=True, slots=True, eq=False)
class Decimals:
    """Exact numbers, each as the nearest float64 number (ties to even): off by at most 2^-53 of either of the two.

    values: float64, at least 2^-1022 in size where they are not exact; sides: int8, the signs of exact - values.
    """

    values: np.ndarray
    sides: np.ndarray

    @property
    def exact(self) -> bool:
        """True where the values are the numbers themselves."""
        return not self.sides.any()

    def singles(self) -> np.ndarray:
        """The nearest float32 numbers to the exact ones, by a single rounding; infinite beyond the range of float32.

        Rounding `values` is enough, unless these lie half-way between two float32 numbers and are not exact.
        """
        with np.errstate(over="ignore"):
            single = self.values.astype(np.float32)
            other = np.nextafter(single, np.where(self.values > single, np.inf, -np.inf).astype(np.float32))
        near, far = single.astype(np.float64), other.astype(np.float64)
        halfway = (self.sides != 0) & (np.abs(self.values - near) == np.abs(far - self.values))
        beyond = np.where(self.sides > 0, np.maximum(single, other), np.minimum(single, other))
        return np.where(halfway, beyond, single)


def decimals(texts: Sequence[str]) -> Decimals:
    """The numbers that the texts are. InputError where one is none, or has no such float64 number."""
    return _nearest([_ratio(text) for text in texts])


def fraction(text: str) -> Fraction:
    """The number that a text is, exactly. InputError where it is none."""
    return Fraction(*_ratio(text))


def nearest(values: Sequence[Fraction]) -> Decimals:
    """The float64 numbers nearest to these. InputError where there is none within 2^-53."""
    return _nearest([value.as_integer_ratio() for value in values])


def exact_text(value: float) -> str:
    """A decimal text of just this number, with all its digits. There is one zero."""
    return f"{Decimal(value + 0.0):e}"


def _ratio(text: str) -> tuple[int, int]:
    """A decimal as numerator and positive denominator."""
    if len(text) > MAX_LENGTH or not _DECIMAL.fullmatch(text):
        shown = repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...") if text else "nothing"
        raise InputError(f"{shown} stands where a decimal number is needed", advice="check how the file was written")
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, behind = mantissa.partition(".")
    digits, power = int(whole + behind), int(exponent or 0) - len(behind)
    return (digits * 10**power, 1) if power >= 0 else (digits, 10**-power)


def _nearest(ratios: Sequence[tuple[int, int]]) -> Decimals:
    pairs = [_nearest_one(*ratio) for ratio in ratios]
    values, sides = [value for value, _ in pairs], [side for _, side in pairs]
    return Decimals(np.array(values, np.float64), np.array(sides, np.int8))


def _nearest_one(numerator: int, denominator: int) -> tuple[float, int]:
    """The nearest float64 number, and the sign of exact - nearest. Python divides integers with one rounding."""
    try:
        value = numerator / denominator
    except OverflowError:
        raise InputError("a number is beyond the range of float64", advice="check how the file was written") from None
    above, below = value.as_integer_ratio()
    rest = numerator * below - above * denominator
    if rest and abs(value) < _LEAST:
        raise InputError("a number is too small for float64", advice="write 0 for it")
    return value, (rest > 0) - (rest < 0)
