"""Networks whose layers are sparse beside the same networks with all zeros."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from engine import exact
from engine.bounds.crown import Boxes, concretize, substitute, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.network import Affine, Network, same_numbers


@st.composite
def sparse_networks(draw) -> Network:
    """Networks of sparse layers, some with their ReLU on some neurons only, and a dense one at the end."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    widths = draw(st.lists(st.integers(2, 7), min_size=2, max_size=4))
    layers = []
    for inputs, out in zip(widths, widths[1:]):
        numbers = random.integers(-8, 9, (out, inputs)) / 8 * (random.random((out, inputs)) < 0.4)
        relu = draw(st.sampled_from([True, False, "some"]))
        layers.append(
            Affine(csr_array(numbers), random.integers(-8, 9, out) / 4, random.random(out) < 0.5 if relu == "some" else relu)
        )
    last = Affine(random.integers(-8, 9, (2, widths[-1])) / 8, np.zeros(2), False)
    return Network((*layers, last), name="sparse")


def dense(network: Network) -> Network:
    return Network(tuple(Affine(a.weight, a.bias, a.relu, a.rounded) for a in network.layers), name="dense")


@given(sparse_networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_bounds_are_those_of_the_dense_network(network, seed):
    random, found = np.random.default_rng(seed), []
    ends = np.sort(random.uniform(-2, 2, (2, 3, network.n_inputs)), 0)
    lower, upper = torch.from_numpy(ends[0].copy()), torch.from_numpy(ends[1].copy())
    for each in (network, dense(network)):
        stack, which = Stack([each]), torch.zeros(3, dtype=torch.long)
        boxes = Boxes(which, lower, upper, *hidden_intervals(stack, which, lower, upper))
        lines = tighten(stack, boxes)
        rows = torch.eye(2, 3, dtype=torch.float64).repeat(3, 1)
        box = torch.arange(3).repeat_interleave(2)
        planes = substitute(stack, boxes, lines, torch.stack([rows, -rows]), box, len(stack.layers))
        points = (lower + upper) / 2
        found.append([boxes.l, boxes.u, concretize(stack, boxes, planes, box), stack.evaluate(points, which), stack.reach])
        least, most = found[-1][2].view(2, 3, 2)
        y = torch.from_numpy(each.evaluate(points.numpy()))
        assert (least <= y).all() and (-most >= y).all()
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@given(sparse_networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_exact_evaluation_and_derivatives_are_those_of_the_dense_network(network, seed):
    point = [Fraction(v) for v in np.random.default_rng(seed).uniform(-2, 2, network.n_inputs).tolist()]
    other = dense(network)
    assert exact.evaluate(network, point) == exact.evaluate(other, point)
    assert exact.radii(network, point) == exact.radii(other, point)
    inputs = range(network.n_inputs)
    assert exact.derivatives(network, point, inputs) == exact.derivatives(other, point, inputs)
    points = np.array(point, float)
    np.testing.assert_allclose(network.evaluate(points), other.evaluate(points), atol=1e-12)
    np.testing.assert_allclose(network.evaluate(points), np.array(exact.evaluate(network, point), float), atol=1e-12)


def test_a_layer_is_not_written_out_where_that_is_too_large():
    layer = Affine(csr_array((2**14, 2**14)), np.zeros(2**14), True)
    with pytest.raises(InputError, match="a layer of 16,384 x 16,384 has more than 134,217,728 numbers"):
        layer.weight
    assert layer.shape == (2**14, 2**14) and layer.count == 0


def test_numbers_are_compared_without_regard_to_zeros():
    a, b = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 3.0]])
    for one in (a, csr_array(a)):
        assert same_numbers(one, a) and same_numbers(one, csr_array(a))
        assert not same_numbers(one, b) and not same_numbers(one, csr_array(b)) and not same_numbers(one, a[:1])
