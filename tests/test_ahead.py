"""The look ahead: the boxes below a sign are bounded as it says, and the best sign is taken."""

from dataclasses import replace

import pytest
import torch
from cases import case, prop, row
from conftest import random_network

from engine.bounds.blocks import make_stack
from engine.bounds.propagation import tighten
from engine.bounds.roots import make_roots
from engine.bounds.slopes import Multipliers, bound_targets
from engine.search import ahead, finish
from engine.search.ahead import best_sign
from engine.search.batch import Batch, bounded
from engine.search.branching import MAX_RIVAL_INPUTS, split_sign
from engine.search.exclude import exclude
from engine.search.frontier import root_nodes

INPUTS = MAX_RIVAL_INPUTS + 1


def batch_of(inputs: int = INPUTS, *, hidden=(8,), seed: int = 0) -> Batch:
    """The whole box of the question whether output 0 is above 0 where all inputs are within 1/4 of 0, bounded."""
    net = random_network((inputs, *hidden, 2), seed=seed)
    (of,) = prop(case([-0.25] * inputs, [0.25] * inputs, [row([1, 0], 0, n_inputs=inputs)]), n_outputs=2).cases
    stack = make_stack([net], device="cpu", semantics="real")
    roots = make_roots(stack, [0], [of])
    return bounded(stack, roots, root_nodes(roots, torch.tensor([0])))


def targets_and_slopes(batch: Batch):
    """Its only polytope, with CROWN's slopes."""
    zero = torch.tensor([0])
    targets = batch.roots.targets(zero, zero, zero, batch.nodes.phases)
    return targets, Multipliers(torch.ones(1, 1).double(), batch.plain_slopes, torch.zeros_like(batch.plain_slopes))


def below(batch: Batch, neuron: int, multiplier: float) -> list[float]:
    """The bounds of the two boxes below this neuron's sign, whose multiplier is given; of one hidden layer."""
    _, free = targets_and_slopes(batch)
    free.phases[0, neuron] = multiplier
    found = []
    for child in split_sign(batch.nodes, torch.tensor([neuron])):
        lines = tighten(batch.stack, replace(batch.boxes, l=child.l, u=child.u))
        targets = batch.roots.targets(child.root, torch.tensor([0]), torch.tensor([0]), child.phases)
        boxes = replace(batch.boxes, l=child.l, u=child.u)
        found.append(float(bound_targets(batch.stack, boxes, lines, targets, free)[0].lower))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("multiplier", [0.0, 0.125])
def test_boxes_below_are_bounded_as_they_are(seed, multiplier):
    batch = batch_of(seed=seed)
    targets, free = targets_and_slopes(batch)
    for neuron in batch.is_open[0].nonzero()[:, 0].tolist():
        both = torch.tensor([0, 0])
        free.phases.zero_()
        free.phases[0, neuron] = multiplier
        found = ahead._bounds(
            batch,
            targets.select(both),
            free.select(both),
            torch.tensor([neuron] * 2),
            torch.tensor([0.0, 1.0]).double(),
        )
        assert found.tolist() == pytest.approx(below(batch, neuron, multiplier), rel=1e-9)  # rounding


@pytest.mark.parametrize("seed", range(6))
def test_the_sign_whose_gains_have_the_largest_product(seed, monkeypatch):
    """Among all neurons, with multipliers that start from nothing."""
    monkeypatch.setattr(ahead, "FIRST", 0.0)
    batch = batch_of(seed=seed)
    targets, free = targets_and_slopes(batch)
    bound = float(bound_targets(batch.stack, batch.boxes, batch.lines, targets, free)[0].lower)
    assert bound < 0
    gains = {
        neuron: [max(min(value, 0) / -bound + 1, ahead.LEAST_GAIN) for value in below(batch, neuron, 0.0)]
        for neuron in batch.is_open[0].nonzero()[:, 0].tolist()
    }
    products = {neuron: low * high for neuron, (low, high) in gains.items()}
    cost = torch.where(batch.is_open, 1.0, -1.0).double()
    (found,) = best_sign(batch, targets, free, cost).tolist()
    assert products[found] == pytest.approx(max(products.values()), rel=1e-9)


def test_a_multiplier_starts_where_it_gains():
    """With it the worse boxes below are bounded better than without."""
    batch = batch_of(hidden=(8, 8))
    targets, free = targets_and_slopes(batch)
    cost = torch.where(batch.is_open, 1.0, -1.0).double()
    seen = []
    inner = ahead._bounds

    def watched(batch, targets, free, neuron, on):
        seen.append((inner(batch, targets, free, neuron, on), free, neuron))
        free.phases.zero_()
        seen.append((inner(batch, targets, free, neuron, on), free, neuron))
        return seen[0][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "_bounds", watched)
        best_sign(batch, targets, free, cost)
    (with_it, _, _), (without, _, _) = seen
    assert (with_it >= without - 1e-12).double().mean() > 0.7 and (with_it > without + 1e-6).any()


@pytest.mark.parametrize(("inputs", "looks"), [(MAX_RIVAL_INPUTS, False), (INPUTS, True)])
def test_only_boxes_of_many_inputs_look_ahead(inputs, looks, monkeypatch):
    asked = []

    def watched(batch, targets, free, cost):
        asked.append(len(targets))
        return cost.argmax(1)

    monkeypatch.setattr(finish, "best_sign", watched)
    batch = batch_of(inputs)
    targets, _ = exclude(batch, steps=5)
    by_sign, is_long = torch.tensor([True]), torch.tensor([False])
    assert int(finish.signs_to_split(batch, targets, by_sign, is_long, stalled=64)) >= 0
    assert asked == [1] * looks
