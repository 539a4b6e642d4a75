"""The checker's layers with a ReLU on some neurons: by hand, against samples, and in both arithmetics."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from test_audit_bounds import frozen, nodes_of
from test_audit_check import Exclusion, exclusions, row
from test_audit_pairs import ARITHMETICS, check_sound, claims_of, joint_of, layers_of, near

from engine.audit import bounds as bounds_module
from engine.audit.arithmetic import Floating
from engine.audit.blocks import joint
from engine.audit.comparison.pair import Pair
from engine.audit.data import Layer, Network, Tie
from engine.audit.exact import Exact
from engine.audit.failures import Rejected
from engine.audit.places import groups_of, hidden_parts, spread
from engine.audit.witness import evaluate

BOXES = [[-1, -1, -0.5], [-0.25, 0, 0.5]], [[1, 0.75, 1], [-0.25, 0.5, 1]]
SOME = np.array([True, False, True, False])


def partial(seed, widths=(3, 5, 4, 6, 2)):
    """A random network with ReLUs on about half of its neurons, of float32. The first layer has one at least."""
    random = np.random.default_rng(seed)
    layers = layers_of(random_network(widths, seed=seed), [random.random(n) < 0.5 for n in widths[1:]])
    first = layers[0].has_relu.copy()
    first[:2] = True, False
    return near([layers[0]._replace(relu=first), *layers[1:]], random, 0.0)


def network_of(layers) -> Network:
    return Network(tuple(layers), "")


# By hand: y = max(x0, x1) = relu(x0 - x1) + x1.

MAXIMUM = [
    Layer(np.array([[1.0, -1.0], [0.0, 1.0]]), np.zeros(2), np.array([True, False])),
    Layer(np.array([[1.0, 1.0]]), np.zeros(1), False),
]
#: z = x0 - x1 is in [-2, 2], so that a = 0, c = 1/2 and t = 1: (coefficient of y, slopes, multipliers; least value)
GOLDEN = [
    (1, {}, {}, "-1"),  # 0 z + x1
    (1, {0: 1024}, {}, "-1"),  # z + x1 = x0
    (1, {0: 512}, {}, "-1"),  # x0 / 2 + x1 / 2
    (-1, {}, {}, "-2"),  # -z / 2 - 1 - x1 = -x0 / 2 - x1 / 2 - 1
    (2, {}, {0: 0.5}, "-3"),  # of z >= 0: -z / 2 + 2 x1 = -x0 / 2 + 5/2 x1
    (-1, {}, {0: -0.25}, "-2"),  # of z <= 0: -z / 4 - 1 - x1 = -x0 / 4 - 3/4 x1 - 1
]


@pytest.mark.parametrize("value, slopes, multipliers, least", GOLDEN)
def test_golden_numbers(value, slopes, multipliers, least):
    """Exactly, in float64 up to its rounding, and in float32 semantics less what section 5 takes off."""
    n, least = 2, Fraction(least)
    unit, floor = -(-(n + 4) * 2**60 // (2**24 - n - 4)) * Fraction(1, 2**60), Fraction(2 * n + 4, 2**126)
    noise = lambda size: unit * Fraction(size) + floor
    m = abs(Fraction(multipliers.get(0, 0)))
    # M of z is 2, of x1 it is 1, and of y it is H + H' = 2 + 1 + N(1)
    lost = abs(value) * (noise(3 + noise(1)) + noise(1) + noise(3)) + m * noise(3)
    for semantics, off in (("real", 0), ("float32", lost)):
        for arithmetic in ARITHMETICS:
            net = network_of(MAXIMUM)
            bounds = arithmetic(net, semantics)
            nodes = nodes_of(bounds, np.array([[-1.0, -1.0]]), np.array([[1.0, 1.0]]))
            assert nodes.l.shape == (1, 1)
            nodes.l[0], nodes.u[0] = -2, 2
            lines = bounds.tighten(nodes)
            assert (nodes.l[0], nodes.u[0]) == (-2, 2)
            shown = Exclusion({0: 1024}, slopes, {j: abs(v) for j, v in multipliers.items()})
            sign = np.array([[np.sign(multipliers.get(0, 0))]])
            (found,) = bounds.margins(nodes, lines, exclusions([(0, [row([value])], shown)], net, sign))
            # z is off by N(M + t) and x1 by N(1); a slope of 0 leaves N(M + t) away from no side
            exact = least - off
            if arithmetic is Exact:
                assert found == exact
            else:
                assert -(10**-12) < Fraction(found) - (exact - m * noise(3) * (semantics == "float32")) < 0


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_sizes_are_of_each_neurons_own_kind(arithmetic):
    """H is max(u, 0) with a ReLU, M + N(M) without."""
    bounds = arithmetic(network_of(MAXIMUM), "real")
    nodes = nodes_of(bounds, np.array([[-1.0, -4.0]]), np.array([[1.0, -2.0]]))
    nodes.l[0], nodes.u[0] = 1, 5
    lines = bounds.tighten(nodes)[0]
    size = (lines[0] if arithmetic is Exact else lines).size
    numbers = [number / 2**size.bits for number in size.numbers] if arithmetic is Exact else size[0].tolist()
    assert numbers == [5, pytest.approx(4, rel=1e-9)]


def test_hidden_neurons_are_those_with_a_relu():
    layers = [Layer(np.ones((4, 1)), np.zeros(4), SOME), Layer(np.ones((2, 4)), np.zeros(2), False)]
    layers += [Layer(np.ones((3, 2)), np.zeros(3), True), Layer(np.ones((2, 3)), np.zeros(2), np.array([False, True]))]
    assert hidden_parts(network_of(layers)) == [slice(0, 2), slice(2, 2), slice(2, 5), slice(5, 6)]
    assert spread(np.array([[1, 2], [3, 4]]), SOME, 9).tolist() == [[1, 9, 2, 9], [3, 9, 4, 9]]


def test_exact_values():
    layers = [Layer(np.eye(4), np.zeros(4), SOME), Layer(np.array([[1.0, 2, 4, 8]]), np.zeros(1), False)]
    assert evaluate(network_of(layers), tuple(map(Fraction, (-1, -1, 3, "-1/3")))) == [
        Fraction(-2 + 12) - Fraction(8, 3)
    ]


# Against samples: roots, halves, and parts by the sign of a neuron; exclusions with any slopes and multipliers.


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("kind", ["real", "rounded", "float32"])
def test_sound(arithmetic, kind):
    semantics = "float32" if kind == "float32" else "real"
    for seed in range(3 if arithmetic is Floating else 1):
        blocks = joint_of((partial(seed), [0, 1, 2]), rounded=kind == "rounded", pairs=())
        check_sound(blocks, arithmetic, semantics, *BOXES, seed=seed, points=5)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_sound_on_any_network(seed, widths):
    blocks = joint_of((partial(seed, (3, 2, *widths, 2)), [0, 1, 2]), pairs=())
    for arithmetic in ARITHMETICS:
        check_sound(blocks, arithmetic, "real", *BOXES, seed=seed, points=4, claims=2)


def wrong_spread(hidden, has_relu, rest):
    """The hidden neurons at the front."""
    return spread(hidden, np.sort(has_relu)[::-1], rest)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name, wrong", [("spread", wrong_spread), ("rectified", lambda z, relu: np.maximum(z, 0))])
def test_wrong_places_are_noticed(monkeypatch, arithmetic, name, wrong):
    """Hidden neurons that are taken for others, and ReLUs at a root where there are none."""
    monkeypatch.setattr(bounds_module, name, wrong)
    with pytest.raises(AssertionError):
        for seed in range(6):
            check_sound(joint_of((partial(seed), [0, 1, 2]), pairs=()), arithmetic, "real", *BOXES, seed=seed)


# Both arithmetics.


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_float64_is_below_exact_arithmetic_and_near(monkeypatch, semantics):
    """On the same lines margins differ by little, and are never above the exact ones; l and u are nearly the same."""
    for seed in range(4):
        net, random = network_of(partial(seed)), np.random.default_rng(seed)
        floating, exact = Floating(net, semantics), Exact(net, semantics)
        lower, upper = (np.array(ends, float) for ends in BOXES)
        nodes = nodes_of(floating, lower, upper)
        other = nodes._replace(l=nodes.l.copy(), u=nodes.u.copy())
        lines = floating.tighten(nodes)
        exact.tighten(other)
        assert np.abs(nodes.l - other.l).max() < 1e-5 and np.abs(nodes.u - other.u).max() < 1e-5
        for one in range(2):
            node = nodes.take(slice(one, one + 1))
            same = frozen(exact, node, monkeypatch)
            chosen = claims_of(net, np.zeros((1, floating.hidden)), random, 8)
            claimed = exclusions(chosen, net, np.zeros((1, floating.hidden)))
            found = floating.margins(node, [line.at(np.array([0])) for line in one_node(lines, one)], claimed)
            for number, value in zip(found.tolist(), exact.margins(node, same, claimed), strict=True):
                assert 0 <= value - Fraction(number) < 10**-9 * (1 + abs(value))


def one_node(lines, place):
    """The lines of one node of a batch."""
    return [
        line._replace(**{name: part[place : place + 1] for name, part in line._asdict().items() if part is not None})
        for line in lines
    ]


# Pairs of blocks, and changed networks.


def alike(seed, rounded=False):
    layers, random = partial(seed), np.random.default_rng(seed)
    return joint_of((layers, [0, 1, 2]), (near(layers, random, 0.02), [0, 1, 2]), rounded=rounded)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("kind", ["real", "rounded", "float32"])
def test_pairs_are_sound(arithmetic, kind):
    semantics, count = "float32" if kind == "float32" else "real", 0
    for seed in range(2 if arithmetic is Floating else 1):
        blocks = alike(seed, kind == "rounded")
        assert any(len(step) == 2 for group in groups_of(blocks) for step in group.steps)
        count += check_sound(blocks, arithmetic, semantics, *BOXES, seed=seed, points=5)
    assert count > 0


def test_blocks_with_relus_elsewhere_are_no_pair():
    free = tuple(Tie({i: Fraction(1)}, Fraction(0)) for i in range(3))
    layers = partial(0)
    first = layers[0]._replace(relu=~layers[0].has_relu)
    other = first._replace(relu=np.roll(layers[0].has_relu, 1))
    networks = [(network_of(layers), free)]
    assert joint([*networks, (network_of(layers), free)], 3, ((0, 1),)).pairs == ((0, 1),)
    for changed in (first, other):
        with pytest.raises(Rejected, match="they have other layers with a ReLU"):
            joint([*networks, (network_of([changed, *layers[1:]]), free)], 3, ((0, 1),))


def test_changed_networks_need_the_same_relus():
    layers = partial(0)
    other = [layers[0]._replace(relu=np.roll(layers[0].has_relu, 1)), *layers[1:]]
    with pytest.raises(Rejected, match="different shapes"):
        Pair(network_of(layers), network_of(other))


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_outputs_are_equal_where_they_are_said_to_be(k):
    """Outputs that may not differ at a node are the same ones at its points, exactly; some are, and some are not."""
    same = other = 0
    for seed in range(8):
        random = np.random.default_rng(seed)
        layers = partial(seed)
        layers[0] = layers[0]._replace(bias=layers[0].bias - 1.5)
        change = random.random(layers[k].weight.shape) < 0.1
        weight = np.where(change, 2 * layers[k].weight, layers[k].weight)
        layers[2] = layers[2]._replace(
            weight=np.where(random.random(layers[2].weight.shape) < 0.5, 0, layers[2].weight)
        )
        changed = [*layers[:k], layers[k]._replace(weight=weight if k != 2 else 2 * layers[2].weight), *layers[k + 1 :]]
        pair = Pair(network_of(layers), network_of(changed))
        bounds = Floating(pair.network, "real")
        nodes = nodes_of(bounds, *(np.array(ends, float) for ends in BOXES))
        bounds.tighten(nodes)
        differ = pair.unequal(nodes.u)
        for i in range(len(nodes.lower)):
            for _ in range(6):
                x = nodes.lower[i] + random.random(3) * (nodes.upper[i] - nodes.lower[i])
                one, two = (evaluate(network_of(each), tuple(map(Fraction, x))) for each in (layers, changed))
                assert all(may or a == b for may, a, b in zip(differ[i].tolist(), one, two, strict=True))
        same, other = same + int((~differ).sum()), other + int(differ.sum())
    assert same > 0 and other > 0
