"""Values of a curve at any point: exactly rounded, or in float64 with a bound of what is lost."""

from fractions import Fraction
from functools import cache

import numpy as np

from engine.audit.curves.curve import Curve
from engine.audit.curves.exponential import exponential, powers
from engine.audit.data import Floats

#: How far `near` may be from f.
ERROR = 2.0**-51
BEYOND = 20  # where tanh is within 2^-56 of 1
GUARD = 32  # bits more than asked for, with which it is first tried to decide
BITS = 96  # of the powers of e in the table of Tanh


# --- exactly --------------------------------------------------------------------------------------


def below(curve: Curve, z: Fraction, bits: int) -> int:
    """The largest integer that is at most 2^bits f(z).

    f(z) is irrational where z is not 0. So it is strictly between any two numbers of an enclosure,
    and a close enough one decides.
    """
    if z <= 0:
        ends = curve.ends << bits
        return ends - below(curve, -z, bits) - 1 if z else ends // 2
    tried = bits
    while True:
        tried += GUARD
        x = int(curve) * (z.numerator << tried) // z.denominator  # k z in 2^-tried, rounded down
        e = exponential(x, tried)
        least = e.low - (e.low >> tried) - 1  # as x is less than 1 too small, and e^-v >= 1 - v
        low = curve.below(e.high, 1 << e.bits, bits)
        high = curve.above(max(least, 0), 1 << e.bits, bits) - 1
        if low == high:
            return low
        tried *= 2


def above(curve: Curve, z: Fraction, bits: int) -> int:
    """The least integer that is at least 2^bits f(z)."""
    return below(curve, z, bits) + (z != 0)


def nearest(curve: Curve, z: Fraction, bits: int) -> int:
    """The integer nearest to 2^bits f(z), which is never in doubt."""
    return (below(curve, z, bits + 1) + 1) // 2


# --- in float64 -----------------------------------------------------------------------------------


def near(curve: Curve, x: Floats) -> Floats:
    """Numbers within ERROR of f at finite x. They are made of a table of Tanh and its first terms.

    Let v = 2^-53. Tanh at x, of a size up to 20, is (T + b) / (1 + T b), with T of i / 256, the
    nearest of these, and b = tanh(d) of the rest d, which is exact (as x is less than twice i / 256
    and more than half of it, or i = 0), at most 2^-9. b is made of three terms of its series; the
    next one is less than 2^-67, and the roundings less than 2^-59. T is within v / 2 of the truth.
    A sum below 1 errs by v / 2, others, below 2, by v, as do sums T + b and 1 + T b; their quotient
    is at most 1 / (1 - 2^-8) in size, and its own rounding errs by v. In all that is at most (1 / 2
    + 1 + 1 + 1 + 2^-5) v, a little more for what has been divided by 1 + T b >= 1 - 2^-9, and below
    4 v. Beyond 20, 20 stands for x, which errs by v / 8 at most. The Sigmoid is (1 + tanh(x / 2)) /
    2: half of that, and v / 2 more.
    """
    y = np.clip(x if curve is Curve.TANH else x / 2, -BEYOND, BEYOND)
    i = np.rint(256 * y)
    t = _hyperbolic()[i.astype(np.int64) + 256 * BEYOND]
    d = y - i / 256
    rest = d * (1 - d * d * (1 / 3 - d * d * (2 / 15)))
    found: Floats = (t + rest) / (1 + t * rest)
    return found if curve is Curve.TANH else (1 + found) / 2


@cache
def _hyperbolic() -> Floats:
    """tanh(i / 256) of i = -5120 .. 5120: the nearest float64 numbers of what is within 2^-79."""
    enclosed = powers(Curve.TANH, 256 * BEYOND, BITS)
    half = [Curve.TANH.below(e.low, 1 << e.bits, 80) / 2**80 for e in enclosed]
    found = np.array([*(-v for v in reversed(half[1:])), *half])
    found.flags.writeable = False
    return found
