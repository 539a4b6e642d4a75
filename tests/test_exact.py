"""Exact evaluation against plain Fractions, and float32 numbers inside exact intervals."""

import os
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.exact import evaluate, floats_inside, scaled_integers
from engine.network import Affine, Network

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
FRACTIONS = st.fractions(max_denominator=10**9) | FLOATS.map(Fraction)
LARGEST = Fraction(float(np.finfo(np.float32).max))
LEAST = Fraction(1, 2**149)  # the smallest positive float32


def naive(network: Network, point) -> tuple[Fraction, ...]:
    h = [Fraction(*value.as_integer_ratio()) for value in point]
    for layer in network.layers:
        rows = zip(layer.weight.tolist(), layer.bias.tolist())
        h = [sum((Fraction(w) * v for w, v in zip(row, h)), Fraction(bias)) for row, bias in rows]
        h = [max(v, Fraction(0)) for v in h] if layer.relu else h
    return tuple(h)


def random_network(seed: int, widths, *, scale: float = 1.0) -> Network:
    rng = np.random.default_rng(seed)
    layers = []
    for i, (n, m) in enumerate(zip(widths, widths[1:])):
        weight = (rng.normal(size=(m, n)) * scale).astype(np.float32).astype(np.float64)
        layers.append(Affine(weight, rng.normal(size=m), relu=i < len(widths) - 2))
    return Network(tuple(layers))


@st.composite
def networks(draw) -> Network:
    widths = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    layers = []
    for n, m in zip(widths, widths[1:]):
        numbers = draw(st.lists(FLOATS, min_size=m * n + m, max_size=m * n + m))
        weight = np.array(numbers[: m * n]).reshape(m, n)
        layers.append(Affine(weight, np.array(numbers[m * n :]), draw(st.booleans())))
    return Network(tuple(layers))


@given(networks(), st.data())
def test_as_plain_fractions(network, data):
    size = network.n_inputs
    point = data.draw(st.lists(FRACTIONS | FLOATS, min_size=size, max_size=size))
    assert evaluate(network, point) == naive(network, point)


def test_by_hand():
    first = Affine(np.array([[1.0, -2.0], [0.5, 0.25]]), np.array([0.0, -1.0]), relu=True)
    last = Affine(np.array([[3.0, 4.0]]), np.array([0.125]), relu=False)
    point = (Fraction(1, 3), Fraction(-1, 7))
    first_neuron = Fraction(1, 3) + Fraction(2, 7)  # the second is negative
    assert evaluate(Network((first, last)), point) == (3 * first_neuron + Fraction(1, 8),)


def test_cancellation_that_floats_lose():
    weight = np.array([[1e30, 1.0, -1e30]])
    network = Network((Affine(weight, np.array([0.0]), relu=False),))
    assert evaluate(network, (1.0, 0.1, 1.0)) == (Fraction(0.1),)


def test_subnormal_and_huge_weights():
    weight = np.array([[5e-324, 1.7e308], [-5e-324, 2.0**-1050]])
    network = Network((Affine(weight, np.array([0.0, 5e-324]), relu=True),))
    point = (Fraction(10**400, 3), Fraction(1, 10**350))
    assert evaluate(network, point) == naive(network, point)


def test_any_kind_of_number():
    network = random_network(0, (4, 3, 2))
    point = (Fraction(1, 4), 0.25, np.float32(0.25), Decimal("0.25"))
    assert evaluate(network, point) == naive(network, [Fraction(1, 4)] * 4)


@pytest.mark.parametrize("seed", range(3))
def test_near_float64(seed):
    network = random_network(seed, (5, 20, 20, 5), scale=0.3)
    point = np.random.default_rng(seed).uniform(-1, 1, 5)
    outputs = [float(value) for value in evaluate(network, point)]
    np.testing.assert_allclose(network.evaluate(point), outputs, rtol=1e-11, atol=1e-11)


def test_fast_enough():
    network = random_network(0, (5, 50, 50, 50, 50, 50, 50, 5), scale=0.3)
    point = [Fraction(v) / 3 for v in (0.1, 0.2, -0.3, 0.4, 0.5)]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        evaluate(network, point)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05


REFUSED = {
    "too few": ((1.0,), "the point has 1 numbers for 2 inputs; give one number for each input"),
    "nan": ((1.0, float("nan")), "nan is no exact number; use finite numbers"),
    "infinity": ((1.0, float("-inf")), "-inf is no exact number; use finite numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_points(name):
    point, expected = REFUSED[name]
    with pytest.raises(InputError) as caught:
        evaluate(random_network(0, (2, 1)), point)
    assert str(caught.value) == expected


def test_refused_weights():
    network = Network((Affine(np.array([[np.inf]]), np.array([0.0]), relu=False),))
    with pytest.raises(InputError, match="^NaN and infinity are no exact numbers; use finite weights$"):
        evaluate(network, (1.0,))


@given(st.lists(FLOATS, min_size=1, max_size=6))
@example([0.0, -0.0])
@example([5e-324, 1.7976931348623157e308])
def test_scaled_integers(values):
    numbers, bits = scaled_integers(np.array(values))
    assert [Fraction(number, 2**bits) for number in numbers] == [Fraction(v) for v in values]
    assert bits == 0 or any(number % 2 for number in numbers)


def float32_neighbours(value: np.float32) -> tuple[float, float]:
    """The float32 numbers just below and above a finite one, or infinities."""
    with np.errstate(over="ignore"):
        below, above = (np.nextafter(value, np.float32(end)) for end in (-np.inf, np.inf))
    return float(below), float(above)


@given(FRACTIONS)
@example(Fraction(1, 10))
@example(Fraction(0))
@example(LEAST / 2)
@example(-LEAST / 3)
@example(LARGEST)
@example(-LARGEST)
@example(1 + Fraction(1, 2**24) + Fraction(1, 2**80))  # a tie of float32, but for a bit float64 drops
@example(1 + Fraction(1, 2**24) - Fraction(1, 2**80))
def test_float32_next_to_a_number(value):
    assume(abs(value) <= LARGEST)
    low, high = (array[0] for array in floats_inside([value], [value]))
    assert low.dtype == high.dtype == np.float32
    assert Fraction(float(high)) <= value <= Fraction(float(low))
    assert float32_neighbours(low)[0] < value
    assert float32_neighbours(high)[1] > value
    assert not np.signbit(low) or low < 0
    assert (low == high) == (Fraction(float(np.float32(float(value)))) == value)


def test_intervals_that_hold_no_float32():
    tenth = Fraction(1, 10)
    low, high = floats_inside([tenth, 0, 2 * LARGEST, -3 * LARGEST], [tenth, 1, 3 * LARGEST, -2 * LARGEST])
    assert np.flatnonzero(low > high).tolist() == [0, 2, 3]
    assert (low[1], high[1]) == (0, 1)


def test_intervals_beyond_float32_are_clipped():
    low, high = floats_inside([-(10**400)], [Fraction(10**400)])
    assert (low[0], high[0]) == (np.finfo(np.float32).min, np.finfo(np.float32).max)


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS), min_size=1, max_size=4))
def test_clipping_stays_inside(pairs):
    lower, upper = [min(pair) for pair in pairs], [max(pair) for pair in pairs]
    low, high = floats_inside(lower, upper)
    for i in np.flatnonzero(low <= high):
        assert lower[i] <= Fraction(float(low[i])) <= Fraction(float(high[i])) <= upper[i]


def real_networks() -> list[Path]:
    folder = os.environ.get("ACASXU_DATA")
    return sorted(Path(folder, "onnx").glob("*.onnx*")) if folder else []


@pytest.mark.skipif(not real_networks(), reason="ACASXU_DATA does not name the networks")
@pytest.mark.parametrize("path", real_networks()[:3], ids=lambda path: path.name)
def test_real_networks(path):
    from engine.onnx_file import load_network

    network = load_network(path)
    point = (Fraction("0.6"), Fraction(-1, 3), 0.1, np.float32(0.45), Fraction("-0.5"))
    outputs = evaluate(network, point)
    assert outputs == naive(network, point)
    rounded = network.evaluate([float(value) for value in point])
    np.testing.assert_allclose(rounded, [float(value) for value in outputs], rtol=1e-9, atol=1e-9)
