"""Tables, lines and values of Sigmoid and Tanh in the checker, against their definition in numbers of 60 digits."""

from decimal import localcontext
from fractions import Fraction
from math import ceil, floor

import curve_definition as definition
import numpy as np
import pytest
from curve_definition import CURVES, DIGITS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.audit.curves import lines
from engine.audit.curves.curve import Curve
from engine.audit.curves.exponential import exponential
from engine.audit.curves.lines import curve_lines, upper
from engine.audit.curves.tables import LAST, tables
from engine.audit.curves.values import ERROR, above, below, near, nearest

OF = {"Sigmoid": Curve.SIGMOID, "Tanh": Curve.TANH}
SINGLES = st.floats(-40, 40, width=32) | st.floats(-1, 1, width=32) | st.floats(-(2.0**99), 2.0**99, width=32)
POINTS = st.fractions(-50, 50) | st.fractions(-1, 1) | st.integers(-(10**9), 10**9).map(lambda n: Fraction(n, 10**18))


def floats(*values):
    return np.array(values, np.float64)


def exact(curve, z) -> Fraction:
    """f(z) to 60 digits."""
    return Fraction(definition.value(curve, z))


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [16, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("curve", CURVES)
def test_tables_are_those_of_the_definition(curve, step):
    found = tables(OF[curve])
    for i in {*range(-LAST, LAST + 1, step), *range(-40, 41)}:
        at = floats(i)
        assert Fraction(found.high(at).item()) == definition.high(curve, i)
        assert Fraction(found.low(at).item()) == definition.low(curve, i)
        assert Fraction(found.steep(at).item()) == definition.steep(curve, i)
    for p in {*range(-LAST, 0, step), *range(-40, 0)}:
        j = int(found.touch(floats(p)).item())
        assert definition.touches(curve, p, j) and not definition.touches(curve, p, j - 1)
    assert found.touch(floats(0, 1, 300)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("curve", CURVES)
def test_beyond_the_tables_are_their_ends(curve):
    found = tables(OF[curve])
    for name in ("high", "low", "steep"):
        ends = getattr(found, name)(floats(-LAST - 1, -1e30, LAST + 1, 1e30))
        assert ends.tolist() == np.repeat(getattr(found, name)(floats(-LAST, LAST)), 2).tolist()
    assert np.isnan(found.high(floats(np.nan))) and np.isnan(found.touch(floats(np.nan)))


# --- lines ----------------------------------------------------------------------------------------

STEPS = st.tuples(*[st.integers(-9000, 9000) | st.integers(-300, 300)] * 2)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(CURVES), STEPS)
@example("Tanh", (-8192, 8192))
@example("Sigmoid", (-8193, 5))
@example("Tanh", (-5, 8193))
@example("Tanh", (0, 0))
@example("Sigmoid", (-7, -7))
@example("Sigmoid", (9000, 100))  # of an empty set
@example("Tanh", (12, 11))
def test_upper_lines_are_exactly_those_of_the_definition(curve, ends):
    for first, last in (ends, sorted(ends)):
        found = [Fraction(part.item()) for part in upper(tables(OF[curve]), floats(first), floats(last))]
        assert tuple(found) == definition.upper(curve, first, last)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(CURVES), st.tuples(SINGLES, SINGLES).map(sorted), st.fractions(0, 1))
@example("Sigmoid", [0.0, 0.0], Fraction(0))
@example("Tanh", [-(2.0**-149), 2.0**-149], Fraction(1, 2))
def test_a_curve_lies_between_its_lines(curve, ends, share):
    check_between(curve, ends, share)


def check_between(curve, ends, share):
    l, u = map(Fraction, ends)
    found = curve_lines(tables(OF[curve]), *(np.array([end], np.float32) for end in ends))
    a, r, c, t, size = (Fraction(part.item()) for part in found)
    assert 0 <= a <= 1 and 0 <= c <= 1
    for z in (l, u, l + (u - l) * share, min(max(Fraction(0), l), u)):
        f = exact(curve, max(min(z, 60), -60))  # beyond, f is within 10^-26 of its end
        assert a * z + r - Fraction(1, 10**25) <= f <= c * z + t + Fraction(1, 10**25)
        assert abs(f) <= size + Fraction(1, 10**25)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("change", ["slope", "offset", "touch", "chord"])
def test_lines_that_are_a_little_off_do_not_hold(curve, change, monkeypatch):
    """The property above sees a wrong line: a tangent too low, at a point too near, a chord too flat."""
    right = {name: getattr(lines, name) for name in ("_tangent", "_chord")}
    unit = 2.0**-30

    def tangent(found, first, last, at):
        if change == "touch":
            return right["_tangent"](found, first, last, np.maximum(np.floor((first + last) / 2), 0))
        c, t = right["_tangent"](found, first, last, at)
        return (c - 64 * unit, t) if change == "slope" else (c, t - 64 * unit * (change == "offset"))

    def chord(found, first, last):
        c, t = right["_chord"](found, first, last)
        return c + 64 * unit * (change == "chord"), t

    monkeypatch.setattr(lines, "_tangent", tangent)
    monkeypatch.setattr(lines, "_chord", chord)
    with pytest.raises(AssertionError):
        for ends in ([-1.0, 3.0], [-3.0, 2.5], [-2.0, -1.0], [1.0, 1.5]):
            for n in range(101):
                check_between(curve, ends, Fraction(n, 100))


def test_lines_of_what_is_no_number_are_none():
    found = curve_lines(tables(Curve.TANH), np.array([np.nan, 1], np.float32), np.array([1, np.nan], np.float32))
    assert all(np.isnan(part).all() for part in (found.t, found.r, found.size))


# --- values ---------------------------------------------------------------------------------------


@given(st.integers(0, 2**70), st.integers(20, 200))
def test_exponentials_are_enclosed(number, bits):
    x = number % (2 * bits << bits)
    found = exponential(x, bits)
    with localcontext(prec=200):
        true = Fraction((-definition.decimal(Fraction(x, 2**bits))).exp())
    assert found.low <= true * 2**found.bits <= found.high
    assert Fraction(found.high - found.low, 2**found.bits) <= Fraction(4, 2**bits)


@given(st.sampled_from(CURVES), POINTS, st.sampled_from([40, 60, 61, 70]))
@example("Tanh", Fraction(0), 60)
@example("Sigmoid", Fraction(0), 60)
def test_values_are_rounded_as_they_say(curve, z, bits):
    with localcontext(prec=DIGITS):
        true = Fraction(definition.value(curve, z) * 2**bits)
    assert below(OF[curve], z, bits) == floor(true) and above(OF[curve], z, bits) == ceil(true)
    assert abs(nearest(OF[curve], z, bits) - true) <= Fraction(1, 2)


@pytest.mark.parametrize("curve, ends", [("Sigmoid", (0, 1)), ("Tanh", (-1, 1))])
def test_values_far_away_and_near_zero(curve, ends):
    for z, end in zip((-(10**40), 10**40), ends):
        assert nearest(OF[curve], Fraction(z), 60) == end << 60
    assert above(OF[curve], Fraction(10**40), 40) == 2**40 and below(OF[curve], Fraction(10**40), 40) == 2**40 - 1
    middle = sum(ends) << 59
    for z in (Fraction(1, 2**4000), Fraction(-1, 2**4000)):
        assert nearest(OF[curve], z, 60) == middle
        assert below(OF[curve], z, 60) == middle - (z < 0) and above(OF[curve], z, 60) == middle + (z > 0)


@pytest.mark.parametrize("curve", CURVES)
def test_float64_values_are_within_their_error(curve):
    random = np.random.default_rng(0)
    x = [random.normal(size=1500) * 4, random.uniform(-45, 45, 500), np.arange(-600, 601) / 512, [0, 1e30, -1e30]]
    x = np.concatenate([*x, random.normal(size=100) * 1e-7, random.normal(size=20) * 1e-300])
    for z, found in zip(x.tolist(), near(OF[curve], x).tolist()):
        true = exact(curve, max(min(Fraction(z), 70), -70))
        assert abs(Fraction(found) - true) <= Fraction(ERROR)
