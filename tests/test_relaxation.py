"""Lines below and above a ReLU, and rounding outward."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from engine.bounds.relaxation import (
    Lines,
    dyadic,
    identity_lines,
    relu_lines,
    round_down,
    round_up,
    with_lower,
)

FLOATS32 = st.floats(-(2.0**100), 2.0**100, width=32)
INTERVALS = st.tuples(FLOATS32, FLOATS32).map(sorted)
HARD = [
    (-1.0, 1.0),
    (-1.0, 0.0),
    (0.0, 1.0),
    (0.0, 0.0),
    (-3.0, -1.0),
    (1.0, 3.0),
    (-(2.0**-149), 2.0**-149),
    (-1.0, 2.0**-149),
    (-(2.0**-149), 1.0),
    (-(2.0**99), 2.0**-149),
    (-3.0, 1e-3),
    (-1e-3, 3.0),
    (-0.0, 0.0),
]


def lines_on(l, u, *, noise=0.0) -> Lines:
    l, u = (torch.tensor([[v]], dtype=torch.float32) for v in (l, u))
    return relu_lines(l, u, lambda intercept: torch.full_like(intercept, noise))


def values(lines: Lines, z: Fraction) -> tuple[Fraction, Fraction]:
    """(lower line, upper line) of the only neuron at z, exactly: what relax() makes of the rows 1 and -1."""
    found = []
    for sign in (1.0, -1.0):
        slope, constant = (Fraction(v) for v in lines.relax(torch.tensor([[sign, 0.0]]).double())[0].tolist())
        found.append(Fraction(sign) * (slope * z + constant))
    return found[0], found[1]


def points(l, u):
    l, u = Fraction(l), Fraction(u)
    inside = [l + (u - l) * Fraction(i, 64) for i in range(65)]
    return inside + [z for z in (Fraction(0), Fraction(2.0**-149), -Fraction(2.0**-149)) if l <= z <= u]


def check_relu(lines: Lines, l, u) -> None:
    for z in points(l, u):
        low, high = values(lines, z)
        assert low <= max(z, 0) <= high


@given(INTERVALS)
def test_relu_lies_between_its_lines(ends):
    check_relu(lines_on(*ends), *ends)


@pytest.mark.parametrize("ends", HARD)
def test_relu_lies_between_its_lines_in_corner_cases(ends):
    check_relu(lines_on(*ends), *ends)


@given(INTERVALS, st.floats(0, 1))
@example([-1.0, 1.0], 0.49999)
def test_any_lower_slope_is_sound(ends, slope):
    l, u = (torch.tensor([[v]], dtype=torch.float32) for v in ends)
    check_relu(with_lower(lines_on(*ends), torch.tensor([[slope]]).double(), l, u), *ends)


@pytest.mark.parametrize("slope", [-1.0, -1e-3, 1.001, 7.0, 1e300])
@pytest.mark.parametrize("ends", HARD)
def test_slopes_out_of_range_are_brought_back(ends, slope):
    l, u = (torch.tensor([[v]], dtype=torch.float32) for v in ends)
    check_relu(with_lower(lines_on(*ends), torch.tensor([[slope]]).double(), l, u), *ends)


@pytest.mark.parametrize("ends", HARD)
@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
def test_stable_neurons_are_exact(ends, slope):
    l, u = ends
    if l < 0 < u:
        return
    tensors = (torch.tensor([[v]], dtype=torch.float32) for v in ends)
    for lines in (lines_on(l, u), with_lower(lines_on(l, u), torch.tensor([[slope]]).double(), *tensors)):
        for z in points(l, u):
            assert values(lines, z) == (max(z, 0), max(z, 0))


@given(INTERVALS)
def test_every_number_is_dyadic_and_every_product_exact(ends):
    """Slopes are multiples of 2^-10 in [0, 1], and the intercept is the least that is sound for its slope."""
    lines = lines_on(*ends)
    l, u = (Fraction(v) for v in ends)
    (s0, _), (s1, t) = (lines.relax(torch.tensor([[v, 0.0]]).double())[0].tolist() for v in (1.0, -1.0))
    lower, upper, intercept = Fraction(s0), -Fraction(s1), -Fraction(t)
    assert 0 <= lower <= 1 and 0 <= upper <= 1
    assert (lower * 1024).denominator == (upper * 1024).denominator == 1
    if l < 0 < u:
        assert intercept == max(-upper * l, (1 - upper) * u)
        assert abs(upper - u / (u - l)) <= Fraction(1, 2047)


@given(INTERVALS, FLOATS32.map(abs))
def test_noise_moves_both_lines_outward(ends, noise):
    """By at least the noise where the neuron can be positive; one that cannot is exactly 0."""
    plain, wide = lines_on(*ends), lines_on(*ends, noise=noise)
    for z in points(*ends)[::16]:
        (low, high), (lower, higher) = values(plain, z), values(wide, z)
        room = Fraction(noise) * (1 - Fraction(1, 2**50)) if ends[1] > 0 else 0
        size = sum(abs(Fraction(v)) for v in ends) + Fraction(noise)
        slack = size * Fraction(1, 2**50)  # sums here are rounded; the noise itself covers that
        assert lower <= low - room + slack and higher >= high + room - slack


def test_identity_lines_by_hand():
    lines = identity_lines(torch.tensor([[0.25]]).double())
    assert values(lines, Fraction(3)) == (Fraction("2.75"), Fraction("3.25"))


def test_constants_pass_unchanged():
    rows = torch.tensor([[2.0, -3.0, 7.0]]).double()
    l, u = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 3.0]])
    assert relu_lines(l, u, torch.zeros_like).relax(rows).tolist() == rows.tolist()


# --- rounding -----------------------------------------------------------------------------------

ANY = st.floats(allow_nan=False, allow_infinity=False, min_value=-(2.0**127), max_value=2.0**127)
EDGES = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.0**-149,
    -(2.0**-149),
    2.0**-150,
    2.0**-126,
    -(2.0**-126),
    1.0,
    -1.0,
    1 + 2.0**-52,
    1 - 2.0**-53,
    -1 - 2.0**-24,
    2.0**100,
    -(2.0**100),
    0.1,
    -0.1,
]


def check_outward(x: float) -> None:
    given = torch.tensor([x], dtype=torch.float64)
    low, high = round_down(given), round_up(given)
    assert low.dtype == high.dtype == torch.float32
    low, high = float(low), float(high)
    assert low <= x <= high
    room = 3 * max(float(np.spacing(np.float32(abs(x)))), 2.0**-149)
    assert x - low <= room and high - x <= room


@given(ANY)
def test_rounding_is_outward_and_near(x):
    check_outward(x)


@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**127), max_value=2.0**127),
    st.integers(-3, 3),
)
def test_rounding_beside_float32_values(x, steps):
    for _ in range(abs(steps)):
        x = float(np.nextafter(x, np.inf * steps))
    check_outward(x)


@pytest.mark.parametrize("x", EDGES)
def test_rounding_at_the_edges(x):
    check_outward(x)


@pytest.mark.parametrize("x", [3.5e38, 1e39, 1e300])
def test_beyond_float32_bounds_are_not_inside(x):
    """Values of 2^100 are refused long before; what overflows must still not become a wrong bound."""
    assert float(round_up(torch.tensor(x).double())) >= x
    assert float(round_down(torch.tensor(-x).double())) <= -x


@given(st.floats(-4, 4))
def test_dyadic_is_the_nearest_multiple(x):
    found = Fraction(float(dyadic(torch.tensor([x]).double())))
    assert (found * 1024).denominator == 1
    assert abs(found - Fraction(x)) <= Fraction(1, 2048)
