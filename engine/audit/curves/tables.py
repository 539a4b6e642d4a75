"""high, low, steep and touch of section 14, of a whole curve at once."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.audit.curves.curve import Curve
from engine.audit.curves.exponential import powers
from engine.audit.data import Floats

LAST = 8192  # the tables are of -LAST to LAST
BITS = 192  # of the powers of e, which leaves no number of the tables in doubt
FINE = 128  # bits of f and f' from which they are made


@dataclass(frozen=True)
class Tables:
    """The tables of one curve, each number as the float64 number that it is.

    highs, steeps: of -LAST .. LAST. touches: of P = 0, -1, .. -LAST.
    """

    curve: Curve
    highs: Floats
    steeps: Floats
    touches: Floats

    def high(self, i: Floats) -> Floats:
        """high(i) of whole numbers i; NaN of NaN."""
        return _at(self.highs, i, LAST)

    def low(self, i: Floats) -> Floats:
        """low(i) of whole numbers i, exactly: a multiple of 2^-40 of size at most 1; NaN of NaN."""
        return self.curve.ends - self.high(-i)

    def steep(self, i: Floats) -> Floats:
        """steep(i) of whole numbers i, those beyond LAST as of LAST; NaN of NaN."""
        return _at(self.steeps, i, LAST)

    def touch(self, i: Floats) -> Floats:
        """touch(i) of whole numbers i, those below -LAST as of -LAST; NaN of NaN."""
        return _at(self.touches, np.maximum(-i, 0), 0)


def _at(table: Floats, i: Floats, begin: int) -> Floats:
    """The entries at i + begin, or the nearest there is. NaN where i is NaN."""
    at = np.nan_to_num(np.clip(i + begin, 0, len(table) - 1)).astype(np.int64)
    found: Floats = np.where(np.isnan(i), np.nan, table[at])
    return found


@cache
def tables(curve: Curve) -> Tables:
    """The tables of a curve, in some hundredths of a second the first time.

    All numbers of them come from integers that enclose f(i / 256) and f'(i / 256), i >= 0.
    """
    values, slopes = [], []  # f and f', in 2^-FINE
    for e in powers(curve, LAST, BITS):
        one = 1 << e.bits
        values.append((curve.below(e.high, one, FINE), curve.above(e.low, one, FINE)))
        slopes.append((_slope(curve, e.low, one), _slope(curve, e.high, one) + 1))
    floors = [_agreed(low >> FINE - 40, high - 1 >> FINE - 40) for low, high in values[1:]]
    ends = curve.ends << 40
    highs = [*(ends - v for v in reversed(floors)), ends // 2, *(v + 1 for v in floors)]
    halves = [_agreed(low >> FINE - 31, high - 1 >> FINE - 31) for low, high in slopes]
    steeps = [(twice + 1) // 2 for twice in halves]
    return Tables(
        curve,
        highs=_frozen(highs, 40),
        steeps=_frozen([*reversed(steeps[1:]), *steeps], 30),
        touches=_frozen(_touches(curve, values, slopes), 0),
    )


def _slope(curve: Curve, e: int, one: int) -> int:
    """f' in 2^-FINE, rounded down, where e^(-k x) is e / one. It grows with e <= one."""
    return (curve**2 * e * one << FINE) // (one + e) ** 2


def _touches(
    curve: Curve, values: list[tuple[int, int]], slopes: list[tuple[int, int]]
) -> list[int]:
    """touch(-m) of m = 0 .. LAST.

    The condition at j is 256 (f(j) + f(m) - 2 f(0)) >= f'(j) (j + m), f at 256ths. It holds from
    the least j on, as f is concave there. It holds at j = m. So for j < m, where f'(m) < f'(j), it
    cannot begin to hold as m grows: the least j never falls.
    """

    def holds(j: int, m: int) -> bool:
        (low, high), (own_low, own_high) = values[j], values[m]
        flat, steep = slopes[j]
        shown = 256 * (low + own_low - ends) >= steep * (j + m)
        possible = 256 * (high + own_high - ends) >= flat * (j + m)
        return bool(_agreed(shown, possible))

    ends, found = curve.ends << FINE, [0]
    for m in range(1, LAST + 1):
        j = found[-1]
        while not holds(j, m):
            j += 1
        found.append(j)
    return found


def _agreed(one: int, other: int) -> int:
    """Both, which are the same: what lies between is not in doubt. So it is in these tables."""
    if one != other:
        raise ArithmeticError("the tables of a curve need more bits")
    return one


def _frozen(numbers: list[int], bits: int) -> Floats:
    """Integers / 2^bits, which float64 holds, read-only."""
    found = np.array(numbers, np.float64) * 2.0**-bits
    found.flags.writeable = False
    return found
