"""Repair of small networks by least squares in all weights: derivatives, steps, what is to stay, and a repair."""

from math import inf

import numpy as np
import pytest
import torch
from cases import case, executable, prop, row
from conftest import network as chain
from conftest import random_network

from engine.comparison.decision import Decision
from engine.evaluation import scores
from engine.repair.gradient import guides, small, stays, whole
from engine.repair.gradient.guides import Reference
from engine.repair.gradient.least_squares import NormalEquations, jacobian, layers_of, moved, read
from engine.repair.gradient.stays import Stays
from engine.repair.milp import settings as linear
from engine.repair.task import Evidence, Task, silent


@pytest.fixture
def few_points(monkeypatch):
    for module, sizes in (
        (guides, {"DOMAIN": 2000, "AROUND": 500, "IN_BOX": 500}),
        (small, {"AROUND": (500, 100)}),
        (whole, {"DOMAIN": 2000, "ROWS": (400, 400), "HELD_OUT": 1000, "UNSAFE": 100}),
        (linear, {"DOMAIN": 8000, "TARGET": 4000}),
    ):
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)


def references(y: list[list[float]], advisory: list[int]) -> Reference:
    n = len(y)
    return Reference(torch.zeros(n, 1), torch.tensor(advisory), torch.zeros(n, len(y[0])), torch.tensor(y))


def test_derivatives_are_those_of_torch():
    layers = layers_of(random_network((3, 5, 4, 2), seed=1))
    x, slopes = torch.rand(6, 3, generator=torch.Generator().manual_seed(0)) - 0.5, torch.tensor([[1.0, -2.0]] * 6)
    found = jacobian(layers, read(layers, x), slopes)
    size = sum(weight.numel() + len(bias) for weight, bias in layers)
    step = torch.zeros(size, requires_grad=True)
    y = (read(moved(layers, step), x)[-1] * slopes).sum(1)
    wanted = torch.stack([torch.autograd.grad(value, step, retain_graph=True)[0] for value in y])
    torch.testing.assert_close(found, wanted)
    assert found.abs().sum(1).min() > 0


def test_a_step_is_the_weighted_mean():
    """Rows w = 1 with weight 1 and w = 4 with weight 2, from 0: the minimum of (w - 1)^2 + 2 (w - 4)^2 is 3."""
    equations = NormalEquations.of(torch.ones(1))
    equations.add(torch.ones(2, 1), torch.tensor([-1.0, -4.0]), torch.tensor([1.0, 2.0]))
    assert float(equations.step(0.0)) == pytest.approx(3.0)
    assert float(equations.step(1.0)) == pytest.approx(1.5)  # as much damping as curvature: half of it


def test_a_damped_step_is_the_same_whatever_the_unit_of_an_input():
    """Two weights; the second one's input is told in thousandths, and so is its weight, in units of 1000."""
    rows, residual = torch.tensor([[1.0, 2.0], [1.0, -1.0]]), torch.tensor([1.0, 3.0])
    steps = []
    for unit in (1.0, 1000.0):
        equations = NormalEquations.of(torch.tensor([1.0, unit]))
        equations.add(rows / torch.tensor([1.0, unit]), residual, torch.ones(2))
        steps.append(equations.step(0.5) / torch.tensor([1.0, unit]))
    torch.testing.assert_close(steps[0], steps[1])


def test_units_come_in_the_order_of_the_weights():
    layers = layers_of(random_network((2, 2, 1), seed=0))
    found = whole._units(layers, [torch.tensor([2.0, 3.0, 1.0]), torch.tensor([5.0, 7.0, 1.0])])
    assert found.tolist() == [2.0, 3.0, 2.0, 3.0, 1.0, 1.0, 5.0, 7.0, 1.0]


def test_changes_of_outputs_are_in_tolerances():
    found = Stays.of(references([[1.0, 2.0]], [0]), 0.5)
    assert found.changes(torch.tensor([[1.25, 1.0]])).T.tolist() == [[0.5, -2.0]]


def test_changes_of_decisions_are_shares_of_the_lead(monkeypatch):
    """0 leads 2 by 1 and 1 by 3: at a tie of 0 and 2 all of the lead is lost; a larger lead is no loss."""
    monkeypatch.setattr(stays, "LEAST_ROOM", 0.0)
    found = Stays.of(references([[0.0, 3.0, 1.0], [0.0, 3.0, 1.0]], [0, 0]), inf)
    changes = found.changes(torch.tensor([[1.0, 9.0, 1.0], [0.0, 0.0, 3.0]]))
    assert changes.tolist() == [[1.0, -2.0]]
    least = stays.LITTLE * stays.TOLERABLE**2  # of what is tolerable
    assert float(found.loss(torch.tensor([[-2.0]]), 1.0)) == pytest.approx(least)


@pytest.mark.parametrize("both_ways", [True, False])
def test_least_squares_descend_the_loss(both_ways):
    """Twice weight times residual is the loss's derivative beyond what is tolerable, and has its sign within."""
    found = Stays(torch.ones(1, 1, 1), torch.zeros(1, 1), both_ways)
    for value in (0.1, 0.5, 1.0, 4.0):
        change = torch.tensor([[value]], requires_grad=True)
        found.loss(change, 2.0).sum().backward()
        residual, weight = found.residuals(change.detach(), 2.0)
        sign = float(change.grad) * float(residual)
        assert sign > 0
        if value > stays.TOLERABLE:
            assert float(2 * weight * residual) == pytest.approx(float(change.grad), rel=1e-4)


def bumped() -> Task:
    """y = relu(x0) + relu(x1) on [-1, 1]^2 is at most 1.5 on [0.5, 0.9]^2, of a network with two idle neurons."""
    weights = [
        np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 1.0], [1.0, -1.0]]),
        np.array([[1.0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0], [-1.0, -1, 0, 0, 0, 0], [0, 0, 0, 0, -1.0, -1.0]]),
        np.array([[1.0, 1.0, 0.5, 0.5]]),
    ]
    original = executable(chain(weights, [np.full(6, 2.0**-10), np.array([0.01, 0.01, -0.2, -0.2]), np.full(1, 0.01)]))
    asked = prop(case([0.5] * 2, [0.9] * 2, [row([-1], 1.5)]), n_outputs=1)
    end = np.ones(2)
    return Task(original, (asked,), (), -end, end, decision=Decision.UNKNOWN, tolerance=0.05)


def test_a_small_network_is_repaired(few_points):
    task = bumped()
    assert small.is_small(task.network)
    candidate = next(small.whole(task, Evidence(), silent, agreement=0.97))
    x = np.random.default_rng(3).uniform(-1, 1, (20_000, 2)).astype(np.float32)
    before, after = scores(task.network, x)[:, 0], scores(candidate.network, x)[:, 0]
    inside = ((x >= 0.5) & (x <= 0.9)).all(1)
    assert (before[inside] > 1.5).mean() > 0.05
    assert (after[inside] > 1.5).mean() < 0.002
    assert (np.abs(before - after)[~inside] <= task.tolerance).mean() > 0.95
    again = next(small.whole(task, Evidence(), silent, agreement=0.97))
    assert again.network.sha256 == candidate.network.sha256


def test_weights_are_the_best_no_more_where_an_attack_finds_them_unsafe(few_points):
    task = bumped()
    facts = guides.Facts(task, 0)
    search = whole.WholeSearch(facts, task.network, around=100)
    search.best = whole.Found(layers_of(task.network), 0.0)  # the original, which is unsafe
    search._attack()
    assert search.best is None and search.changed == 1.0
    safe = [(weight.clone(), bias.clone()) for weight, bias in layers_of(task.network)]
    safe[-1][1].sub_(1.0)
    search.best = whole.Found(tuple(safe), 0.5)
    search._attack()
    assert search.best is not None and search.changed == 0.5


def test_only_small_networks_with_a_hidden_layer_are_small():
    assert small.is_small(executable(random_network((2, 4, 1), seed=0)))
    assert not small.is_small(executable(random_network((2, 100, 100, 1), seed=0)))
    assert not small.is_small(executable(random_network((2, 1), seed=0)))
