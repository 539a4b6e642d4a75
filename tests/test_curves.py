"""Sigmoid and Tanh in integers: tables and enclosures, against decimal arithmetic in 60 digits."""

import time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, getcontext
from fractions import Fraction

import curve_models
import numpy as np
import pytest
from curve_models import CURVES
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.curves import SCALE, derivative, value
from engine.curves.enclosure import enclosure, exponential, nearest
from engine.curves.floating import SPARE, enclosed
from engine.curves.tables import LAST, STEPS, tables

getcontext().prec = curve_models.DIGITS
PLACES = [*range(-20, 21), *range(-LAST, LAST + 1, 661), -LAST, -LAST + 1, LAST - 1, LAST]
NUMBERS = st.fractions(-70, 70, max_denominator=10**12) | st.fractions(
    Fraction(-1, 10**9), Fraction(1, 10**9), max_denominator=10**15
)


@pytest.mark.parametrize("curve", CURVES)
def test_tables_are_those_of_the_format(curve):
    found = tables(curve)
    for i in PLACES:
        f, slope = (function(curve, Fraction(i, STEPS)) for function in (curve_models.exact, curve_models.slope))
        up, down = ((f * 2**40).to_integral_value(way) for way in (ROUND_CEILING, ROUND_FLOOR))
        assert (found.high[i + LAST] * 2**40, found.low[i + LAST] * 2**40) == (up, down), i
        assert found.steep[i + LAST] * 2**30 == (slope * 2**30).to_integral_value(), i
        assert found.value[i + LAST] == pytest.approx(float(f), rel=0, abs=2.0**-53)


@pytest.mark.parametrize("curve", CURVES)
def test_tables_touch_where_tangents_begin_to_lie_above(curve):
    found = tables(curve).touch

    def above(j: int, place: int) -> bool:
        z, p = Fraction(j, STEPS), Fraction(place, STEPS)
        rise = curve_models.slope(curve, z) * (j - place) / STEPS
        return rise <= curve_models.exact(curve, z) - curve_models.exact(curve, p)

    for place in (p for p in PLACES if p <= 0):
        j = int(found[place + LAST])
        assert above(j, place) and (j == 0 or not above(j - 1, place)), place
    assert (np.diff(found) <= 0).all() and found[-1] == 0


def test_golden_numbers():
    sigmoid, tanh = tables("sigmoid"), tables("tanh")
    assert sigmoid.high[LAST] == sigmoid.low[LAST] == 0.5 and sigmoid.steep[LAST] == 0.25
    assert tanh.high[LAST] == tanh.low[LAST] == 0 and tanh.steep[LAST] == 1
    # s(1) = 0.731058578630004879..., tanh(1) = 0.761594155955764888...
    assert sigmoid.low[LAST + 256] == 803807407789 / 2**40 and sigmoid.high[LAST + 256] == 803807407790 / 2**40
    assert tanh.low[LAST + 256] == 837381630119 / 2**40 and tanh.high[LAST + 256] == 837381630120 / 2**40
    assert sigmoid.low[0] == 0 and sigmoid.high[0] == 2.0**-40  # s(-32) = 1.3e-14
    assert sigmoid.high[-1] == 1 and sigmoid.low[-1] == 1 - 2.0**-40
    assert tanh.low[0] == -1 and tanh.high[0] == -1 + 2.0**-40 and tanh.high[-1] == 1


def test_tables_are_made_soon():
    tables.cache_clear()
    start = time.process_time()
    tables("tanh")
    assert time.process_time() - start < 0.5  # 0.05 s on a machine that does nothing else


@settings(max_examples=150, deadline=None)
@given(NUMBERS, st.sampled_from(CURVES), st.sampled_from([64, 100, 128]))
def test_enclosures_hold_the_value_and_are_narrow(z, curve, bits):
    low, high = enclosure(curve, z, bits)
    f = curve_models.exact(curve, z) * 2**bits
    assert low - Decimal("1e-10") <= f <= high + Decimal("1e-10") and high - low <= 8


@settings(max_examples=100, deadline=None)
@given(st.fractions(0, 90, max_denominator=10**9), st.sampled_from([32, 64, 128]))
def test_exponentials_are_enclosed(x, bits):
    n = int(x * 2**bits)
    low, high = exponential(n, bits)
    power = (-Decimal(n) / 2**bits).exp() if n else Decimal(1)
    assert low <= power * 2**bits * (1 + Decimal("1e-20")) and power * 2**bits <= high * (1 + Decimal("1e-20"))
    assert high - low <= 3


@settings(max_examples=100, deadline=None)
@given(NUMBERS, st.sampled_from(CURVES))
def test_the_nearest_multiple_is_the_nearest(z, curve):
    assert nearest(curve, z, 60) == (curve_models.exact(curve, z) * 2**60).to_integral_value()


@pytest.mark.parametrize("curve", CURVES)
def test_numbers_beyond_all_bounds_have_a_nearest_multiple(curve):
    ends = {"sigmoid": (0, 2**60), "tanh": (-(2**60), 2**60)}[curve]
    for size in (64, 10**6, 2**1000):
        assert (nearest(curve, Fraction(-size), 60), nearest(curve, Fraction(size), 60)) == ends
    middle = (2 - SCALE[curve]) << 59
    assert all(nearest(curve, z, 60) == middle for z in (Fraction(0), Fraction(1, 2**900), Fraction(-1, 2**900)))


def test_a_nearest_multiple_that_is_hard_to_tell_is_told():
    """z of which f is half a multiple but for 2^-300."""
    half = Fraction(2**61 * 3 // 4 + 1, 2**61)
    low, high = Fraction(0), Fraction(4)
    for _ in range(300):
        middle = (low + high) / 2
        one_low, _ = enclosure("sigmoid", middle, 400)
        low, high = (middle, high) if Fraction(one_low, 2**400) < half else (low, middle)
    assert nearest("sigmoid", high, 60) - nearest("sigmoid", low, 60) == 1


@settings(max_examples=150, deadline=None)
@given(st.floats(-40, 40) | st.floats(-1e30, 1e30), st.floats(0, 1e-6) | st.floats(0, 10), st.sampled_from(CURVES))
def test_enclosures_in_float64_hold_the_values(z, radius, curve):
    c, r = enclosed(curve, np.array([z]), np.array([radius]))
    for end in (Fraction(z) - Fraction(radius), Fraction(z), Fraction(z) + Fraction(radius)):
        end = max(min(end, Fraction(1000)), Fraction(-1000))
        f = curve_models.exact(curve, end)
        # with half a unit to spare for the checker's multiples of 2^-40
        assert abs(f - Decimal(float(c[0]))) <= Decimal(float(r[0])), (z, end)
    centre = curve_models.exact(curve, max(min(Fraction(z), Fraction(1000)), Fraction(-1000)))
    assert abs(centre - Decimal(float(c[0]))) < Decimal(2) ** -44 and r[0] >= SPARE


@settings(max_examples=100, deadline=None)
@given(st.floats(-50, 50), st.sampled_from(CURVES))
def test_values_and_derivatives_in_float64(z, curve):
    assert abs(value(curve, np.array(z)) - float(curve_models.exact(curve, Fraction(z)))) < 1e-15
    assert abs(derivative(curve, np.array(z)) - float(curve_models.slope(curve, Fraction(z)))) < 1e-14
