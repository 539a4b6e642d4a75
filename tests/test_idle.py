"""Repair with idle neurons: what is idle, what they measure, and that nothing changes outside the collar."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import case, executable, prop, row
from conftest import network, random_network

from engine import exact
from engine.acasxu.domain import acasxu_domain
from engine.acasxu.files import network_path, property_path
from engine.network import Network
from engine.onnx_file import load_network
from engine.repair.edit import edited
from engine.repair.idle.collar import distances
from engine.repair.idle.graft import Graft, collar_of
from engine.repair.idle.method import idle
from engine.repair.idle.neurons import idle_neurons
from engine.repair.task import Box, Counterexample, Evidence, Task
from engine.search.problem import Options
from engine.search.verify import verify
from engine.vnnlib import load_property

LOWER, UPPER = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
CORNER = ([Fraction(6, 10), Fraction(7, 10)], [1, 1])
IDLE = [[1, 4], [0, 3, 5], [2, 6]]
QUICK = {"samples": 4000, "seconds": 20.0}


def with_idle(seed: int = 0, *, idle: list = IDLE) -> Network:
    """A network of float32 numbers on [-1, 1]^2 in which these neurons are idle, and old weights lead on from them."""
    net = random_network((2, 8, 8, 8, 3), seed=seed)
    weights, biases = [a.weight.copy() for a in net.layers], [a.bias.copy() for a in net.layers]
    for k, neurons in enumerate(idle):
        weights[k][neurons] /= 8
        biases[k][neurons] = -2.0
    return executable(network(weights, biases, name="with_idle"))


def task(net: Network, *boxes, unsafe: list | None = None) -> Task:
    """Unsafe: output 0 is highest, or these rows."""
    rows = unsafe or [row([-1, 1, 0]), row([-1, 0, 1])]
    target = prop(*(case(*box, rows) for box in boxes or (CORNER,)), n_outputs=3)
    return Task(net, (target,), (), LOWER, UPPER)


def tight(net: Network) -> list:
    """Unsafe: output 0 is over what it is at most points of the corner."""
    y = net.evaluate(points(*CORNER, 1000))[:, 0]
    return [row([-1, 0, 0], Fraction(float(np.quantile(y, 0.9))))]


def points(lower, upper, count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform([float(v) for v in lower], [float(v) for v in upper], (count, len(lower)))


def first_layers(net: Network, k: int) -> Network:
    return Network(net.layers[:k])


def untrained(net: Network, goal: Task, chain: list) -> Network:
    """A graft whose free weights are anything, gated."""
    case = goal.targets[0].cases[0]
    measured = distances((case.lower, case.upper), goal.lower, goal.upper, len(chain[0]))
    graft = Graft(net, [chain[0][: len(measured.bias)], *chain[1:]], measured)
    random, masks = np.random.default_rng(1), graft.free()
    layers = [
        tuple(torch.tensor(a + m * random.normal(size=a.shape), dtype=torch.float32) for a, m in zip(*pair))
        for pair in zip(graft.start(), masks)
    ]
    gated = graft.gated(layers, goal.lower, goal.upper)
    return edited(net, {k: tuple(part.numpy() for part in pair) for k, pair in enumerate(gated)})


def test_idle_neurons_are_found():
    found = idle_neurons(with_idle(), LOWER, UPPER, depth=3, most=8, seconds=20.0)
    assert len(found) == 3
    for k, (neurons, made) in enumerate(zip(found, IDLE)):
        assert set(made) <= set(neurons.tolist())
        assert first_layers(with_idle(), k + 1).evaluate(points(LOWER, UPPER, 10_000))[:, neurons].max() == 0


def test_one_that_fires_in_a_corner_is_not_idle():
    fires = network(
        [[[1, 1], [1, 1], [1, 1]], [[1.0, 0, 0], [1.0, 0, 0]], [[1.0, 1.0]]],
        [[-1.999, -2, -2.001], [-0.000999, -0.0011], [0]],
    )
    found = idle_neurons(executable(fires), LOWER, UPPER, depth=2, most=8, seconds=20.0, samples=100)
    assert [neurons.tolist() for neurons in found] == [[2], [1]]


def test_the_list_ends_at_a_layer_without_idle_neurons():
    found = idle_neurons(with_idle(idle=[[1, 4], [], [2]]), LOWER, UPPER, depth=3, most=8, seconds=20.0)
    assert [sorted(neurons.tolist()) for neurons in found] == [[1, 4]]


@pytest.mark.parametrize("neurons", [1, 2, 5])
def test_distances_are_zero_on_the_exact_box(neurons):
    measured = distances(CORNER, LOWER, UPPER, neurons)
    assert len(measured.bias) == min(neurons, 2)
    assert np.array_equal(measured.bias, measured.bias.astype(np.float32))
    for corner in [(a, b) for a in (CORNER[0][0], 1) for b in (CORNER[0][1], 1)]:
        for weight, bias in zip(measured.weight.tolist(), measured.bias.tolist()):
            assert sum(Fraction(w) * v for w, v in zip(weight, corner)) + Fraction(bias) <= 0
    low, high = measured.hull(LOWER, UPPER)
    assert (low < [0.6, 0.7]).all() and (high == UPPER).all()
    if neurons > 1:
        assert (low > [0.5, 0.6]).all()


def test_the_switch_is_one_on_the_box_and_nothing_changes_outside_the_collar():
    net = with_idle()
    goal = task(net)
    chain = [np.array(neurons) for neurons in IDLE]
    changed = untrained(net, goal, chain)
    lower, upper = collar_of(goal, changed)
    for x in np.concatenate([points(*CORNER, 20), [[0.6000001, 0.7000001], [1, 1]]]):
        for k, neurons in list(enumerate(chain))[1:]:
            assert exact.evaluate(first_layers(changed, k + 1), x)[neurons[0]] == 1
    spots = np.concatenate([points(LOWER, UPPER, 200), points(lower - 0.05, upper, 200)])
    outside = ((spots < lower) | (spots > upper)).any(1)
    assert outside.sum() > 100
    for x in spots[outside]:
        assert exact.evaluate(changed, x) == exact.evaluate(net, x)
    inside = points(*CORNER, 20)
    assert not np.allclose(changed.evaluate(inside), net.evaluate(inside))


def test_a_repair_is_proved():
    net = with_idle()
    goal = task(net, unsafe=tight(net))
    assert verify(net, goal.targets[0]).word == "sat"
    evidence, said = Evidence(), []
    for candidate in idle(goal, evidence, said.append, steps=120, **QUICK):
        verdict = verify(candidate.network, goal.targets[0], Options(timeout=20))
        if verdict.word == "unsat":
            break
        evidence.boxes = [Box(0, 0, LOWER, UPPER)] if verdict.word == "timeout" else []
        if verdict.word == "sat":
            evidence.counterexamples.append(Counterexample(0, 0, np.array(verdict.counterexample.inputs)))
    assert verdict.word == "unsat" and said
    lower, upper = collar_of(goal, candidate.network)
    for x in points(LOWER, UPPER, 100):
        if ((x < lower) | (x > upper)).any():
            assert exact.evaluate(candidate.network, x) == exact.evaluate(net, x)


@pytest.mark.parametrize(
    ("neurons", "boxes", "said"),
    [
        ([], [CORNER], "layer 1"),
        ([[1, 4]], [CORNER], "layer 2"),
        (IDLE, [CORNER, ([-1, -1], [0, 0])], "several"),
        (IDLE, [([-1, -1], [1, 1])], "no face far enough inside the domain"),
    ],
)
def test_where_it_cannot_help_it_says_why(neurons, boxes, said):
    heard = []
    assert list(idle(task(with_idle(idle=neurons), *boxes), Evidence(), heard.append, **QUICK)) == []
    assert said in heard[-1]


def test_a_published_network(acasxu_networks):
    """N(2,2), without training: exactly itself outside the collar, which is small."""
    net, target = load_network(network_path(2, 2)), load_property(property_path(2))
    lower, upper = (np.array([float(v) for v in side]) for side in acasxu_domain().ends)
    goal = Task(net, (target,), (), lower, upper)
    chain = idle_neurons(net, lower, upper, depth=2, most=8, seconds=20.0)
    assert [len(neurons) for neurons in chain] == [4, 2]
    changed = untrained(net, goal, chain)
    low, high = collar_of(goal, changed)
    assert np.prod((high - low) / (upper - lower)) < 0.0005
    spots = np.concatenate([points(lower, upper, 15), points(low, high, 5) - (high - low) * [0, 0, 0, 1.01, 0]])
    for x in spots:
        assert ((x < low) | (x > high)).any()
        assert exact.evaluate(changed, x) == exact.evaluate(net, x)
