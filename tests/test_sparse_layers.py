"""Networks whose layers are sparse beside the same networks with all zeros."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from scipy.sparse import csr_array

from engine import exact
from engine.audit.onnx_reader import read_network
from engine.bounds.crown import Boxes, concretize, substitute, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.products import Shared
from engine.bounds.stack import Stack
from engine.cone.constants import Products, folded
from engine.cone.reach import reach_of
from engine.errors import InputError
from engine.network import Affine, Network, same_numbers
from engine.onnx_file import describe, load_network, parse_network, rewritten
from engine.replay import replay


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
            Affine(
                csr_array(numbers),
                random.integers(-8, 9, out) / 4,
                random.random(out) < 0.5 if relu == "some" else relu,
            )
        )
    last = Affine(random.integers(-8, 9, (2, widths[-1])) / 8, np.zeros(2), False)
    return Network((*layers, last), name="sparse")


def dense(network: Network) -> Network:
    return Network(tuple(Affine(a.weight, a.bias, a.relu, a.rounded) for a in network.layers), name="dense")


@given(sparse_networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(60), deadline=None)
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
        found.append(
            [boxes.l, boxes.u, concretize(stack, boxes, planes, box), stack.evaluate(points, which), stack.reach]
        )
        least, most = found[-1][2].view(2, 3, 2)
        y = torch.from_numpy(each.evaluate(points.numpy()))
        assert (least <= y).all() and (-most >= y).all()
    for one, other in zip(*found):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@given(sparse_networks(), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(60), deadline=None)
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
        _ = layer.weight
    assert layer.shape == (2**14, 2**14) and layer.count == 0


def test_numbers_are_compared_without_regard_to_zeros():
    a, b = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 3.0]])
    for one in (a, csr_array(a)):
        assert same_numbers(one, a) and same_numbers(one, csr_array(a))
        assert not same_numbers(one, b) and not same_numbers(one, csr_array(b)) and not same_numbers(one, a[:1])


# Networks read from files.


def convolved(shape: tuple[int, ...], kernel: tuple[int, ...], pool: int = 2) -> bytes:
    """A convolution by small integers, a ReLU and a MaxPool."""
    numbers = np.random.default_rng(0).integers(-2, 3, kernel).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["y"], kernel_shape=[pool, pool], strides=[pool, pool]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, *shape]), ("y", None))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(numbers, "k")])
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )


def test_a_network_of_convolutions_is_read_sparsely_and_is_what_runs():
    network = parse_network(convolved((3, 20, 20), (8, 3, 3, 3)))
    assert [layer.is_sparse for layer in network.layers] == [True] * 4
    assert [layer.shape for layer in network.layers] == [(3200, 1200), (3200, 3200), (1600, 3200), (800, 1600)]
    assert all(layer.count == np.count_nonzero(layer.weight) for layer in network.layers)
    points = np.random.default_rng(1).integers(-3, 4, (4, 1200)).astype(np.float32)
    outputs = network.evaluate(points)
    assert np.array_equal(outputs, replay(network, points))
    assert exact.evaluate(network, points[0].tolist()) == tuple(map(Fraction, outputs[0].tolist()))


def test_the_same_network_is_read_with_all_zeros_where_these_are_few(monkeypatch):
    data = convolved((2, 6, 6), (3, 2, 3, 3))
    plain = parse_network(data)
    monkeypatch.setattr("engine.onnx_file.sparse.SMALL", 0)
    found = parse_network(data)
    assert not any(layer.is_sparse for layer in plain.layers) and all(layer.is_sparse for layer in found.layers)
    for one, other in zip(found.layers, plain.layers, strict=True):
        assert np.array_equal(one.weight, other.weight) and np.array_equal(one.bias, other.bias)
        assert one.form == other.form
    assert describe(found) == describe(plain)


def test_a_sparse_layer_of_a_file_is_written_back_or_refused(monkeypatch):
    monkeypatch.setattr("engine.onnx_file.sparse.SMALL", 0)
    network = parse_network(convolved((2, 6, 6), (3, 2, 3, 3)))
    first, *rest = network.layers
    twice = replace(network, layers=(replace(first, matrix=first.matrix * 2), *rest))
    assert rewritten(network) is network
    assert same_numbers(parse_network(rewritten(twice).onnx_bytes).layers[0].matrix, twice.layers[0].matrix)
    weight = first.weight.copy()
    weight[0, -1] = 1
    with pytest.raises(InputError, match="this zero has no number in the file"):
        rewritten(replace(network, layers=(replace(first, matrix=weight), *rest)))


@pytest.mark.parametrize(
    ("shape", "kernel", "pool", "what"),
    [
        ((1, 60, 60), (20, 1, 3, 3), 2, "as a matrix it has 72,000 rows, and at most 65,536 are supported"),
        ((64, 32, 32), (64, 64, 3, 3), 2, r"36,192,256 numbers in 65,536 rows, more than 16,777,216 in all"),
        ((1, 256, 256), (1, 1, 9, 9), 2, "its windows take more than 4,194,304 elements in all"),
    ],
)
def test_what_is_too_large_is_refused_in_one_line(shape, kernel, pool, what):
    with pytest.raises(InputError, match=what) as caught:
        parse_network(convolved(shape, kernel, pool))
    assert len(str(caught.value).splitlines()) == 1


def test_a_convolution_of_millions_of_products_is_read_alike_by_both_readers(tmp_path):
    """5 million numbers other than 0, of windows that take half a million elements of each input channel."""
    path = tmp_path / "large.onnx"
    path.write_bytes(convolved((11, 32, 32), (64, 11, 3, 3), 2))
    layer, other = load_network(path).layers[0], read_network(path).layers[0]
    assert layer.count > 2**22 and layer.count == len(other.weight.numbers)
    for seed in range(3):
        h = np.random.default_rng(seed).integers(-8, 9, layer.shape[1]).astype(np.float64)
        assert np.array_equal(layer.products(h), other.weight @ h)  # integers, whose sums are exact


def test_all_sparse_layers_together_are_limited(monkeypatch):
    monkeypatch.setattr("engine.onnx_file.signal.MAX_NUMBERS", 60_000)
    with pytest.raises(InputError, match="its sparse layers have more than 60,000 numbers and rows in all"):
        parse_network(convolved((3, 20, 20), (8, 3, 3, 3)))


def test_cones_of_one_part_share_its_weights():
    network = parse_network(convolved((1, 20, 20), (4, 1, 3, 3)))
    reach = reach_of(network, [0, 1, 20, 21])
    values = [[Fraction(v)] * 396 for v in (0, 1, 2)]
    biases = list(folded(reach, Products(network), values))
    parts = reach.cut()
    networks = [
        Network(tuple(replace(a, bias=b[i], radius=r[i]) for a, (b, r) in zip(parts, biases))) for i in range(3)
    ]
    together, which = Stack(networks), torch.tensor([0, 0, 1, 2])
    assert all(isinstance(layer.products, Shared) for layer in together.layers)
    points = torch.rand(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = torch.ones(4, len(parts[-1].bias) + 1, dtype=torch.float64)
    runs = together.segments(which)
    for i, point in enumerate(points):
        alone = Stack([networks[which[i]]])
        np.testing.assert_allclose(together.evaluate(points, which)[i], alone.evaluate(point[None], which[:1])[0])
        last = [stack.layers[-1].products for stack in (together, alone)]
        found = last[0].before(rows, which, runs)[i], last[1].before(rows[:1], which[:1], [(0, 0, 1)])[0]
        np.testing.assert_allclose(*found)
        whole = np.full(400, float(which[i]))
        whole[reach.free] = point
        np.testing.assert_allclose(alone.evaluate(point[None], which[:1])[0], network.evaluate(whole), atol=1e-9)
