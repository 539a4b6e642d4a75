"""The part of a network that free inputs reach: its functions, biases and radii, in exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import case, check_hidden, exact_trace, row
from cone_questions import INPUTS, at, fixed_case, windowed_network
from conftest import network

from engine.bounds.crown import Boxes, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.stack import Stack
from engine.cone import Cone, cones, free_inputs
from engine.cone.constants import Products
from engine.cone.reach import reach_of
from engine.errors import InputError
from engine.network import Affine, Network

FREE = (6, 7)


def cones_of(net: Network, cases, free=FREE) -> list[Cone]:
    reach = reach_of(net, free)
    assert reach
    return cones(reach, Products(net), cases)


def true_biases(cone: Cone, network: Network) -> list[list[Fraction]]:
    """The biases of the cone's layers in exact rationals, from the network's numbers, which may be Fractions."""
    h = {i: v for i, v in enumerate(cone.whole.lower) if i not in cone.reach.free}
    found = []
    for layer, rows in zip(network.layers, cone.reach.rows, strict=True):
        weight, bias = layer.weight.tolist(), layer.bias.tolist()
        z = [Fraction(b) + sum(Fraction(line[i]) * v for i, v in h.items() if line[i]) for line, b in zip(weight, bias)]
        found.append([z[j] for j in rows])
        h = {j: max(v, Fraction(0)) if layer.relu else v for j, v in enumerate(z) if j not in rows}
    return found


def check_biases(cone: Cone, network: Network) -> list[Fraction]:
    """All true biases are within their radii, which are of rounding alone; how far off they are."""
    off = []
    for layer, true in zip(cone.network.layers, true_biases(cone, network), strict=True):
        for bias, radius, value in zip(layer.bias.tolist(), layer.radius.tolist(), true, strict=True):
            off.append(abs(Fraction(bias) - value))
            assert off[-1] <= Fraction(radius)
            assert radius < 1e-10
    return off


@pytest.mark.parametrize("decimals", [True, False])
def test_true_biases_are_within_their_radii(decimals):
    off = []
    for seed in range(6):
        net = windowed_network(seed)
        cases = [fixed_case(FREE, seed=10 * seed + i, decimals=decimals) for i in range(4)]
        off += [value for cone in cones_of(net, cases) for value in check_biases(cone, net)]
    assert any(off)  # else radii of 0 would do


def test_radii_hold_what_cancellation_leaves_of_rounding():
    random = np.random.default_rng(0)
    large = random.normal(size=(5, 20)) * 2.0 ** random.integers(0, 40, (5, 20))
    weight = np.concatenate([np.ones((5, 1)), large, -large * (1 + 2.0**-50)], 1)
    net = network([weight, random.normal(size=(2, 5))], [np.zeros(5), np.zeros(2)])
    fixed = [Fraction(int(v), 7) for v in random.integers(1, 100, 20)]
    (cone,) = cones_of(net, [case([-1, *fixed, *fixed], [1, *fixed, *fixed])], (0,))
    true = true_biases(cone, net)[0]
    layer = cone.network.layers[0]
    off = [abs(Fraction(b) - value) for b, value in zip(layer.bias.tolist(), true, strict=True)]
    assert all(0 < a <= Fraction(r) for a, r in zip(off, layer.radius.tolist(), strict=True))


def test_radii_hold_the_numbers_that_a_rounded_network_stands_for():
    random = np.random.default_rng(1)
    thirds = [np.array([[Fraction(int(v), 3) for v in line] for line in random.integers(-9, 9, shape)], dtype=object)
              for shape in ((6, 5), (4, 6), (2, 4))]  # fmt: skip
    thirds[0][3:, 0] = 0  # so that some neurons are not reached
    exact = Network(tuple(Affine(w, np.array([Fraction(1, 7)] * len(w), dtype=object), k < 2, True)
                          for k, w in enumerate(thirds)))  # fmt: skip
    held = Network(tuple(Affine(a.weight.astype(float), a.bias.astype(float), a.relu, True) for a in exact.layers))
    (cone,) = cones_of(held, [case([-1, *["0.3"] * 4], [1, *["0.3"] * 4])], (0,))
    assert all(layer.rounded for layer in cone.network.layers)
    assert any(check_biases(cone, exact))


def test_the_cone_with_its_true_biases_is_the_network():
    random = np.random.default_rng(2)
    for seed in range(6):
        net = windowed_network(seed)
        (cone,) = cones_of(net, [fixed_case(FREE, seed=seed)])
        biases = true_biases(cone, net)
        assert len(cone.reach.hidden) < sum(len(layer.bias) for layer in net.layers if layer.relu)
        for _ in range(4):
            point = at(cone.whole, random.random(INPUTS))
            h, hidden = [point[i] for i in FREE], []
            for layer, bias in zip(cone.network.layers, biases, strict=True):
                h = [b + sum(Fraction(w) * v for w, v in zip(line, h)) for line, b in zip(layer.weight.tolist(), bias)]
                hidden += h if layer.relu else []
                h = [max(v, Fraction(0)) for v in h] if layer.relu else h
            trace = exact_trace(net, point)
            assert h == trace.y
            assert hidden == [trace.z[j] for j in cone.reach.hidden]
            values = [r.value(tuple(point[i] for i in FREE), tuple(h)) for p in cone.case.unsafe for r in p.rows]
            assert values == [r.value(tuple(point), tuple(h)) for p in cone.whole.unsafe for r in p.rows]
            given = cone.point(np.array([float(point[i]) for i in FREE]))
            assert given.tolist() == [float(v) for v in point]


def test_weights_are_shared_and_biases_are_not():
    net = windowed_network(0)
    one, other = cones_of(net, [fixed_case(FREE, seed=i) for i in range(2)])
    for a, b in zip(one.network.layers, other.network.layers, strict=True):
        assert a.weight is b.weight
        assert a.bias is not b.bias
    assert any((a.bias != b.bias).any() for a, b in zip(one.network.layers, other.network.layers))


# Bounds


def boxes_of(stack: Stack, made: list[Cone]) -> Boxes:
    lower, upper = (
        torch.tensor([[float(v) for v in getattr(cone.case, end)] for cone in made]) for end in ("lower", "upper")
    )
    which = torch.arange(len(made))
    l, u = hidden_intervals(stack, which, lower.double(), upper.double())
    return Boxes(which, lower.double(), upper.double(), l, u)


def test_bounds_of_cones_hold_in_the_whole_network():
    random = np.random.default_rng(3)
    net = windowed_network(3)
    made = cones_of(net, [fixed_case(FREE, seed=i, decimals=False) for i in range(5)])
    stack = Stack([cone.network for cone in made])
    boxes = boxes_of(stack, made)
    evidence = []
    for cone in made:
        traces = [exact_trace(net, at(cone.whole, random.integers(0, 5, INPUTS) / 4)) for _ in range(8)]
        for trace in traces:
            trace.z[:] = [trace.z[j] for j in cone.reach.hidden]
        evidence.append(traces)
    check_hidden(boxes, evidence)
    tighten(stack, boxes)
    check_hidden(boxes, evidence)


# Hostile


def test_neurons_that_nothing_reaches_make_no_cone():
    net = network([[[1, 0, 0], [0, 1, 1]], [[1, 0], [0, 0]], [[1, 1]]], [[0, 0], [0, 0], [0]])
    assert reach_of(net, (0,)).hidden.tolist() == [0, 2]
    assert reach_of(net, (1, 2)) is None  # the second layer reads nothing of what they reach
    assert reach_of(net, ()) is None
    assert reach_of(net, (0, 1, 2)).hidden.tolist() == [0, 1, 2]


def test_an_output_that_is_not_reached_is_its_constant():
    net = network([[[1, 0], [0, 1]], [[2, 0], [0, 3]]], [[0, 0.5], [0, 0.25]])
    (cone,) = cones_of(net, [case([-1, "0.5"], [1, "0.5"], [row([0, 1])])], (0,))
    assert cone.network.evaluate(np.array([[1.0]])).tolist() == [[2.0, 3.25]]
    assert cone.network.layers[1].weight.tolist() == [[2.0], [0.0]]


def test_a_network_of_one_layer_is_reached_in_its_outputs():
    net = network([[[1, 2, 3]]], [[1]])
    (cone,) = cones_of(net, [case([0, -1, 5], [0, 1, 5])], (1,))
    assert cone.network.evaluate(np.array([[1.0]])).tolist() == [[18.0]]


def test_free_inputs_are_those_of_more_than_one_value():
    assert free_inputs(case([0, "0.1", 2], [0, "0.2", 2])) == (1,)
    assert free_inputs(case(["1e-400"], ["1e-399"])) == (0,)


@pytest.mark.parametrize("value", [2**100, -(2**100), 10**400])
def test_constants_beyond_the_rounding_analysis_are_refused(value):
    net = network([[[1, 1], [0, 1]], [[1, 1]]], [[0, 0], [0]], name="huge")
    with pytest.raises(InputError, match="2\\^100"):
        cones_of(net, [case([0, value], [1, value])], (0,))


def test_sums_of_constants_beyond_the_rounding_analysis_are_refused():
    net = network([[[1, 2.0**60], [0, 2.0**60]], [[1, 1]]], [[0, 0], [0]], name="huge")
    with pytest.raises(InputError, match="layer 1 may reach 2\\^100"):
        cones_of(net, [case([0, 2**41], [1, 2**41])], (0,))
