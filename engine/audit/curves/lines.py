"""Lines above and below a curve, from its tables (section 14)."""

from typing import NamedTuple

import numpy as np

from engine.audit.curves.tables import LAST, Tables
from engine.audit.data import Floats, Singles


class CurveLines(NamedTuple):
    """a z + r <= f(z) <= c z + t and |f(z)| <= size where l <= z <= u.

    a and c are in 0..1 and multiples of 2^-30; r and t are multiples of 2^-40, of a size below 2^7.
    """

    a: Floats
    r: Floats
    c: Floats
    t: Floats
    size: Floats


def curve_lines(tables: Tables, l: Singles, u: Singles) -> CurveLines:
    """Section 14, "Bounds": the lines and H of neurons; NaN where an end is NaN."""
    first, last = steps(l, u)
    c, t = upper(tables, first, last)
    a, above = upper(tables, -last, -first)  # f(-z) = 2 f(0) - f(z)
    low, high = tables.low(first), tables.high(last)
    size = np.maximum(np.abs(low), np.abs(high))
    return CurveLines(a, tables.curve.ends - above, c, t, size)


def steps(l: Singles, u: Singles) -> tuple[Floats, Floats]:
    """P = floor(256 l) and Q = ceil(256 u), exactly."""
    return np.floor(256 * l.astype(np.float64)), np.ceil(256 * u.astype(np.float64))


def upper(tables: Tables, first: Floats, last: Floats) -> tuple[Floats, Floats]:
    """(c, t) = upper(P, Q) of section 14: f(z) <= c z + t where P <= 256 z <= Q.

    P and Q, first and last, are whole numbers, or NaN. Nothing is rounded but what the format says:
    c J / 256, c P / 256 and c Q / 256 are multiples of 2^-38 up to 32, high is one of 2^-40 up to
    1, and what is added to the tangent, for the rounding of c, is one of 2^-39 up to 2^-24. So all
    sums are multiples of 2^-40 below 2^7, which float64 holds. A chord's slope is an exact
    difference, divided and rounded once, and then rounded to 30 bits. Where P > Q the
    lines are of an empty set.
    """
    inside = (first >= -LAST) & (last <= LAST)
    middle = np.maximum(np.floor((first + last) / 2), tables.touch(first))
    c, t = _chord(tables, first, last)
    is_tangent = middle <= last
    slope, offset = _tangent(tables, first, last, middle)
    c, t = np.where(is_tangent, slope, c), np.where(is_tangent, offset, t)
    known = inside | np.isnan(first) | np.isnan(last)
    return np.where(known, c, 0.0), np.where(known, t, tables.high(last))


def _tangent(tables: Tables, first: Floats, last: Floats, at: Floats) -> tuple[Floats, Floats]:
    """The tangent at `at`, but for the rounding of its slope, which the offset makes up for."""
    c = tables.steep(at)
    return c, tables.high(at) - c * at / 256 + 2.0**-39 * np.maximum(last - at, at - first)


def _chord(tables: Tables, first: Floats, last: Floats) -> tuple[Floats, Floats]:
    """The line of nearly the chord's slope, above both of its ends."""
    low, high = tables.high(first), tables.high(last)
    width = np.where(first == last, 1, last - first) / 256  # where first = last the slope is 0
    c = np.rint((high - low) / width * 2.0**30) * 2.0**-30
    return c, np.maximum(low - c * first / 256, high - c * last / 256)
