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
    p, q = steps(l, u)
    c, t = upper(tables, p, q)
    a, above = upper(tables, -q, -p)  # f(-z) = 2 f(0) - f(z)
    low, high = tables.low(p), tables.high(q)
    size = np.maximum(np.abs(low), np.abs(high))
    return CurveLines(a, tables.curve.ends - above, c, t, size)


def steps(l: Singles, u: Singles) -> tuple[Floats, Floats]:
    """P = floor(256 l) and Q = ceil(256 u), exactly."""
    return np.floor(256 * l.astype(np.float64)), np.ceil(256 * u.astype(np.float64))


def upper(tables: Tables, p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """(c, t) = upper(P, Q) of section 14, of whole numbers: f(z) <= c z + t, P <= 256 z <= Q.

    It is what the format says, exactly, which float64 can hold: within the tables c J / 256 and
    c P / 256 are multiples of 2^-38 up to 32, high is one of 2^-40 up to 1, and what is added to
    the tangent, for the rounding of c, one of 2^-39 up to 2^-24. So all sums are multiples of 2^-40
    below 2^7. A chord's slope is one difference of these, divided and rounded once, as the format
    has it, and then rounded to 30 bits. (Multiplied by a power of two nothing is rounded.)
    """
    inside = (p >= -LAST) & (q <= LAST)
    middle = np.maximum(np.floor((p + q) / 2), tables.touch(p))
    c, t = _chord(tables, p, q)
    is_tangent = middle <= q
    slope, offset = _tangent(tables, p, q, middle)
    c, t = np.where(is_tangent, slope, c), np.where(is_tangent, offset, t)
    known = inside | np.isnan(p) | np.isnan(q)
    return np.where(known, c, 0.0), np.where(known, t, tables.high(q))


def _tangent(tables: Tables, p: Floats, q: Floats, at: Floats) -> tuple[Floats, Floats]:
    """The tangent at `at`, but for the rounding of its slope, which the offset makes up for."""
    c = tables.steep(at)
    return c, tables.high(at) - c * at / 256 + 2.0**-39 * np.maximum(q - at, at - p)


def _chord(tables: Tables, p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """The line of nearly the chord's slope, above both of its ends."""
    low, high = tables.high(p), tables.high(q)
    width = np.where(p == q, 1, q - p) / 256  # where p = q the slope is 0
    c = np.rint((high - low) / width * 2.0**30) * 2.0**-30
    return c, np.maximum(low - c * p / 256, high - c * q / 256)
