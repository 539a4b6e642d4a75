"""Sigmoid and Tanh: section 14 of docs/certificate-format.md, by integers and Fractions alone; uses no engine.

Of e^x, f and f' there are only intervals that hold them; what is rounded is known when both ends are rounded alike.
"""

import math
from collections import namedtuple
from fractions import Fraction
from functools import cache

from second_checker_layers import ZERO

LAST = 8192  # f is tabled from -LAST / 256 to LAST / 256
STEEP = 2**30
HIGH = 2**40
VALUE = 2**60
ERROR = Fraction(1, 2**61)

CurveLine = namedtuple("CurveLine", "a r c t")  # a z + r <= f(z) <= c z + t


def exponential(x, bits):
    """Integers p and q of which p <= 2^bits e^x <= q, where x <= 0."""
    halvings = math.floor(-2 * x).bit_length()
    y = -x * 2**bits / 2**halvings  # at most half of 2^bits
    low, _ = alternating(math.ceil(y), bits)
    _, high = alternating(math.floor(y), bits)
    for _ in range(halvings):
        low, high = low * low >> bits, -(-high * high >> bits)
    return low, min(high, 2**bits)


def alternating(y, bits):
    """Integers around 2^bits e^(-y / 2^bits), of an integer y, by the series: its rest is at most its next term."""
    low = high = term_low = term_high = 2**bits
    place = 0
    while term_high > 1:
        place += 1
        divisor = place << bits
        term_low, term_high = term_low * y // divisor, -(-term_high * y // divisor)
        low, high = (low - term_high, high - term_low) if place % 2 else (low + term_low, high + term_high)
    return max(low - term_high, 0), high + term_high


def sigmoid(x, bits):
    """Fractions around 1 / (1 + e^-x)."""
    low, high = (Fraction(e, 2**bits + e) for e in exponential(-abs(x), bits))
    return (low, high) if x <= 0 else (1 - high, 1 - low)


def settled(between, rounded):
    """What the number in all of these intervals is when it is rounded; between: by bits."""
    bits = 128
    while True:
        low, high = map(rounded, between(bits))
        if low == high:
            return low
        bits *= 2


class Curve:
    """f is scale sigmoid(factor x) + shift, and increases; f(-x) = 2 f(0) - f(x)."""

    def __init__(self, scale, factor, shift):
        self.scale, self.factor, self.shift = scale, factor, shift
        self.high, self.low, self.steep = cache(self.high), cache(self.low), cache(self.steep)
        self.touch, self.upper = cache(self.touch), cache(self.upper)

    def value(self, x, bits):
        """Fractions around f(x)."""
        return tuple(self.scale * s + self.shift for s in sigmoid(self.factor * x, bits))

    def slope(self, x, bits):
        """Fractions around f'(x) = scale factor s (1 - s), which grows with s <= 1/2."""
        return tuple(self.scale * self.factor * s * (1 - s) for s in sigmoid(-abs(self.factor * x), bits))

    def below(self, x):
        """The largest multiple of 2^-40 that is at most f(x)."""
        return Fraction(settled(lambda bits: self.value(x, bits), lambda v: math.floor(v * HIGH)), HIGH)

    def above(self, x):
        """The least one that is at least f(x)."""
        return Fraction(settled(lambda bits: self.value(x, bits), lambda v: math.ceil(v * HIGH)), HIGH)

    def nearest(self, x):
        """The multiple of 2^-60 nearest to f(x)."""
        return Fraction(settled(lambda bits: self.value(x, bits), lambda v: round(v * VALUE)), VALUE)

    def high(self, i):
        return self.above(Fraction(max(-LAST, min(LAST, i)), 256))

    def low(self, i):
        return self.below(Fraction(max(-LAST, min(LAST, i)), 256))

    def steep(self, i):
        return Fraction(settled(lambda bits: self.slope(Fraction(i, 256), bits), lambda v: round(v * STEEP)), STEEP)

    def touch(self, p):
        """Found by halving: the tangents' values at p / 256 grow with j >= 0."""
        if p >= 0:
            return 0
        most = 1
        while not self.is_above(most, p):
            most *= 2
        least = 0
        while least < most:
            middle = (least + most) // 2
            least, most = (least, middle) if self.is_above(middle, p) else (middle + 1, most)
        return least

    def is_above(self, j, p):
        """Whether the tangent at j / 256 is, at p / 256, at least f."""

        def height(bits):
            (v, w), (x, y), (d, e) = (
                self.value(Fraction(j, 256), bits),
                self.value(Fraction(p, 256), bits),
                self.slope(Fraction(j, 256), bits),
            )
            run = Fraction(j - p, 256)
            return v - y - e * run, w - x - d * run

        return settled(height, lambda v: v >= 0)

    def upper(self, p, q):
        """(c, t)"""
        if p < -LAST or q > LAST:
            return ZERO, self.high(q)
        left, right = Fraction(p, 256), Fraction(q, 256)
        j = max((p + q) // 2, self.touch(p))
        if j <= q:
            c, at = self.steep(j), Fraction(j, 256)
            return c, self.high(j) - c * at + Fraction(1, 2**31) * max(right - at, at - left)
        c = ZERO
        if p != q:
            c = Fraction(round(Fraction(float((self.high(q) - self.high(p)) / (right - left))) * STEEP), STEEP)
        return c, max(self.high(p) - c * left, self.high(q) - c * right)

    def line(self, low, high):
        """Both lines between z and f(z) where low <= z <= high."""
        p, q = places(low, high)
        (c, t), (a, above) = self.upper(p, q), self.upper(-q, -p)
        return CurveLine(a, self.scale + 2 * self.shift - above, c, t)

    def ends(self, low, high):
        """Between which numbers f(z) is there."""
        p, q = places(low, high)
        return self.low(p), self.high(q)


def places(low, high):
    return math.floor(256 * low), math.ceil(256 * high)


CURVES = {"Sigmoid": Curve(1, 1, 0), "Tanh": Curve(2, 2, -1)}
