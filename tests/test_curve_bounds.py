"""Bounds of networks with Sigmoid and Tanh: lines, roots and backward substitution, against exact values."""

import math
from fractions import Fraction

import curve_models
import numpy as np
import plain_curves
import pytest
import torch
from cases import crown_rows, output_rows
from curve_models import CURVES, curve_network
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bounds.crown import Boxes, tighten
from engine.bounds.curves import curve_lines, curve_on
from engine.bounds.interval import hidden_intervals
from engine.bounds.stack import Stack
from engine.curves.enclosure import enclosure
from engine.exact import evaluate, radii
from engine.network import Affine, Network

CPU = torch.device("cpu")
ENDS = st.floats(-40, 40, width=32) | st.floats(-3, 3, width=32) | st.floats(-(2.0**-120), 2.0**-120, width=32)


def lines_at(curve: str, l: float, u: float):
    """(a, c, t, r) of the engine's lines on [l, u], without rounding."""
    ends = (torch.tensor([[v]], dtype=torch.float32) for v in (l, u))
    lines = curve_lines(curve_on(curve, CPU), *ends, torch.zeros_like)
    lower, change, lift, noise = (
        Fraction(float(part[0, 0])) for part in (lines.lower, lines.change, lines.lift, lines.noise)
    )
    return lower, lower + change, lift - noise, -noise


def holds(curve: str, z: Fraction, line) -> bool:
    a, c, t, r = line
    low, high = (Fraction(end, 2**256) for end in enclosure(curve, z, 256))
    return a * z + r <= low and high <= c * z + t


@settings(max_examples=examples(150), deadline=None)
@given(ENDS, ENDS, st.sampled_from(CURVES))
def test_lines_hold_the_curve_and_are_those_of_the_format(one, other, curve):
    l, u = sorted((one, other))
    line = lines_at(curve, l, u)
    assert line == plain_curves.line(curve, Fraction(l), Fraction(u))
    width = Fraction(u) - Fraction(l)
    assert all(holds(curve, Fraction(l) + width * i / 40, line) for i in range(41))
    assert 0 <= line[0] <= 1 and 0 <= line[1] <= 1


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(-300, 300), st.integers(0, 300), st.sampled_from(CURVES))
def test_lines_hold_the_curve_at_places_of_the_tables(first, steps, curve):
    l, u = first / 256, (first + steps) / 256
    line = lines_at(curve, l, u)
    assert all(holds(curve, Fraction(first + i, 256), line) for i in range(steps + 1))


@pytest.mark.parametrize("curve", CURVES)
def test_lines_of_the_numbers_that_are_special(curve):
    numbers = [0.0, 2.0**-149, 1 / 256, 0.5, 31.99, 32.0, 32.004, 33.0, 1e6, 2.0**99]
    numbers += [-v for v in numbers]
    for l in numbers:
        for u in numbers:  # those that exclude each other, too
            line = lines_at(curve, l, u)
            assert line == plain_curves.line(curve, Fraction(l), Fraction(u)), (l, u)
            if l <= u:
                middle = (Fraction(l) + Fraction(u)) / 2
                assert all(holds(curve, z, line) for z in (Fraction(l), middle, Fraction(u)))


def test_golden_lines():
    """On [0, 0] the tangent at 0; on [-1, 1] Tanh's touching tangents."""
    assert lines_at("sigmoid", 0.0, 0.0) == (Fraction(1, 4), Fraction(1, 4), Fraction(1, 2), Fraction(1, 2))
    assert lines_at("tanh", 0.0, 0.0) == (1, 1, 0, 0)
    a, c, t, r = lines_at("tanh", -1.0, 1.0)
    # the tangent from (-1, tanh -1) touches at j / 256 = 0.45..: slope 1 - tanh(j)^2
    j = plain_curves.touch("tanh", -256)
    assert a == c and t == -r and float(c) == pytest.approx(1 - math.tanh(j / 256) ** 2, abs=1e-9)
    assert float(t) == pytest.approx(math.tanh(j / 256) - float(c) * j / 256, abs=1e-9)
    assert float(t - c) == pytest.approx(math.tanh(-1), abs=5e-3)
    # the chord of the convex part
    _, c, t, _ = lines_at("sigmoid", -4.0, -2.0)
    ends = [1 / (1 + math.exp(v)) for v in (4, 2)]
    assert float(c) == pytest.approx((ends[1] - ends[0]) / 2, abs=1e-9)
    assert float(t) == pytest.approx(ends[0] + 4 * float(c), abs=1e-8)
    # beyond 32: constants
    assert lines_at("sigmoid", -40.0, 40.0) == (0, 0, 1, 0)
    assert lines_at("tanh", -40.0, 33.0) == (0, 0, 1, -1)


def test_gaps_are_the_distances_of_lines_in_the_middle():
    l, u = torch.tensor([[-2.0, 0.5, -30.0]]), torch.tensor([[1.0, 0.75, 2.5]])
    gap = curve_on("sigmoid", CPU).gap(l, u)
    for i in range(3):
        a, c, t, r = lines_at("sigmoid", float(l[0, i]), float(u[0, i]))
        assert float(gap[0, i]) == float((c - a) * Fraction(float(l[0, i] + u[0, i])) / 2 + t - r)


def boxes_of(net: Network, *, seed: int, count: int = 6) -> tuple[Stack, Boxes]:
    random = np.random.default_rng(seed)
    middle, radius = random.normal(size=(2, count, net.n_inputs))
    ends = [torch.from_numpy(middle + side * np.abs(radius) * 0.5 ** np.arange(count)[:, None]) for side in (-1, 1)]
    stack, zero = Stack([net]), torch.zeros(count, dtype=torch.long)
    return stack, Boxes(zero, *ends, *hidden_intervals(stack, zero, *ends))


def mixed_network(seed: int, curve: str) -> Network:
    """Layers with a curve on some neurons, on all, on none; a layer of ReLUs; numbers of float64."""
    random = np.random.default_rng(seed)
    masks = [random.random(n) < 0.5 for n in (5, 4)]
    masks[0][:2] = True, False
    kinds = [(masks[0], curve), (True, "tanh"), (False, ""), (True, ""), (masks[1], curve), (False, "")]
    widths = [3, 5, 4, 4, 5, 4, 2]
    layers = []
    for k, (relu, own) in enumerate(kinds):
        weight = random.normal(size=(widths[k + 1], widths[k])) * 2
        layers.append(Affine(weight, random.normal(size=widths[k + 1]), relu, curve=own))
    return Network(tuple(layers), name="mixed")


NETWORKS = {
    "sigmoid": lambda seed: curve_network([3, 6, 6, 2], ["Sigmoid"], seed=seed),
    "tanh": lambda seed: curve_network([2, 8, 5, 5, 3], ["Tanh"], seed=seed),
    "both": lambda seed: curve_network([2, 5, 5, 5, 3], ["Sigmoid", "Tanh", "Relu"], seed=seed),
    "large": lambda seed: curve_network([3, 6, 6, 2], ["Tanh"], seed=seed, gain=2.0**20),
    "mixed": lambda seed: mixed_network(seed, "sigmoid"),
}


def hidden_values(net: Network, point) -> tuple[np.ndarray, np.ndarray]:
    """z of all hidden neurons at a point, exactly but for the second: its error."""
    values, errors = [], []
    for k, layer in enumerate(net.layers):
        part = Network((*net.layers[:k], Affine(layer.matrix, layer.bias, False)))
        z, r = evaluate(part, point), radii(part, point)
        values += [z[j] for j in layer.relus]
        errors += [r[j] for j in layer.relus]
    return values, errors


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_bounds_hold_what_the_network_gives(name, seed):
    net = NETWORKS[name](seed)
    stack, boxes = boxes_of(net, seed=seed)
    rows = output_rows(stack.n_outputs, seed=seed)
    before = boxes.l.clone(), boxes.u.clone()
    lines = tighten(stack, boxes)
    found = crown_rows(stack, boxes, lines, rows)
    assert (boxes.l >= before[0]).all() and (boxes.u <= before[1]).all()
    assert name == "large" or ((boxes.u - boxes.l) < (before[1] - before[0]))[-1].any()  # narrower than intervals
    random = np.random.default_rng(seed)
    for box in range(len(boxes)):
        for _ in range(4):
            x = [Fraction(float(random.choice([a, b, a + (b - a) * random.random()]))) for a, b in ends(boxes, box)]
            z, error = hidden_values(net, x)
            assert all(Fraction(float(l)) <= v + e for l, v, e in zip(boxes.l[box], z, error))
            assert all(v - e <= Fraction(float(u)) for u, v, e in zip(boxes.u[box], z, error))
            y, spread = evaluate(net, x), radii(net, x)
            for row, bound in zip(rows, found[box].tolist()):
                value = sum((Fraction(c) * v for c, v in zip(row, y)), Fraction(row[-1]))
                assert Fraction(bound) <= value + sum(abs(Fraction(c)) * r for c, r in zip(row, spread))


def ends(boxes: Boxes, box: int):
    return zip(boxes.lower[box].tolist(), boxes.upper[box].tolist())


def test_substitution_is_tight_where_the_box_is_a_point():
    net = curve_network([3, 6, 6, 2], ["Sigmoid"], seed=1)
    x = torch.tensor([[0.25, -1.5, 0.75]], dtype=torch.float64)
    stack, zero = Stack([net]), torch.zeros(1, dtype=torch.long)
    boxes = Boxes(zero, x, x, *hidden_intervals(stack, zero, x, x))
    rows = [[1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0], [0, -1.0, 0]]
    found = crown_rows(stack, boxes, tighten(stack, boxes), rows)[0]
    y = net.evaluate(x.numpy())[0]
    assert np.allclose(found.numpy(), [y[0], -y[0], y[1], -y[1]], atol=0.02)  # a place of the tables is 1 / 256 wide


@pytest.mark.parametrize("curve", CURVES)
def test_exact_values_of_networks(curve):
    net, x = curve_models.single(curve), Fraction(3, 7)
    (y,), (r,) = evaluate(net, [x]), radii(net, [x])
    assert y == Fraction(round(curve_models.exact(curve, x) * 2**60), 2**60)
    assert Fraction(1, 2**61) <= r <= Fraction(1001, 1000 * 2**61)
    twice = Network((*net.layers[:1], Affine(np.array([[-8.0]]), np.zeros(1), False)))
    assert evaluate(twice, [x]) == (-8 * y,) and 8 * r * Fraction(999, 1000) < radii(twice, [x])[0]


@pytest.mark.parametrize("seed", range(3))
def test_exact_values_are_near_those_of_float64(seed):
    for make in NETWORKS.values():
        net = make(seed)
        x = np.random.default_rng(seed).normal(size=net.n_inputs)
        assert np.allclose([float(v) for v in evaluate(net, x)], net.evaluate(x), rtol=1e-9, atol=1e-9)
        stack = Stack([net])
        points = torch.from_numpy(x[None])
        assert np.allclose(stack.evaluate(points, torch.zeros(1, dtype=torch.long))[0], net.evaluate(x), atol=1e-9)
