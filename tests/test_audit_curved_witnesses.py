"""Witnesses of version 5 (section 14 of the format), and networks whose signals meet behind curves."""

from decimal import ROUND_HALF_EVEN, localcontext
from fractions import Fraction

import numpy as np
import pytest
from curve_definition import DIGITS, multiple, value
from curved_networks import Asked, Curved, random_curved
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import f32, model, node
from test_audit_check import accepted, case, rejected, row

from engine.audit.curves.curve import Curve
from engine.audit.data import Network
from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network
from engine.audit.witness import evaluate, radii

UNIT = Fraction(1, 2**61)


def by_definition(layers, point):
    """Section 14, "A witness": outputs, and r_L, of layers (rows, biases, kinds) that are not rounded."""
    h, r = list(point), [Fraction(0)] * len(point)
    for rows, biases, kinds in layers:
        z = [sum((w * v for w, v in zip(row, h)), b) for row, b in zip(rows, biases)]
        r = [sum((abs(w) * v for w, v in zip(row, r)), Fraction(0)) for row in rows]
        h = [bent(v, kind) for v, kind in zip(z, kinds)]
        r = [v + UNIT * (kind in ("Sigmoid", "Tanh")) for v, kind in zip(r, kinds)]
    return h, r


def bent(z, kind):
    if kind in ("", "Relu"):
        return max(z, Fraction(0)) if kind else z
    with localcontext(prec=DIGITS):
        return multiple(value(kind, z), 60, ROUND_HALF_EVEN)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.fractions(-20, 20, max_denominator=10**6), min_size=3, max_size=3))
def test_outputs_and_radii_are_those_of_the_definition(seed, point):
    net = random_curved((3, 4, 3, 2), seed, ("Sigmoid", "Relu", "Tanh"), scale=3.0)
    outputs, reach = by_definition(net.plain.layers, point)
    assert evaluate(net.audit, point) == outputs and radii(net.audit, point) == reach
    assert all(abs(y - true) <= r for y, true, r in zip(outputs, net.trace(point)[1], reach))
    assert all(r > 0 for r in reach)


def test_radii_of_a_rounded_network_have_both():
    net = random_curved((2, 3, 1), 0)
    point, audit = [Fraction(1, 3), Fraction(-2)], net.audit
    exact, rounded = radii(audit, point), radii(Network(audit.layers, "", rounded=True), point)
    assert 0 < exact[0] < rounded[0] < exact[0] + Fraction(20, 2**53)


def witness(folder, constant, **more) -> Asked:
    """y + constant <= 0 at x = 1/3, of y = tanh(2 x) - 1/4 in two steps, so that r_L is not one unit alone."""
    net = Curved([[[2.0]], [[4.0]]], [[0.0], [-0.25]], ["Tanh", ""])
    rows = [row([1], constant)]
    asked = Asked(folder, net, [case([-1], [1], rows)], more)
    point = [Fraction(1, 3)]
    outputs, _ = by_definition(net.plain.layers, point)
    return asked.write_witness(point, outputs, [outputs[0] + constant], case(point, point, rows))


def test_witnesses(tmp_path):
    value_here = by_definition(random_net().plain.layers, [Fraction(1, 3)])[0][0]
    result = accepted(witness(tmp_path, -value_here - 4 * UNIT))
    assert result.kind == "witness" and result.certificate.version == 5
    rejected(witness(tmp_path, -value_here - 3 * UNIT), "unsafe set")  # it may be so, within r_L
    rejected(witness(tmp_path, 1 - value_here), "unsafe set")


def random_net() -> Curved:
    return Curved([[[2.0]], [[4.0]]], [[0.0], [-0.25]], ["Tanh", ""])


def test_witnesses_with_other_outputs_are_rejected(tmp_path):
    asked = witness(tmp_path, -4)
    net, rows = asked.net, asked.cases[0]["unsafe"][0]
    point = [Fraction(1, 3)]
    outputs, _ = by_definition(net.plain.layers, point)
    for change in (Fraction(1, 2**58), Fraction(-1, 2**58)):
        wrong = [outputs[0] + change]
        asked.write_witness(point, wrong, [wrong[0] - 4], case(point, point, rows))
        rejected(asked, "outputs are not")
    asked.write_witness(point, outputs, [outputs[0] - 4], case(point, point, rows))
    accepted(asked)


@pytest.mark.parametrize("more", [{"cones": True}, {"cones": None}, {"semantics": "float32"}, {"version": 4}])
def test_witnesses_of_another_form_are_malformed(tmp_path, more):
    with pytest.raises(Malformed):
        witness(tmp_path, -4, **more).run()


# --- graphs ---------------------------------------------------------------------------------------

CONSTANTS = {"W": f32([1, 2], [3, -4]), "V": f32([2, 0], [0, 2]), "b": f32([0.5, -1])}
ONE = [[1, 0], [0, 1]]
SIGMOID, TANH = Curve.SIGMOID, Curve.TANH
W = [[1, 3], [2, -4]]  # as layers have it
GRAPHS = {
    "before any layer": ([node("Tanh", "x", "y")], [(ONE, [0, 0], True, TANH)]),
    "after a product and a sum": (
        [node("MatMul", "x W", "a"), node("Add", "a b", "c"), node("Sigmoid", "c", "y")],
        [(W, [0.5, -1], True, SIGMOID)],
    ),
    "after a ReLU": (
        [node("MatMul", "x W", "a"), node("Relu", "a", "c"), node("Tanh", "c", "y")],
        [(W, [0, 0], True, None), (ONE, [0, 0], True, TANH)],
    ),
    "before a ReLU": (
        [node("Tanh", "x", "a"), node("Relu", "a", "y")],
        [(ONE, [0, 0], True, TANH), (ONE, [0, 0], True, None)],
    ),
    "one after the other": (
        [node("Tanh", "x", "a"), node("Tanh", "a", "c"), node("Sigmoid", "c", "y")],
        [(ONE, [0, 0], True, TANH), (ONE, [0, 0], True, TANH), (ONE, [0, 0], True, SIGMOID)],
    ),
    "after what is piecewise linear": (
        [node("Abs", "x", "a"), node("Tanh", "a", "y")],
        [
            ([[1, 0], [0, 1], [-1, 0], [0, -1]], [0] * 4, True, None),
            ([[1, 0, 1, 0], [0, 1, 0, 1]], [0, 0], True, TANH),
        ],
    ),
    "and an Add behind is a layer": (
        [node("MatMul", "x W", "a"), node("Sigmoid", "a", "c"), node("Add", "c b", "y")],
        [(W, [0, 0], True, SIGMOID), (ONE, [0.5, -1], False, None)],
    ),
    "beside what has none": (
        [node("MatMul", "x W", "a"), node("Tanh", "a", "c"), node("Add", "c a", "y")],
        [
            ([*W, *W], [0] * 4, [True, True, False, False], TANH),
            ([[1, 0, 1, 0], [0, 1, 0, 1]], [0, 0], False, None),
        ],
    ),
    "beside what ends before": (
        [node("Tanh", "x", "a"), node("Concat", "x a", "y", axis=1)],
        [([*ONE, *ONE], [0] * 4, [False, False, True, True], TANH)],
    ),
    "and over what has none already": (
        [node("Concat", "x x", "c", axis=1), node("Sigmoid", "c", "y")],
        [([*ONE, *ONE], [0] * 4, True, SIGMOID)],
    ),
    "twice the same": (
        [node("MatMul", "x W", "a"), node("Tanh", "a", "c"), node("Tanh", "a", "d"), node("Sub", "c d", "y")],
        [(W, [0, 0], True, TANH), ([[0, 0], [0, 0]], [0, 0], False, None)],
    ),
    "the same, side by side": (
        [node("MatMul", "x W", "a"), node("Tanh", "a", "c"), node("MatMul", "x V", "e"), node("Tanh", "e", "d"),
         node("Add", "c d", "y")],
        [([*W, [2, 0], [0, 2]], [0] * 4, True, TANH), ([[1, 0, 1, 0], [0, 1, 0, 1]], [0, 0], False, None)],
    ),
}  # fmt: skip


def read(path, nodes) -> Network:
    used = {name for each in nodes for name in each.input}
    constants = {name: array for name, array in CONSTANTS.items() if name in used}
    path.write_bytes(model(nodes, constants, shape=(1, 2)).SerializeToString())
    return read_network(path)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_read_as_layers(tmp_path, name):
    nodes, layers = GRAPHS[name]
    found = read(tmp_path / "net.onnx", nodes)
    assert len(found.layers) == len(layers) and found.obstacle
    for layer, (weight, bias, relu, curve) in zip(found.layers, layers):
        assert np.asarray(layer.weight).tolist() == weight and layer.bias.tolist() == bias
        assert layer.has_relu.tolist() == np.broadcast_to(relu, len(bias)).tolist() and layer.curve is curve


REFUSED = {
    "two curves": [node("Tanh", "x", "a"), node("Sigmoid", "x", "c"), node("Add", "a c", "y")],
    "a curve and a ReLU": [node("Tanh", "x", "a"), node("Relu", "x", "c"), node("Concat", "a c", "y", axis=1)],
    "a curve and an absolute value": [node("Abs", "x", "a"), node("Tanh", "x", "c"), node("Sub", "a c", "y")],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_signals_that_bend_in_other_ways_do_not_meet(tmp_path, name):
    with pytest.raises(Malformed, match="bent in other ways"):
        read(tmp_path / "net.onnx", REFUSED[name])


def test_a_layer_with_a_curve_on_some_neurons(tmp_path):
    """Each neuron is as its own kind of layer has it: values, radii and bounds."""
    net = read(tmp_path / "net.onnx", GRAPHS["beside what has none"][0])
    point = [Fraction(1, 7), Fraction(-2, 3)]
    layers = [
        ([list(map(Fraction, w)) for w in [*W, *W]], [Fraction(0)] * 4, ["Tanh", "Tanh", "", ""]),
        ([list(map(Fraction, w)) for w in ([1, 0, 1, 0], [0, 1, 0, 1])], [Fraction(0)] * 2, ["", ""]),
    ]
    outputs, reach = by_definition(layers, point)
    assert evaluate(net, point) == outputs and radii(net, point) == reach == [UNIT, UNIT]
