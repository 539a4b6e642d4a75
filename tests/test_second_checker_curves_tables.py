"""Tables and lines of Sigmoid and Tanh by the second checker, beside decimals of 80 digits."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from second_checker_curves import CURVES, Curve

SIGMOID, TANH = CURVES["Sigmoid"], CURVES["Tanh"]
each_curve = pytest.mark.parametrize("name", CURVES)


def plain(name: str, x: Fraction, *, slope: bool = False) -> Fraction:
    """f or f' by the decimal module, far within 10^-50."""
    with localcontext(prec=80):
        s = 1 / (1 + (-(2 if name == "Tanh" else 1) * Decimal(x.numerator) / Decimal(x.denominator)).exp())
        value, change = (2 * s - 1, 4 * s * (1 - s)) if name == "Tanh" else (s, s * (1 - s))
        return Fraction(change if slope else value)


PLACES = [*range(-8192, 8193, 997), *range(-300, 300, 37), -1, 1, 8192]


@each_curve
def test_tables(name):
    """Each entry is the next multiple on its side, or the nearest one."""
    curve = CURVES[name]
    for i in PLACES:
        x = Fraction(i, 256)
        value, slope = plain(name, x), plain(name, x, slope=True)
        assert (curve.high(i) * 2**40).denominator == (curve.steep(i) * 2**30).denominator == 1
        assert 0 < curve.high(i) - value < Fraction(1, 2**40)
        assert curve.low(i) == 2 * curve.high(0) - curve.high(-i)
        assert abs(curve.steep(i) - slope) < Fraction(1, 2**31)
        assert abs(curve.nearest(x) - value) < Fraction(1, 2**61)
        assert curve.below(x) == curve.low(i) and curve.above(x) == curve.high(i)


def test_entries_at_0_and_beyond_the_last():
    assert [SIGMOID.high(0), SIGMOID.low(0), SIGMOID.steep(0)] == [Fraction(1, 2), Fraction(1, 2), Fraction(1, 4)]
    assert [TANH.high(0), TANH.low(0), TANH.steep(0)] == [0, 0, 1]
    for curve in CURVES.values():
        assert curve.high(8193) == curve.high(10**9) == curve.high(8192) == 1
        assert curve.low(-8193) == curve.low(-8192) == curve.low(0) * 2 - 1
    assert SIGMOID.high(-8193) == Fraction(1, 2**40)


@pytest.mark.parametrize("sign", [1, -1])
def test_values_far_away(sign):
    for curve in CURVES.values():
        assert curve.nearest(Fraction(sign * 10**30)) == (1 if sign > 0 else 2 * curve.low(0) - 1)
        assert curve.nearest(Fraction(sign, 10**30)) == curve.low(0)


@each_curve
@pytest.mark.parametrize("p", [-1, -2, -64, -257, -641, -2000, -8192])
def test_touch_is_the_least(name, p):
    rises = lambda j: plain(name, Fraction(j, 256)) - plain(name, Fraction(p, 256))
    run = lambda j: Fraction(j - p, 256) * plain(name, Fraction(j, 256), slope=True)
    j = CURVES[name].touch(p)
    assert j > 0 and run(j) <= rises(j) and run(j - 1) > rises(j - 1)


@pytest.mark.parametrize("p, q", [(0, 0), (-1, 1), (-257, 257), (0, 385), (-641, 0), (-641, -640), (-8192, 8192)])
@each_curve
def test_lines_lie_beside_the_curve(name, p, q):
    """On their sides; and they touch it, but for what is rounded."""
    curve = CURVES[name]
    a, r, c, t = curve.line(Fraction(p, 256), Fraction(q, 256))
    inside = [Fraction(i, 256) for i in range(p, q + 1, 1 if q - p < 700 else 61)]
    above = [c * z + t - plain(name, z) for z in inside]
    below = [plain(name, z) - a * z - r for z in inside]
    assert min(above) >= 0 and min(below) >= 0
    assert len(inside) < q - p or max(min(above), min(below)) < Fraction(1, 2**24)
    assert all(Fraction(float(number)) == number for number in (a, r, c, t))


def test_an_upper_line_of_each_kind():
    """A constant, a tangent and a chord."""
    assert SIGMOID.upper(-8193, 0) == (0, Fraction(1, 2)) and TANH.upper(0, 8193) == (0, 1)
    c, high = TANH.steep(192), TANH.high(192)
    assert TANH.upper(0, 385) == (c, high - c * Fraction(3, 4) + Fraction(193, 256) / 2**31)
    low, high = SIGMOID.high(-641), Fraction(1, 2)
    c, t = SIGMOID.upper(-641, 0)
    assert abs(c - (high - low) * 256 / 641) <= Fraction(1, 2**31) + Fraction(1, 2**50)
    assert t == max(high, low + c * Fraction(641, 256))
    assert SIGMOID.upper(-5, -5) == (0, SIGMOID.high(-5))


def test_empty_intervals_have_lines():
    """Where l > u the rules apply unchanged."""
    for p, q in [(1, 0), (3, -3), (-300, -400), (8192, -8192)]:
        assert len(SIGMOID.upper(p, q)) == 2


def test_a_curve_is_symmetric():
    assert Curve(2, 2, -1).value(Fraction(1), 128) == tuple(-v for v in TANH.value(Fraction(-1), 128)[::-1])
