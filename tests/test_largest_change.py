"""The proved bound of a change of scores: it holds at every point, closes in on the truth, and is z3's."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import z3
from cases import executable
from conftest import random_network
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from test_structure import edited

from engine.comparison.asking import Asked
from engine.comparison.difference_network import difference_network
from engine.comparison.largest_change import largest_change
from engine.comparison.questions import Equivalent
from engine.comparison.seeking import seek
from engine.exact import evaluate
from engine.network import Affine, Network
from engine.search.problem import Options

LOWER, UPPER = (Fraction(-1),) * 2, (Fraction(1),) * 2
NET = random_network((2, 6, 5, 4), seed=3)
EDITS = {
    "one score": {2: {"w_1_2": 0.5, "b_1": 0.25}},
    "two scores": {2: {"w_1_2": -0.5, "w_3_0": 1.0}},
    "a neuron rewritten": {1: {"w_2_3": 0.5, "w_2_0": -1.0, "b_2": 0.5}, 2: {"w_0_2": 1.0}},
    "an early neuron": {0: {"w_3_1": 0.5}},
    "all layers": {0: {"b_1": 0.25}, 1: {"w_0_0": -0.5}, 2: {"b_3": 1.0}},
    "what float64 does not hold": {2: {"w_1_2": 2.0**60, "b_1": 2.0**60}},
    "nothing": {},
}


def changed(edits) -> Network:
    net = NET
    for layer, places in edits.items():
        net = edited(net, layer, **places)
    return net


def bounded(net: Network, other: Network, goal=0, seconds: float = 10.0):
    found = largest_change(net, other, lower=LOWER, upper=UPPER, goal=Fraction(goal), seconds=seconds)
    assert found.bound is not None
    return found


def exact_change(net: Network, other: Network, x) -> Fraction:
    x = tuple(map(Fraction, x))
    return max(abs(b - a) for a, b in zip(evaluate(net, x), evaluate(other, x)))


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS)
def test_the_difference_is_a_network(edits):
    """Exactly, at any point."""
    other = changed(edits)
    found = difference_network(NET, other)
    for x in np.random.default_rng(0).uniform(-2, 2, (20, 2)):
        point = tuple(map(Fraction, x))
        before, after = evaluate(NET, point), evaluate(other, point)
        differs = {j: b - a for j, (a, b) in enumerate(zip(before, after))}
        if found.outputs:
            values = evaluate(found.network, point)
            for j, value, rest in zip(found.outputs, values, found.rest):
                assert value + rest == differs.pop(j)
        assert not any(differs.values())


def test_what_is_shared_stands_once():
    assert (
        difference_network(NET, changed(EDITS["one score"])).network.shape
        == replace(
            NET, layers=(*NET.layers[:2], Affine(NET.layers[2].weight[1:2], NET.layers[2].bias[1:2], relu=False))
        ).shape
    )
    widths = [layer.shape[0] for layer in difference_network(NET, changed(EDITS["a neuron rewritten"])).network.layers]
    assert widths == [6, 6, 4]


def test_of_one_layer_alone():
    one = Network((Affine(np.array([[1.0, 3.0]]), np.array([1e-20]), relu=False),))
    other = Network((Affine(np.array([[1.0, 1e-30]]), np.array([1.0]), relu=False),))
    found = difference_network(one, other)
    (value,) = evaluate(found.network, (Fraction(1), Fraction(-1, 3)))
    exact = exact_change(one, other, (Fraction(1), Fraction(-1, 3)))
    assert abs(value + found.rest[0]) == exact and found.rest[0] != 0
    assert bounded(one, other, seconds=1.0).bound >= exact_change(one, other, (Fraction(1), Fraction(-1)))


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS)
def test_the_bound_holds_and_is_close(edits):
    """At samples exactly, and attack does not beat it; a part of it is seen."""
    other = changed(edits)
    points = np.random.default_rng(1).uniform(-1, 1, (300, 2))
    seen = max(exact_change(NET, other, x) for x in points)
    found = bounded(NET, other, seen * Fraction(11, 10), seconds=5.0)
    assert found.bound >= seen and found.bound <= seen * Fraction(3, 2)
    if seen and "float64" not in str(edits):
        nets = tuple(executable(net) for net in (NET, other))
        asked = Asked(Equivalent(Fraction(0)), nets, ((LOWER, UPPER),))
        answer = seek(asked, Options(device="cpu"))
        assert answer is not None and answer.asked.statement.eps <= found.bound


def test_less_than_is_true_is_never_proved():
    """A goal that a point refutes stays open, and the bound stays above that point."""
    other = changed(EDITS["a neuron rewritten"])
    points = np.random.default_rng(1).uniform(-1, 1, (300, 2))
    seen = max(exact_change(NET, other, x) for x in points)
    assert bounded(NET, other, seen * Fraction(99, 100), seconds=0.5).bound >= seen


def test_equal_networks_change_by_nothing():
    assert bounded(NET, NET).bound == 0


def test_without_time_nothing_is_proved():
    other = changed(EDITS["two scores"])
    found = largest_change(NET, other, lower=LOWER, upper=UPPER, goal=Fraction(0), seconds=0.0)
    assert found.bound is None and found.boxes == 0


NUMBERS = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@st.composite
def pairs(draw):
    both = []
    for _ in range(2):
        layers = []
        for inputs, out, relu in ((1, 2, True), (2, 2, True), (2, 2, False)):
            table = np.array(draw(st.lists(NUMBERS, min_size=out * (inputs + 1), max_size=out * (inputs + 1))))
            table = table.reshape(out, inputs + 1)
            layers.append(Affine(table[:, :-1], table[:, -1], relu))
        both.append(layers)
    first = draw(st.integers(0, 2))  # from here on they differ
    return Network(tuple(both[0])), Network((*both[0][:first], *both[1][first:]))


@limits(max_examples=8, deadline=None)
@given(pairs())
def test_z3_finds_nothing_above(nets):
    found = largest_change(*nets, lower=(Fraction(-1),), upper=(Fraction(1),), goal=Fraction(1, 10), seconds=0.5)
    assert found.bound is not None
    x = z3.Real("x")
    outputs = [_symbolic(net, [x]) for net in nets]
    solver = z3.Solver()
    above = [z3.Or(b - a > _real(found.bound), a - b > _real(found.bound)) for a, b in zip(*outputs)]
    solver.add(x >= -1, x <= 1, z3.Or(*above))
    assert solver.check() == z3.unsat


def _symbolic(net: Network, values):
    for layer in net.layers:
        values = [
            z3.Sum([_real(Fraction(w)) * v for w, v in zip(row, values)]) + _real(Fraction(b))
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist())
        ]
        values = [z3.If(v > 0, v, 0) for v in values] if layer.relu else values
    return values


def _real(value: Fraction):
    return z3.RealVal(f"{value.numerator}/{value.denominator}")
