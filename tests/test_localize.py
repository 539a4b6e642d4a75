"""Localization: known networks, the relaxation against exact evaluation, NNrepair's score by hand."""

import numpy as np
import pytest
from cases import case, prop, row
from conftest import network, random_network

from engine.comparison.region import unsafe_set
from engine.network import Affine, Network
from engine.repair.localize import Localization, activation_difference, localize, significance
from engine.repair.task import Box, Counterexample, Evidence, Task

UNIT = case([-1, -1], [1, 1], [row([1, 0], "-1/4")])  # unsafe: y0 <= 1/4


def task_of(net: Network, target) -> Task:
    return Task(net, (target,), (), np.full(net.n_inputs, -1.0), np.full(net.n_inputs, 1.0))


def decider() -> Network:
    """y0 hangs on the first neuron of the second layer alone; the others lead to y1."""
    first = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    second = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    return network([first, second, [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]], [[0.0] * 3, [0.0] * 3, [0.0, 0.0]])


def test_the_neuron_that_decides_everything_is_the_most_significant():
    found = localize(task_of(decider(), prop(UNIT, n_outputs=2)), Evidence())
    assert found.neurons[1].tolist() == [1.0, 0.0, 0.0]
    assert found.neurons[0].tolist() == [pytest.approx(1.0), 0.0, 0.0]
    assert found.neurons[2].tolist() == [pytest.approx(1.0), 0.0]
    assert set(found.best_neurons(3)) == {(0, 0), (1, 0), (2, 0)}
    assert found.best_neurons(1, layer=1) == [(1, 0)]


@pytest.mark.parametrize("seed", range(5))
def test_what_moving_a_neuron_promises_it_keeps(seed):
    """Some value in the neuron's range takes every point of the box at least that far, others unchanged."""
    net, random = random_network((2, 6, 5, 3), seed=seed), np.random.default_rng(seed)
    given = case([-1, -1], [1, 1], [row([1, -1, 0]), row([0, 1, -1], "1/8")], [row([0, 0, 1], inputs=[1, 0])])
    unsafe = unsafe_set(given, 3)
    inside = random.uniform(-1, 1, (200, 2))
    lower = random.uniform(-1, 0.9, (4, 2))
    upper = lower + [[0.0], [0.0], [0.05], [0.1]]
    found = significance(net, unsafe, lower, upper, inside, parts=4)
    assert sum(float(part.sum()) for part in found) > 0
    for box in range(4):
        centre = (lower[box] + upper[box])[None] / 2
        now = unsafe.distance(centre, net.evaluate(centre))
        for k in range(3):
            reached = Network(net.layers[: k + 1]).evaluate(inside)
            for neuron, gain in enumerate(found[k][box]):
                if gain > 0:
                    ends = np.linspace(reached[:, neuron].min(), reached[:, neuron].max(), 5)
                    worst = [least(net, unsafe, lower[box], upper[box], k, neuron, value, random) for value in ends]
                    assert max(worst) >= now[0] + gain - 1e-9


def least(net, unsafe, lower, upper, k, neuron, value, random):
    """The least distance to unsafe on random points of the box with a neuron's output set to a value."""
    x = random.uniform(lower, upper, (20, 2))
    h = Network(net.layers[: k + 1]).evaluate(x)
    h[:, neuron] = value
    return unsafe.distance(x, Network(net.layers[k + 1 :]).evaluate(h)).min()


def test_behind_the_last_relu_significance_is_exact():
    """y0 = 2 h, h on [0, 1]: at x = 1/8 it can go from 1/4 to 2."""
    net = network([[[1.0]], [[2.0]]], [[0.0], [0.0]])
    given = case([-1], [1], [row([1], "-1/2", n_inputs=1)])
    point = np.array([[0.125]])
    found = significance(net, unsafe_set(given, 1), point, point, np.array([[-1.0], [1.0]]), parts=1)
    assert found[0][0, 0] == pytest.approx(1.75) and found[1][0, 0] == pytest.approx(1.75)


def test_finer_parts_promise_no_less_here():
    net = random_network((2, 6, 6, 2), seed=3)
    point = np.array([[0.25, -0.5]])
    inside = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    unsafe = unsafe_set(UNIT, 2)
    coarse, fine = (significance(net, unsafe, point, point, inside, parts=parts) for parts in (1, 16))
    assert all((b >= a - 1e-12).all() for a, b in zip(coarse, fine))


def test_activation_difference_by_hand():
    net = network([[[1.0, -2.0], [0.0, 1.0]], [[3.0, -1.0]]], [[0.0, 0.0], [0.0]])
    failing, passing = np.array([[1.0, 0.0], [3.0, 1.0]]), np.array([[1.0, -1.0]])
    found = activation_difference(net, failing, passing)
    # inputs: mean |x| 2, 1/2 against 1, 1; hidden: (1, 0), (1, 1) against (3, 0)
    assert found[0].tolist() == [[1.0, -1.0], [0.0, -0.5]]
    assert found[1].tolist() == [[3.0 * (1 - 3), 1.0 * (0.5 - 0)]]


def test_ranks_and_table():
    edges = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[2.0, 3.0]])
    found = Localization((np.array([0.5, 1.0]), np.array([0.75])), edges)
    assert found.best_neurons() == [(0, 1), (1, 0), (0, 0)] and found.best_neurons(1) == [(0, 1)]
    assert found.best_edges(2) == [(1, 0, 1), (0, 0, 1)] and found.best_edges(1, layer=0) == [(0, 0, 1)]
    assert [tuple(place) for place in found.table()] == [(0, 1, 1.0, 0.0), (1, 0, 0.75, 3.0), (0, 0, 0.5, 2.0)]
    assert len(found.table(2)) == 2


def test_evidence_is_used_and_seeds_repeat():
    net = random_network((2, 6, 6, 2), seed=1)
    task = task_of(net, prop(UNIT, n_outputs=2))
    point = np.array([0.5, 0.5], np.float32)
    evidence = Evidence([Counterexample(0, 0, point)], [Box(0, 0, np.array([0.0, 0.0]), np.array([0.1, 0.1]))])
    one, two, without = localize(task, evidence), localize(task, evidence), localize(task, Evidence())
    assert all((a == b).all() for a, b in zip(one.neurons + one.edges, two.neurons + two.edges))
    assert any((a != b).any() for a, b in zip(one.neurons, without.neurons))
    for found in (one, without):
        assert max(part.max() for part in found.neurons) == 1 and min(part.min() for part in found.neurons) >= 0


def test_nothing_moves_nothing():
    """Where no neuron can help all significances are 0, not NaN."""
    net = Network((Affine(np.zeros((2, 2)), np.zeros(2), True), Affine(np.zeros((2, 2)), np.zeros(2), False)))
    found = localize(task_of(net, prop(UNIT, n_outputs=2)), Evidence())
    assert all((part == 0).all() for part in found.neurons)
