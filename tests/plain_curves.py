"""Section 14 of docs/certificate-format.md, in plain fractions: its tables from decimals of 60 digits."""

import math
from decimal import Decimal, getcontext
from fractions import Fraction
from functools import cache

import curve_models

getcontext().prec = curve_models.DIGITS
LAST = 8192
ZERO = Fraction(0)


@cache
def high(curve: str, i: int) -> Fraction:
    i = max(-LAST, min(LAST, i))
    if i == 0:
        return (2 - Fraction(2 if curve == "tanh" else 1)) / 2
    return Fraction(math.ceil(curve_models.exact(curve, Fraction(i, 256)) * 2**40), 2**40)


def low(curve: str, i: int) -> Fraction:
    return twice_middle(curve) - high(curve, -i)


def twice_middle(curve: str) -> int:
    return {"sigmoid": 1, "tanh": 0}[curve]


@cache
def steep(curve: str, i: int) -> Fraction:
    return Fraction(round(curve_models.slope(curve, Fraction(i, 256)) * 2**30), 2**30)


@cache
def touch(curve: str, place: int) -> int:
    if place >= 0:
        return 0
    p = curve_models.exact(curve, Fraction(place, 256))
    below, above = -1, LAST
    while above - below > 1:
        j = (below + above) // 2
        rise = curve_models.slope(curve, Fraction(j, 256)) * Decimal(j - place) / 256
        below, above = (below, j) if rise <= curve_models.exact(curve, Fraction(j, 256)) - p else (j, above)
    return above


def upper(curve: str, first: int, last: int) -> tuple[Fraction, Fraction]:
    p, q = Fraction(first, 256), Fraction(last, 256)
    if first < -LAST or last > LAST:
        return ZERO, high(curve, last)
    j = max((first + last) // 2, touch(curve, first))
    if j <= last:
        c = steep(curve, j)
        return c, high(curve, j) - c * Fraction(j, 256) + max(q - Fraction(j, 256), Fraction(j, 256) - p) / 2**31
    c = ZERO
    if first != last:
        chord = float((high(curve, last) - high(curve, first)) / (q - p))
        c = Fraction(round(Fraction(chord) * 2**30), 2**30)
    return c, max(high(curve, first) - c * p, high(curve, last) - c * q)


def line(curve: str, l: Fraction, u: Fraction) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """(a, c, t, r): a z + r <= f(z) <= c z + t."""
    first, last = math.floor(256 * l), math.ceil(256 * u)
    (c, t), (a, other) = upper(curve, first, last), upper(curve, -last, -first)
    return a, c, t, twice_middle(curve) - other


def ends(curve: str, l: Fraction, u: Fraction) -> tuple[Fraction, Fraction]:
    return low(curve, math.floor(256 * l)), high(curve, math.ceil(256 * u))
