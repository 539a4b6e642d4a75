"""Proved preservation, against brute force and exact arithmetic."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from cases import with_layers
from conftest import network, random_network

from engine.audit.comparison.certificate import Change
from engine.audit.comparison.check import Walk
from engine.audit.comparison.pair import Pair
from engine.audit.comparison.pair import lowest as rows
from engine.audit.data import Case, Layer, Tree
from engine.audit.data import Network as Read
from engine.bounds.stack import Stack
from engine.comparison.pair import Differences, lowest, paired
from engine.comparison.preservation import preservation
from engine.errors import InputError
from engine.exact import evaluate
from engine.network import Affine, Network

LOWER, UPPER = (Fraction(-1), Fraction(-1)), (Fraction(1), Fraction(1))


def with_layer(net: Network, k: int, *, weight=None, bias=None) -> Network:
    layers = list(net.layers)
    old = layers[k]
    layers[k] = Affine(old.weight if weight is None else weight, old.bias if bias is None else bias, old.relu)
    return Network(tuple(layers), net.name)


def nudged(net: Network, k: int, *, seed: int = 0, by: float = 0.2) -> Network:
    """A few weights and a bias of layer k changed."""
    random = np.random.default_rng(seed)
    weight, bias = net.layers[k].weight.copy(), net.layers[k].bias.copy()
    weight.flat[random.choice(weight.size, 3)] += np.float32(by)
    bias[0] += np.float32(by)
    return with_layer(net, k, weight=weight, bias=bias)


def switched() -> tuple[Network, Network]:
    """A network of |x| and |y|, and the same with an idle neuron of each hidden layer used as a switch that is 1 for
    x >= 3/4 and 0 for x <= 1/2, and lowers the last output."""
    weights = [
        [[1, 0], [-1, 0], [0, 1], [0, -1], [0.5, 0]],
        [[1, 1, 1, 1, 0.5], [-1, -1, -0.5, -0.5, 0.25], [-1, -1, -1, -1, -1]],
        [[1, 0, 0.5], [0, 1, 2], [0.25, 0, 1]],
    ]
    biases = [[0, 0, 0, 0, -2], [0, 1, -0.5], [0, 0.25, 1]]
    original = network(weights, biases)
    weights[0][4], biases[0][4] = [-4, 0], 3  # 3 - 4 x: 0 from x = 3/4 on, 1 at x = 1/2
    for row in weights[1]:
        row[4] = 0
    weights[1][2], biases[1][2] = [0, 0, 0, 0, -1], 1  # 1 - that
    weights[2][0][2] = weights[2][1][2] = 0
    weights[2][2][2] = -2
    return original, network(weights, biases)


def pairs():
    """name -> (original, changed)"""
    made = {"switched": switched()}
    for seed, k in ((0, 0), (1, 1), (2, 2), (3, 2)):
        net = random_network((2, 6, 6, 3), seed=seed)
        made[f"layer {k}, seed {seed}"] = net, nudged(net, k, seed=seed)
    net = random_network((2, 5, 5, 5, 4), seed=4)
    made["layers 1 and 2"] = net, nudged(nudged(net, 1), 2)
    made["a shift"] = net, with_layer(net, 3, bias=net.layers[3].bias + np.array([0, 0.125, 0, 0]))
    relu = Network((*net.layers[:3], Affine(net.layers[3].weight, net.layers[3].bias, True)))
    made["ending in a ReLU"] = relu, nudged(relu, 3)
    affine = with_layers(random_network((2, 5, 4, 5, 3), seed=7), relu=(True, False, True, False))
    made |= {f"affine inside, layer {k}": (affine, nudged(affine, k)) for k in range(4)}
    made["one layer"] = (one := random_network((2, 3), seed=5)), nudged(one, 0)
    made["one output"] = (one := random_network((2, 4, 1), seed=6)), nudged(one, 0)
    return made


PAIRS = pairs()


def prove(original: Network, changed: Network, **options):
    return preservation(original, changed, lower=LOWER, upper=UPPER, threads=1, **({"max_boxes": 1000} | options))


@cache
def proved(name: str):
    return prove(*PAIRS[name])


def leaves(original: Network, changed: Network, found) -> list[tuple]:
    """(lower, upper, which outputs may differ) of each leaf, as the checker sees them."""
    met = []

    class Seen(Walk):
        def _leave(self, nodes, *rest):
            ends = nodes.take(self.tree.split[nodes.number] < 0)
            met.extend(zip(ends.lower, ends.upper, self.pair.unequal(ends.u)))
            return super()._leave(nodes, *rest)

    tree = Tree(
        **{
            name: getattr(found.proof, name).astype(float if name in ("cut", "multiplier_value") else int)
            for name in Tree._fields
        }
    )
    change = Change("", "", found.open, found.unequal, (_case(found.case),), 0, tree, {}, "")
    walk = Seen(change, Pair(_read(original), _read(changed)), "float64")
    walk.walk([*walk.roots()], lambda done: None)
    assert walk.open.at_most(found.open) and walk.unequal.at_most(found.unequal)
    return met


def _read(net: Network) -> Read:
    return Read(tuple(Layer(a.weight, a.bias, a.relu) for a in net.layers), "")


def _case(case):
    return Case(case.lower, case.upper, rows(len(case.unsafe) // 2))


# The pair


@pytest.mark.parametrize("name", PAIRS)
def test_the_pair_is_both_networks(name):
    original, changed = PAIRS[name]
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    both = paired(original, changed).evaluate(x)
    np.testing.assert_allclose(both, np.concatenate([original.evaluate(x), changed.evaluate(x)], 1), atol=1e-12)
    again = Pair(_read(original), _read(changed)).network  # the checker's
    for layer, other in zip(paired(original, changed).layers, again.layers, strict=True):
        assert np.array_equal(layer.weight, other.weight) and np.array_equal(layer.bias, other.bias)


def test_where_each_output_is_lowest():
    polytopes = lowest(2, 3)
    y = tuple(map(Fraction, (2, 1, 1, 0, 5, 0)))
    assert [p.contains((0, 0), y) for p in polytopes] == [False, True, True, True, False, True]


@pytest.mark.parametrize("name", PAIRS)
def test_engine_and_checker_find_the_same_differences(name):
    original, changed = PAIRS[name]
    stack = Stack([paired(original, changed)])
    u = torch.randn(300, stack.n_hidden, generator=torch.Generator().manual_seed(0))
    mine = Differences(original, changed, stack).outputs(u).numpy()
    assert np.array_equal(mine, Pair(_read(original), _read(changed)).unequal(u.numpy()))


def test_what_is_no_bound_shows_nothing():
    original, changed = switched()
    stack = Stack([paired(original, changed)])
    u = torch.full((1, stack.n_hidden), torch.nan)
    assert Differences(original, changed, stack).outputs(u).all()
    assert Pair(_read(original), _read(changed)).unequal(u.numpy()).all()


def test_other_shapes_and_flat_domains_are_refused():
    with pytest.raises(InputError, match="different shapes"):
        prove(random_network((2, 4, 2), seed=0), random_network((2, 5, 2), seed=0))
    net = random_network((2, 4, 2), seed=0)
    with pytest.raises(InputError, match="no volume"):
        preservation(net, net, lower=(0, 0), upper=(1, 0))


# What is proved


@pytest.mark.parametrize("name", PAIRS)
def test_against_brute_force(name):
    """Every sampled point with another advisory lies in an open box, and such points are not more than the bound."""
    original, changed = PAIRS[name]
    found = proved(name)
    x = np.random.default_rng(1).uniform(-1, 1, (20_000, 2))
    before, after = original.evaluate(x), changed.evaluate(x)
    differs = before.argmin(1) != after.argmin(1)
    assert differs.mean() <= float(found.open) + 3 * np.sqrt(float(found.open) / len(x))
    assert (np.abs(before - after).max(1) > 1e-9).mean() <= float(found.unequal) + 0.01
    inside = (found.open_boxes[:, None, 0] <= x[differs]) & (x[differs] <= found.open_boxes[:, None, 1])
    assert inside.all(2).any(0).all()
    assert found.open <= found.unequal <= 1
    if not differs.any() and name != "ending in a ReLU":  # where two outputs are 0, none is excluded
        assert found.open < Fraction(1, 10)


@pytest.mark.parametrize("name", PAIRS)
def test_equal_is_exactly_equal(name):
    original, changed = PAIRS[name]
    random = np.random.default_rng(2)
    met = leaves(original, changed, proved(name))
    for lower, upper, differ in met[:: max(1, len(met) // 40)]:
        x = tuple(Fraction(v) for v in random.uniform(lower, upper))
        y, z = evaluate(original, x), evaluate(changed, x)
        assert all(a == b for a, b, d in zip(y, z, differ) if not d)


def test_a_switch_changes_nothing_outside_its_collar():
    """Outputs change for x > 1/2 alone, and with a cut just before it that is proved at once."""
    cut = prove(*switched(), first=[(np.array([0.499, -2]), np.array([2, 2]))], enough=0.2505)
    assert cut.unequal <= 0.2505001 and cut.boxes < 20


def test_equal_networks_need_one_box():
    net = random_network((2, 6, 6, 3), seed=0)
    found = prove(net, net)
    assert (found.open, found.unequal, found.boxes, len(found.open_boxes)) == (0, 0, 1, 0)


def test_it_can_stop_early(monkeypatch):
    net = random_network((2, 6, 6, 3), seed=2)
    changed = nudged(net, 2)
    assert prove(net, changed, timeout=1e-9).open == 1
    seen = []
    some = prove(net, changed, enough=0.5, batch=1, max_boxes=None, on_progress=seen.append)
    assert prove(net, changed, max_boxes=10, batch=4).boxes in range(10, 14)
    assert 0.4 < some.open <= 0.500001 < seen[0].open and seen[-1].boxes == some.boxes
    monkeypatch.setattr("engine.comparison.pair_search.MAX_OPEN_BYTES", 2000)
    crowded = prove(net, changed, max_boxes=300)
    assert crowded.open > 0 and crowded.open_boxes.size


def test_a_real_network(acasxu_networks):
    """A monotone shift of one score, on a part of the domain."""
    from engine.onnx_file import load_network

    net = load_network(acasxu_networks / "ACASXU_run2a_3_1_batch_2000.onnx")
    bias = net.layers[-1].bias + np.float32(0.125) * np.eye(5)[1]
    lower = [Fraction(v) for v in (0.5, 0.25, -0.5, 0.25, -0.5)]
    upper = [Fraction(v) for v in (0.5625, 0.5, -0.25, 0.5, -0.25)]
    changed = with_layer(net, len(net.layers) - 1, bias=bias)
    found = preservation(net, changed, lower=lower, upper=upper, max_boxes=10_000)
    assert found.open == 0 and found.unequal == 1
    assert leaves(net, changed, found)


def test_a_standin(standin_networks):
    net = standin_networks["standin_tau_80"]
    last = len(net.layers) - 1
    changed = with_layer(net, last, bias=net.layers[last].bias + np.eye(net.n_outputs)[0] * 0.25)
    box = [Fraction(-1, 4)] * net.n_inputs, [Fraction(1, 4)] * net.n_inputs
    found = preservation(net, changed, lower=box[0], upper=box[1], max_boxes=300)
    assert found.open <= 1 and leaves(net, changed, found)
