"""The tables that lines of Sigmoid and Tanh are made of (docs/certificate-format.md, section 14)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.curves import SCALE, Curve
from engine.curves.enclosure import Enclosure, exponential, of_exponential

STEPS = 256  # places of the tables to a unit
LAST = 32 * STEPS  # the last place on each side
VALUE_BITS, SLOPE_BITS = 40, 30
BITS = 128  # in which all is enclosed


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A curve f at the places i / 256, i from -LAST to LAST: float64 [2 LAST + 1], that of i at i + LAST.

    high, low: the multiples of 2^-40 next to f, above and below; steep: the multiple of 2^-30 nearest to f'; value: a
    float64 number within 2^-53 of f; touch: int64 [LAST + 1], for P from -LAST to 0, at P + LAST, the least
    j >= 0 from which on the tangents of f at j / 256 lie above f at P / 256.
    """

    high: np.ndarray
    low: np.ndarray
    steep: np.ndarray
    value: np.ndarray
    touch: np.ndarray


@cache
def tables(curve: Curve) -> Tables:
    """The tables of a curve, made at first use (about 50 ms)."""
    values, slopes = _enclosed(curve)
    k, unit = SCALE[curve], 1 << VALUE_BITS
    high = np.array([_decided(-(-low >> _FINE), -(-high >> _FINE)) for low, high in values], np.int64)
    low = np.array([_decided(low >> _FINE, high >> _FINE) for low, high in values], np.int64)
    half = 1 << (BITS - SLOPE_BITS - 1)
    steep = np.array([_decided(*((end + half) >> (BITS - SLOPE_BITS) for end in each)) for each in slopes], np.int64)
    value = np.array([low / 2**BITS for low, _ in values])
    whole = (2 - k) * unit
    return Tables(
        high=_mirrored(whole - low, high) / unit,
        low=_mirrored(whole - high, low) / unit,
        steep=_mirrored(steep, steep) / 2**SLOPE_BITS,
        value=_mirrored((2 - k) - value, value),
        touch=np.array(list(_touching(values, slopes, k))[::-1], np.int64),
    )


_FINE = BITS - VALUE_BITS


def _mirrored(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """An array of all places: `left` [LAST + 1] has those of -i, `right` those of i, i from 0 on."""
    return np.concatenate([left[:0:-1], right])


def _enclosed(curve: Curve) -> tuple[list[Enclosure], list[Enclosure]]:
    """f and f' at i / 256, i from 0 to LAST, in units of 2^-BITS."""
    k, one = SCALE[curve], 1 << BITS
    low, high = exponential((k << BITS) // STEPS, BITS)
    power = one, one  # e^(-k i / 256)
    values, slopes = [], []
    for _ in range(LAST + 1):
        a, b = of_exponential(power, BITS)
        values.append((k * a - (k - 1) * one, k * b - (k - 1) * one))
        # s (1 - s) falls from s = 1/2 on
        slopes.append((k * k * b * (one - b) >> BITS, -(-k * k * a * (one - a) >> BITS)))
        power = power[0] * low >> BITS, -(-power[1] * high >> BITS)
    return values, slopes


def _touching(values: list[Enclosure], slopes: list[Enclosure], k: int) -> Iterator[int]:
    """touch(-n) for n from 0 to LAST: it never falls, as f'(j) > f'(-n) where the tangent at j meets f at -n."""
    one = 1 << BITS
    j = 0
    for n in range(LAST + 1):
        least, most = (2 - k) * one - values[n][1], (2 - k) * one - values[n][0]  # f(-n / 256)

        def above(i: int, n: int = n, least: int = least, most: int = most) -> bool:
            """Says whether f'(i) (i + n) <= 256 (f(i) - f(-n)), of places i and -n."""
            gap, tangent = values[i], slopes[i]
            surely = tangent[1] * (i + n) <= STEPS * (gap[0] - most)
            _decided(surely, tangent[0] * (i + n) <= STEPS * (gap[1] - least))
            return surely

        while not above(j):
            j += 1
        yield j


def _decided(low: int, high: int) -> int:
    """What both ends of an enclosure give. ArithmeticError where they differ: it is too wide to tell."""
    if low != high:
        raise ArithmeticError("BITS are too few")
    return low
