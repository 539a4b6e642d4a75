"""e^-x between two integers over a power of two."""

from itertools import accumulate, repeat
from math import isqrt
from typing import NamedTuple

GUARD = 16  # bits more, for what is rounded in a series


class Between(NamedTuple):
    """A number that is at least low / 2^bits, and at most high / 2^bits. low >= 0."""

    low: int
    high: int
    bits: int

    def times(self, other: "Between") -> "Between":
        """The product with a number of as many bits."""
        low = self.low * other.low >> self.bits
        return Between(low, -(-self.high * other.high >> self.bits), self.bits)


def exponential(x: int, bits: int) -> Between:
    """e^-(x / 2^bits), where x >= 0: within about 2^-bits.

    Where x / 2^bits >= bits it is between 0 and 2^-bits, as e > 2. Else it is the 2^h-th power of
    e^-y, made by h squares, each of which doubles what is lost: so there are h bits more. h is
    chosen such that y = x / 2^(bits + h) is below 2^-s: then the series is short.
    """
    if x >= bits << bits:
        return Between(0, 1, bits)
    s = isqrt(bits) // 2
    h = max(0, x.bit_length() - bits + s)
    found = _series(x << GUARD, bits + h + GUARD)
    for _ in range(h):
        found = found.times(found)
    return found


def _series(y: int, bits: int) -> Between:
    """e^-(y / 2^bits), where y / 2^bits < 1, from 1 - y + y^2 / 2 - ..

    The terms alternate and fall. So what comes after the last one is no larger than that: one unit.
    """
    low = high = term_low = term_high = 1 << bits
    count = 0
    while term_high > 1:
        count += 1
        term_low = (term_low * y >> bits) // count
        term_high = -(-term_high * y // (count << bits))
        if count % 2:
            low, high = low - term_high, high - term_low
        else:
            low, high = low + term_low, high + term_high
    return Between(max(low - 1, 0), min(high + 1, 1 << bits), bits)


def powers(k: int, last: int, bits: int) -> list[Between]:
    """e^(-k i / 256) of i = 0 .. last, each the product of the one before and the first."""
    first = exponential(k << bits - 8, bits)
    one = Between(1 << first.bits, 1 << first.bits, first.bits)
    return list(accumulate(repeat(first, last), Between.times, initial=one))
