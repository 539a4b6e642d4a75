"""New features: what the networks that have them compute, exactly, and what only some of them can tell apart."""

from fractions import Fraction

import numpy as np
import pytest
from cases import case, exact_trace, executable, prop, row
from conftest import network, random_network

from engine import Options, Problem, verify_all
from engine.network import Affine
from engine.repair.edit import edited
from engine.repair.milp import settings as milp_settings
from engine.repair.milp.feature import STRATEGIES, Features
from engine.repair.milp.method import milp
from engine.repair.samples import look_at, regions
from engine.repair.task import Evidence, Task

#: the last two layers know |x| alone; neuron 2 of layer 1 and neuron 1 of layers 2 and 3 never fire
FOLDED = executable(
    network(
        [
            [[1.0], [-1.0], [0.5]],
            [[1.0, 1.0, 0.25], [0.5, 0.5, 1.0]],
            [[1.0, 0.5], [0.25, 0.5]],
            [[-1.0, 0.5], [0.0, 0.25]],
        ],
        [[0.0, 0.0, -2.0], [0.0, -3.0], [0.0, -2.0], [0.5, 0.0]],
        name="folded",
    )
)


def features_of(net, n: int = 500):
    x = np.random.default_rng(0).uniform(-1, 1, (n, net.n_inputs))
    target = prop(case([-1] * net.n_inputs, [1] * net.n_inputs), n_outputs=net.n_outputs)
    samples = look_at(net, regions(Task(net, (target,), (), None, None)), x)
    return Features(net, samples), samples


def with_idle(seed: int):
    """A random network of four layers, two neurons of each hidden one never firing."""
    net, layers = random_network((2, 5, 4, 4, 3), seed=seed), {}
    for k, layer in enumerate(net.layers[:-1]):
        bias = layer.bias.copy()
        bias[1:3] = -100.0
        layers[k] = layer.weight, bias
    return edited(executable(net), layers)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("strategy", "place"), [("shift", 0), ("rewritten", 0), ("rewritten", 1), ("relayed", 0), ("relayed", 1)]
)
def test_the_scores_change_by_the_feature_and_nothing_else(strategy, place, seed):
    """f'(x) = f(x) + v z(x) in exact arithmetic, where the weights and v are short binary fractions."""
    net, random = with_idle(seed), np.random.default_rng(seed)
    features, samples = features_of(net)
    feature, v = features.at(samples, strategy, place), np.array([0.0, 1.0, 0.0])
    weights = feature.base + random.integers(0, 9, len(feature.base)) / 8  # of a shift they are >= 0
    if feature.chain:
        weights = np.append(random.integers(-8, 9, len(feature.base) - 1) / 8, 2.0)
    changed, fired = feature.network(net, v, weights), 0
    read = feature.chain[0][0] if feature.chain else len(net.layers) - 1
    for x in random.integers(-8, 9, (40, 2)) / 8:
        h = [Fraction(float(a)) for a in x]
        for layer in net.layers[:read]:
            h = [max(value, Fraction(0)) for value in exact_affine(layer, h)]
        z = sum((Fraction(float(w)) * a for w, a in zip(weights, h)), Fraction(float(weights[-1])))
        z, fired = (max(z, Fraction(0)), fired + (z > 0)) if feature.chain else (z, fired + 1)
        before, after = exact_trace(net, x).y, exact_trace(changed, x).y
        if feature.chain:
            assert list(after) == [y + Fraction(float(d)) * z for y, d in zip(before, v)]
        else:  # sums of weights are rounded to float32
            assert np.allclose([float(a - b) for a, b in zip(after, before)], v * float(z), atol=1e-5)
    assert fired


def exact_affine(layer: Affine, h: list[Fraction]) -> list[Fraction]:
    return [
        sum((Fraction(float(w)) * a for w, a in zip(row, h)), Fraction(float(b)))
        for row, b in zip(layer.weight, layer.bias)
    ]


def test_features_that_a_network_has_not():
    features, samples = features_of(executable(random_network((2, 4, 4, 3), seed=0)))
    assert features.at(samples, "shift", 0) and features.at(samples, "shift", 1) is None
    assert features.at(samples, "relayed", 0) is None  # all neurons of some layer fire
    assert features.at(samples, "rewritten", 9) is None and features.at(samples, "relayed", 9) is None
    features, samples = features_of(executable(random_network((2, 3), seed=0)))
    assert [features.at(samples, name, 0) is None for name in STRATEGIES] == [True, False, True, True]


def test_neurons_that_nothing_depends_on_are_rewritten_first_those_that_change_least():
    """Neuron 2 decides between the outputs, neuron 0 adds 1/8 to both, neuron 1 never fires."""
    hidden, bias = [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], [0.125, -1.0, 0.0]
    net = executable(network([hidden, [[1, 1, 1], [1, 1, 0]]], [bias, [0.0, 0.25]]))
    features, samples = features_of(net)
    found = [features.at(samples, "rewritten", place) for place in range(3)]
    assert [feature and feature.chain[0][1] for feature in found] == [1, 0, None]
    assert features.at(samples, "extended", 0).chain[0][1] == 2
    after = found[1].scores(np.array([0.0, 1.0]), np.zeros(3))
    assert np.allclose(samples.y - after, 0.125)  # of what the neuron did


def test_only_a_relayed_neuron_tells_apart_what_the_last_layers_do_not(monkeypatch):
    """y0 = 1/2 - |x| is not to be below y1 = 0 on [-1, -3/4], and no advisory is to change on the other side."""
    for name, number in {
        "DOMAIN": 3000,
        "TARGET": 2000,
        "KEEP": 500,
        "FRESH": 3000,
        "MARGINS": (0.03,),
        "TOLERATED": 0.0,
    }.items():
        monkeypatch.setattr(milp_settings, name, number)
    target = prop(case([-1], [Fraction(-3, 4)], [row([1, -1], n_inputs=1)]), n_outputs=2)
    task = Task(FOLDED, (target,), (), np.array([-1.0]), np.array([1.0]))
    offer = lambda *strategies: next(
        milp(task, Evidence(), lambda words: None, backend="highs", strategies=strategies), None
    )
    assert offer("rewritten", "shift", "extended") is None
    found = offer("relayed")
    (verdict,) = verify_all([Problem(found.network, target)], Options(timeout=5, device="cpu"))
    assert verdict.word == "unsat"
    right = np.linspace(-0.7, 1, 500)[:, None]
    assert (found.network.evaluate(right).argmin(1) == FOLDED.evaluate(right).argmin(1)).all()
    assert "relayed" in found.note and "relayed" in offer("shift", "relayed").note
