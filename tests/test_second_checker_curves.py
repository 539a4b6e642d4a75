"""Sigmoid and Tanh by the second checker: margins, witnesses and layers that are worked out by hand."""

from fractions import Fraction

import numpy as np
import pytest
import second_checker
import second_checker_file
import second_checker_layers
import second_checker_network
from curve_certificates import case, leaf, network, proof, row, split, witness, written
from onnx_graphs import f32, model, node
from second_checker_cones import accepts_cones, cone, margins
from second_checker_curves import CURVES
from test_second_checker_curves_tables import plain

SIGMOID, TANH = CURVES["Sigmoid"], CURVES["Tanh"]


# --- margins --------------------------------------------------------------------------------------

C = Fraction(7, 8)
ONE = network(([[2]], [-0.5], "Sigmoid"), ([[-1]], [0], ""))  # y = -f(2 x - 1/2)
QUESTION = case([-1], [1], [row({0: 1}, C)])  # unsafe: y + C <= 0; z lies between -5/2 and 3/2


def bounds_of(tmp_path, root, data=ONE, question=QUESTION, **changes) -> list:
    certificate, files = written(tmp_path, proof([question], root, **changes), data)
    return margins(certificate, files.network, files.about)


def test_one_neuron(tmp_path):
    """down(-5/2) is a bit less than -640 / 256, and up(3/2) a bit more than 384 / 256."""
    c, t = SIGMOID.upper(-641, 385)
    (found,) = bounds_of(tmp_path, leaf())
    assert found == C - t - Fraction(3, 2) * c
    assert abs(found - Fraction("0.0500")) < Fraction(1, 10**4)  # the tangent at 283 / 256, where f is 0.7513


def test_a_lower_line(tmp_path):
    """Of 1/8 <= y, which is -f, from below at x = -1."""
    c, t = SIGMOID.upper(-385, 641)
    question = case([-1], [1], [row({0: -1}, Fraction(1, 8))])
    assert bounds_of(tmp_path, leaf(), question=question) == [1 - t - Fraction(5, 2) * c + Fraction(1, 8)]


def test_a_split_by_its_sign(tmp_path):
    """With multipliers: 1/8 where z <= 0, 1/64 where z >= 0."""
    parts = leaf(multipliers=[(0, 1 / 8)]), leaf(multipliers=[(0, 1 / 64)])
    (c, t), (d, u) = SIGMOID.upper(-641, 0), SIGMOID.upper(0, 385)
    below = C - t + Fraction(3, 2) * (Fraction(1, 8) - c)
    above = C - u - Fraction(3, 2) * (Fraction(1, 64) + d)
    assert c > Fraction(1, 8) and bounds_of(tmp_path, split(1, *parts)) == [below, above]


def test_a_split_of_its_input(tmp_path):
    """At x = 1/2, where z is 1/2."""
    (c, t), (d, u) = SIGMOID.upper(-641, 129), SIGMOID.upper(127, 385)
    expected = [C - t - Fraction(1, 2) * c, C - u - Fraction(3, 2) * d]
    assert bounds_of(tmp_path, split(0, leaf(), leaf(), cut=0.5)) == expected


def test_two_layers(tmp_path):
    """Tanh of 4 f(z) - 2: its z is bounded by the lines of f, in place of f's ends."""
    data = network(([[2]], [-0.5], "Sigmoid"), ([[4]], [-2], "Tanh"), ([[-1]], [0], ""))
    a, r, c, t = SIGMOID.line(Fraction(-641, 256), Fraction(385, 256))
    most, least = 4 * (Fraction(3, 2) * c + t) - 2, 4 * (r - Fraction(5, 2) * a) - 2
    ends = 4 * SIGMOID.low(-641) - 2, 4 * SIGMOID.high(385) - 2
    low, high = max(least, ends[0]), min(most, ends[1])
    d, u = TANH.upper(int(256 * low // 1), -int(-256 * high // 1))
    question = case([-1], [1], [row({0: 1}, Fraction(5, 4))])
    assert bounds_of(tmp_path, leaf(), data, question) == [Fraction(5, 4) - u - d * most]


def test_a_rounded_network(tmp_path):
    """x / 3 has noise: 2^-53 times |w x| and the line's larger constant, and then that of y."""
    nodes = [node("Div", "x d", "z"), node("Sigmoid", "z", "h"), node("Neg", "h", "y")]
    data = model(nodes, {"d": f32(3)}, shape=(1, 1)).SerializeToString()
    w, g = Fraction(1 / 3), Fraction(1, 2**53)
    a, r, c, t = SIGMOID.line(Fraction(-1, 256), Fraction(257, 256))
    s = g * (3 * w + max(abs(r), abs(t)))
    expected = C - g * SIGMOID.high(257) - t - s - 3 * w * c
    assert bounds_of(tmp_path, leaf(), data, case([0], [3], [row({0: 1}, C)])) == [expected]


WIDE = network(([[1, 0], [0, 1]], [0, 0], "Sigmoid"), ([[-1, -1]], [0], ""))  # y = -f(x_0) - f(x_1)


def test_a_fixed_neuron_has_a_radius(tmp_path):
    """f(1) lies between multiples of 2^-40: their middle is in b, and half their distance is lost."""
    high = Fraction(27, 16)
    question = case([1, -1], [1, 1], [row({0: 1}, high)])
    c, t = SIGMOID.upper(-257, 257)
    expected = high - SIGMOID.above(Fraction(1)) - t - c
    assert bounds_of(tmp_path, leaf(), WIDE, question, cones=True) == [expected]
    chain = second_checker_network.read_chain(second_checker_network.read_model(tmp_path / "n.onnx")[0]).network("real")
    last = cone(chain, second_checker_file.read_case(question)).blocks[0].layers[1]
    assert last.radii == [Fraction(1, 2**41)] and -last.bias[0] + last.radii[0] == SIGMOID.above(Fraction(1))
    whole = bounds_of(tmp_path, leaf(), WIDE, question)
    assert whole[0] != expected and abs(whole[0] - expected) < Fraction(1, 2**7)


# --- what is not accepted -------------------------------------------------------------------------


def said(tmp_path, draft, data=ONE) -> object:
    certificate, files = written(tmp_path, draft, data)
    try:
        return accepts_cones(certificate, files.network, files.about)
    except ValueError:
        return "malformed"


RELU = network(([[2]], [-0.5], "Relu"), ([[-1]], [0], ""))
FOUND = case([0], [1], [row({0: 1}, Fraction(1, 4))])  # y <= -1/4, which is so at 1/4: f(0) = 1/2
POINT = [Fraction(1, 4)], [Fraction(-1, 2)], [Fraction(-1, 4)]


#: certificate, network, what is to be said of it
FORMS = [
    (proof([QUESTION], leaf()), ONE, True),
    (proof([QUESTION], leaf(slopes=[(0, 512)])), ONE, False),
    (proof([QUESTION], leaf(), version=1), ONE, "malformed"),
    (proof([QUESTION], leaf(), semantics="float32"), ONE, "malformed"),
    (proof([QUESTION], leaf(), cones=0), ONE, "malformed"),
    (proof([QUESTION], leaf(), cones="true"), ONE, "malformed"),
    (proof([QUESTION], leaf(), version=4), ONE, "malformed"),
    (proof([case([-1], [1], [row({0: 1}, 2)])], leaf()), RELU, False),
    (proof([case([1], [1], [row({0: 1}, C)])], leaf(), cones=True), ONE, False),
    (witness(FOUND, *POINT), ONE, True),
    (witness(FOUND, *POINT, cones=True), ONE, "malformed"),
    (witness(FOUND, *POINT, semantics="float32"), ONE, "malformed"),
]


@pytest.mark.parametrize("draft, data, word", FORMS)
def test_the_form(tmp_path, draft, data, word):
    assert said(tmp_path, draft, data) == word


@pytest.mark.parametrize("version", [1, 4])
def test_versions_for_other_networks(tmp_path, version):
    """None of a lower version is about a curve."""
    draft = proof([QUESTION], leaf(), version=version)
    del draft.manifest["cones"]
    assert said(tmp_path, draft) is False


# --- witnesses ------------------------------------------------------------------------------------


def witness_of(constant, value, data=ONE, x=Fraction(1)):
    return witness(case([0], [1], [row({0: 1}, constant)]), [x], [value], [value + constant])


def test_a_witness_has_the_nearest_multiples(tmp_path):
    """And not the next ones; f(3/2), which y is less, is known up to 2^-61."""
    value = -Fraction(round(plain("Sigmoid", Fraction(3, 2)) * 2**60), 2**60)
    unit, radius = Fraction(1, 2**60), Fraction(1, 2**61)
    assert said(tmp_path, witness_of(-value - radius, value)) is True
    assert said(tmp_path, witness_of(-value - radius + unit / 1024, value)) is False
    assert said(tmp_path, witness_of(-value - 2 * unit, value + unit)) is False
    assert said(tmp_path, witness_of(-value - 2 * unit, value - unit)) is False


def test_radii_of_two_layers(tmp_path):
    """|W| 2^-61 after the first one, and 2^-61 more after the second."""
    data = network(([[1]], [0], "Tanh"), ([[-3]], [0], "Tanh"))
    first = Fraction(round(plain("Tanh", Fraction(1)) * 2**60), 2**60)
    value = Fraction(round(plain("Tanh", -3 * first) * 2**60), 2**60)
    radius = Fraction(4, 2**61)
    assert said(tmp_path, witness_of(-value - radius, value), data) is True
    assert said(tmp_path, witness_of(-value - radius + Fraction(1, 2**70), value), data) is False


def test_what_is_carried_on_has_no_radius():
    """x and f(x): a neuron without a curve is as in a layer without one."""
    nodes = [node("Tanh", "x", "h"), node("Concat", "h x", "y", axis=1)]
    block = chain_of(nodes).network("real").blocks[0]
    assert second_checker.evaluate(block, [Fraction(0), Fraction(1)])[1] == [Fraction(1, 2**61)] * 2 + [0, 0]


# --- networks -------------------------------------------------------------------------------------

GRAPHS = {
    "before any layer": ([node("Sigmoid", "x", "y")], [SIGMOID]),
    "after a product": ([node("MatMul", "x w", "m"), node("Tanh", "m", "y")], [TANH]),
    "after a ReLU": ([node("Relu", "x", "h"), node("Sigmoid", "h", "y")], [None, SIGMOID]),
    "before a ReLU": ([node("Sigmoid", "x", "h"), node("Relu", "h", "y")], [SIGMOID, None]),
    "twice": ([node("Tanh", "x", "h"), node("Tanh", "h", "y")], [TANH, TANH]),
    "of two nodes": ([node("Tanh", "x", "h"), node("Tanh", "x", "g"), node("Sub", "h g", "y")], [TANH, None]),
    "beside a signal": ([node("Tanh", "x", "h"), node("Add", "h x", "y")], [TANH, None]),
    "of what met": ([node("Neg", "x", "n"), node("Concat", "x n", "c", axis=1), node("Tanh", "c", "y")], [TANH]),
    "of a part that has one": (
        [node("Tanh", "x", "h"), node("Concat", "x h", "c", axis=1), node("Tanh", "c", "y")],
        [TANH, TANH],
    ),
}


def chain_of(nodes):
    return second_checker_network.read_chain(model(nodes, {"w": f32([1, 2], [3, 4])}, shape=(1, 2)))


@pytest.mark.parametrize("name", GRAPHS)
def test_layers(name):
    nodes, curves = GRAPHS[name]
    assert [layer.curve for layer in chain_of(nodes).layers] == curves


def test_a_carried_signal_has_no_curve():
    (tanh, _) = chain_of(GRAPHS["beside a signal"][0]).layers
    assert tanh.relus == [True, True, False, False] and tanh.weights == np.vstack([np.eye(2)] * 2).tolist()


@pytest.mark.parametrize("other", ["Relu", "Sigmoid"])
def test_two_kinds_do_not_meet(other):
    with pytest.raises(ValueError):
        chain_of([node("Tanh", "x", "h"), node(other, "x", "g"), node("Add", "h g", "y")])


def test_a_curve_is_no_float32_semantics():
    with pytest.raises(second_checker_layers.Rejected):
        chain_of(GRAPHS["after a product"][0]).network("float32")
