"""Proxy boxes: the shift by hand, what a distance says of the scores, and that it can be descended."""

import numpy as np
import pytest
import torch
from cases import case, row
from conftest import network, random_network

from engine.attack import violation
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.repair.gradient import proxy
from engine.repair.gradient.certified import Regions
from engine.repair.gradient.proxy import ProxyBoxes

CASES = [
    case([-1, -1], [1, 1], [row([-1, 1, 0]), row([-1, 0, 1])], [row([0, 1, -1], "1/4", inputs=[1, -2])]),
    case([0, -1], [1, 0], [row([1, 1, 1])]),
]


def prepared(net, *, n: int = 20, seed: int = 0, margin: float = 0.25, first: int | None = None):
    """Proxy boxes of random boxes, with these boxes and the network's roots."""
    stack, random = Stack([net]), np.random.default_rng(seed)
    roots = make_roots(stack, [0] * len(CASES), CASES)
    root = torch.tensor(np.sort(random.integers(0, len(CASES), n)))
    ends = torch.tensor(np.sort(random.random((2, n, 2)), axis=0))
    low, high = (roots.lower[root] + (roots.upper - roots.lower)[root] * end for end in ends)
    regions = Regions(root, low, high)
    found = ProxyBoxes(
        stack,
        roots,
        regions,
        first=len(net.layers) - 2 if first is None else first,
        margin=margin,
        generator=torch.Generator().manual_seed(seed),
    )
    return found, roots, regions


def test_the_shift_by_hand():
    """h0 - 2 h1 - 1 >= 0 where h0 is in [0.5, 3], h1 in [-1, 0.25]: 0.5 + s - 2 (0.25 - s) - 1 = 0 at s = 1/3, but h1
    is 0 from s = 1/4 on: 0.5 + s - 1 = 0 at s = 1/2."""
    l, u = torch.tensor([[0.5, -1.0]]), torch.tensor([[3.0, 0.25]])
    coefficients = torch.tensor([[[[1.0, -2.0]]]])
    found = [float(proxy._shift(coefficients, torch.full((1, 1, 1), c), l, u, 0.0)) for c in (-1.0, -0.25, 0.0, 5.0)]
    assert found == pytest.approx([0.5, 1 / 12, 0.0, 0.0], abs=1e-6)


def test_what_no_shift_helps():
    """-h - 1 is at most -1."""
    l, u = torch.tensor([[0.5]]), torch.tensor([[3.0]])
    assert proxy._shift(torch.tensor([[[[-1.0]]]]), torch.full((1, 1, 1), -1.0), l, u, 0.0).item() == torch.inf


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_points_are_as_safe_as_the_distance_says(first, seed):
    """However the hidden layers' weights are changed: a centre is at least so far from unsafe."""
    net = random_network((2, 8, 8, 8, 3), seed=seed)
    found, roots, regions = prepared(net, seed=seed, first=first)
    generator, centre, missed = torch.Generator().manual_seed(seed), (regions.lower + regions.upper) / 2, 0
    for size in (0.0, 0.1, 1.0):
        weights, h = {}, centre
        for k, layer in enumerate(net.layers):
            weight, bias = torch.tensor(layer.weight), torch.tensor(layer.bias)
            if first <= k < len(net.layers) - 1:
                weight = weight + size * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
                weights[k] = (weight, bias)
            h = h @ weight.T + bias
            h = h.clamp(min=0) if layer.relu else h
        value, bound = violation(roots, regions.root, centre, h)[0], found(weights)
        assert (value >= bound - 1e-6).all() and (bound <= 0.25).all()
        missed += int((bound < 0.25).sum())
    assert missed


def test_descending_makes_boxes_safe():
    """y0 is to be above 1/2 on the box, where it is x: one neuron, of which the bias is enough."""
    net = network([[[1.0]], [[1.0], [0.0]]], [[0.0], [0.0, 2.0]])
    given = case([0], [1], [row([1, 0], "-1/2", n_inputs=1)])
    stack = Stack([net])
    roots = make_roots(stack, [0], [given])
    regions = Regions(torch.zeros(1, dtype=torch.long), torch.tensor([[0.0]]).double(), torch.tensor([[1.0]]).double())
    found = ProxyBoxes(stack, roots, regions, first=0, margin=0.01, generator=torch.Generator())
    bias = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(1, 1, dtype=torch.float64)
    assert found({0: (weight, bias)}).item() == pytest.approx(0.01 - 0.51)
    for _ in range(200):
        (gradient,) = torch.autograd.grad(found({0: (weight, bias)}).clamp(max=0.005).sum(), bias)
        bias.data += 0.01 * gradient
    assert found({0: (weight, bias)}).item() >= 0.004 and 0.5 <= bias.item() <= 0.52
