"""Interval bounds against exact and float32 execution."""

import pytest
import torch
from cases import BOXES, FLOAT32, MIXED, NETWORKS, batch, check_hidden, traces
from conftest import network

from engine.bounds.interval import hidden_intervals, magnitudes
from engine.bounds.stack import Stack


@pytest.mark.parametrize("name", [*NETWORKS, *MIXED])
def test_contain_what_neurons_do(name):
    stack, boxes = batch(name)
    check_hidden(boxes, traces(stack, boxes))


@pytest.mark.parametrize("name", FLOAT32)
def test_contain_what_neurons_do_in_float32(name):
    stack, boxes = batch(name, semantics="float32")
    check_hidden(boxes, traces(stack, boxes))


def bounds(net, lower, upper):
    ends = (torch.tensor([side], dtype=torch.float64) for side in (lower, upper))
    return hidden_intervals(Stack([net]), torch.tensor([0]), *ends)


def test_by_hand():
    """z1 = x1 + x2, z2 = x1 - 2 x2 + 1; then h1 - h2."""
    net = network([[[1, 1], [1, -2]], [[1, -1]], [[1]]], [[0, 1], [0], [0]])
    l, u = bounds(net, [-1, 0], [2, 1])
    assert l[0].tolist() == pytest.approx([-1, -2, -3], abs=1e-5)
    assert u[0].tolist() == pytest.approx([3, 3, 3], abs=1e-5)
    # and outward of the exact ends
    assert (l[0] <= torch.tensor([-1.0, -2, -3])).all() and (u[0] >= torch.tensor([3.0, 3, 3])).all()


def test_boxes_do_not_mix():
    """A box gets the same bounds in a batch of many networks as by itself."""
    for name in ("shallow", "deep", "affine_inside"):
        stack, boxes = batch(name)
        for i in range(len(boxes)):
            alone = Stack([stack.networks[boxes.network[i]]])
            l, u = hidden_intervals(alone, torch.tensor([0]), boxes.lower[i : i + 1], boxes.upper[i : i + 1])
            torch.testing.assert_close(l[0], boxes.l[i], rtol=1e-6, atol=1e-9)
            torch.testing.assert_close(u[0], boxes.u[i], rtol=1e-6, atol=1e-9)


def test_hidden_neurons_only():
    """Layers without ReLU take no place among the hidden neurons."""
    stack, boxes = batch("affine_inside")
    assert boxes.l.shape == (3 * len(BOXES), 10) and stack.n_hidden == 10


def test_magnitudes_by_hand():
    stack = Stack([network([[[1, -2], [-3, 0.5]]], [[-4, 8]])])
    found = magnitudes(stack, 0, torch.tensor([[10.0, 1.0]]).double(), torch.tensor([0]), [(0, 0, 1)])
    assert found.tolist() == [[16, 38.5]]
