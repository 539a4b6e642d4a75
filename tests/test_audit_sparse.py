"""The checker's Sparse: as numpy's arrays, and networks that are held so as those that are written out."""

import dataclasses
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import model, node
from test_audit_readers import refused, written

from engine.audit import floating_steps, onnx_chain, onnx_windows, sparse
from engine.audit.arithmetic import Floating
from engine.audit.bounds import Exclusions
from engine.audit.comparison.pair import Pair
from engine.audit.cone import cone_of
from engine.audit.data import Network
from engine.audit.dyadic import Dyadic
from engine.audit.exact import Exact
from engine.audit.onnx_reader import read_network
from engine.audit.sparse import Sparse, below_each_other, diagonal, each, held, selection, side_by_side, unlike, words
from engine.audit.witness import evaluate, radii

QUICK = settings(max_examples=examples(100), deadline=None)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("sparse")


# Matrices.


@st.composite
def matrices(draw, shape=None, dtype=np.float64) -> np.ndarray:
    """Of small integers, of which most are 0: sums of their products are exact."""
    shape = shape or draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    numbers = draw(st.lists(st.sampled_from([0, 0, 0, 1, -2, 3]), min_size=shape[0] * shape[1], max_size=100))
    return np.array(numbers[: shape[0] * shape[1]], dtype).reshape(shape)


def of(matrix: np.ndarray, order=None) -> Sparse:
    """In the order of rows, or in another one."""
    row, column = np.nonzero(matrix)
    order = np.arange(len(row)) if order is None else order.permutation(len(row))
    return Sparse(matrix.shape, row[order], column[order], matrix[row, column][order])


def same(found, expected) -> None:
    np.testing.assert_array_equal(np.asarray(found), expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype


@QUICK
@given(st.data(), st.sampled_from([np.float64, object]), st.integers(0, 5))
def test_numpy_computes_with_it_as_with_an_array(data, dtype, seed):
    full = data.draw(matrices(dtype=dtype))
    rows, columns = full.shape
    found = of(full, np.random.default_rng(seed))
    same(found, full)
    same(found.T, full.T)
    for function in (np.abs, np.negative, lambda w: np.maximum(w, 0), lambda w: np.minimum(w, 0)):
        same(function(found), function(full))
        same(each(function, found), function(full))
    h = data.draw(matrices((1, columns), dtype))[0]
    same(found @ h, full @ h)
    batch = data.draw(matrices((4, rows), dtype))
    same(batch @ found, batch @ full)
    if dtype is not object:
        same(batch.reshape(2, 2, rows) @ found, batch.reshape(2, 2, rows) @ full)
    some = np.array(data.draw(st.lists(st.integers(0, rows - 1), max_size=5)), int)  # twice, too
    same(found[some], full[some])
    some = np.array(data.draw(st.lists(st.integers(0, columns - 1), max_size=5, unique=True)), int)
    same(found[:, some], full[:, some])
    assert sorted(held(found).tolist()) == sorted(full[full != 0].tolist()) and words(found) == 3 * (full != 0).sum()


@QUICK
@given(st.data())
def test_two_of_them_are_joined_and_compared(data):
    one = data.draw(matrices())
    other = data.draw(matrices(one.shape))
    third = data.draw(matrices((2, one.shape[1])))
    for wrapped in (of, lambda matrix: matrix):  # either may be an array
        same(side_by_side(of(one), wrapped(third)), side_by_side(one, third))
        same(below_each_other(of(one), wrapped(third)), np.vstack([one, third]))
        same(unlike(of(one), wrapped(other)), np.where(one != other, one, 0))
    zeros = np.zeros
    same(side_by_side(one, third), np.block([[one, zeros(one.shape)], [zeros(third.shape), third]]))


@QUICK
@given(st.data())
def test_dyadic_numbers_of_it_are_exact(data):
    full = data.draw(matrices()) * 2.0**-60 + data.draw(st.sampled_from([0.0, 0.1]))
    rows, columns = full.shape
    found = of(full)
    h = Dyadic.of(data.draw(matrices((1, columns)))[0] / 3)
    left = Dyadic.of(data.draw(matrices((3, rows))) / 7)
    for exact in (Dyadic.of(found), np.abs(Dyadic.of(found)), np.maximum(Dyadic.of(found), 0)):
        for product, expected in ((exact @ h, exact.full @ h), (left @ exact, left @ exact.full)):
            assert (product.bits, product.numbers.tolist()) == (expected.bits, expected.numbers.tolist())
    assert (found @ h).numbers.tolist() == (Dyadic.of(full) @ h).numbers.tolist()
    assert [[Fraction(n, 1 << exact.bits) for n in row] for row in Dyadic.of(found).full.numbers] == [
        [Fraction(v) for v in row] for row in full.tolist()
    ]


def test_what_would_not_keep_its_zeros_is_refused():
    found = diagonal(np.array([1.0, 2.0]))
    for wrong in (lambda: np.maximum(found, 1), lambda: np.exp(found), lambda: found + 1, lambda: found == found):
        with pytest.raises(TypeError):
            wrong()


def test_selections_and_diagonals():
    same(selection(np.array([2, -1, 0]), 3), np.array([[0.0, 0, 1], [0, 0, 0], [1, 0, 0]]))
    found = diagonal(np.array([3.0, 0.0, -1.0]))
    same(found, np.diag([3.0, 0, -1]))
    assert len(found.numbers) == 2


# Networks.


def image_network(scratch, seed: int = 0, *, last: int = 3, rounded: bool = False) -> Network:
    """5 x 5 pixels: convolutions with zeros around, maxima, an average where it is to be rounded, and scores."""
    random = np.random.default_rng(seed)
    numbers = lambda *shape: (random.integers(-4, 5, shape) / 4).astype(np.float32)
    pool = (
        node("AveragePool", "m", "p", kernel_shape=[3, 1]) if rounded else node("Pad", "m ends", "p", mode=b"constant")
    )
    nodes = [
        node("Conv", "x K B", "c", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "c", "r"),
        node("Conv", "r L", "d", group=2, pads=[1, 0, 0, 1]),
        node("Relu", "d", "e"),
        node("MaxPool", "e", "m", kernel_shape=[2, 2], pads=[0, 1, 1, 0]),
        pool,
        node("Flatten", "p", "f"),
        node("MatMul", "f W", "y"),
    ]
    constants = {
        "K": numbers(2, 1, 3, 3),
        "B": numbers(2),
        "L": numbers(2, 1, 2, 2),
        "ends": np.array([0, 0, 0, 1, 0, 0, 0, 0]),
        "W": numbers(2 * 1 * 3 if rounded else 2 * 3 * 4, last),
    }
    used = {name for each_node in nodes for name in each_node.input}
    constants = {name: array for name, array in constants.items() if name in used}
    return read_network(written(scratch, model(nodes, constants, shape=(1, 1, 5, 5))))


def written_out(network: Network) -> Network:
    layers = tuple(layer._replace(weight=np.asarray(layer.weight)) for layer in network.layers)
    return dataclasses.replace(network, layers=layers)


def bounded(bounds, seed: int = 0):
    """l, u and the margin of y_0 - y_1 + 1000 > 0 on three boxes."""
    random = np.random.default_rng(seed)
    lower = random.integers(-8, 1, (3, bounds.n_inputs)) / 8
    upper = lower + random.integers(0, 9, lower.shape) / 8
    l, u = np.stack([bounds.root(*ends) for ends in zip(lower, upper)], axis=1)
    nodes = SimpleNamespace(lower=lower, upper=upper, l=l, u=u)
    lines = bounds.tighten(nodes)
    rows = np.zeros((3, bounds.n_outputs + 1 + bounds.n_inputs), object)
    rows[:, :3] = [1024, -1024, 0]
    rows[:, bounds.n_outputs] = 1024 * 1000
    nothing = np.zeros((3, bounds.hidden))
    margins = bounds.margins(nodes, lines, Exclusions(np.arange(3), rows, nothing * np.nan, nothing))
    return l, u, margins


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_a_whole_network_are_those_of_it_written_out(scratch, monkeypatch, seed, rounded):
    """Exactly in exact arithmetic; in float64 as far as that is one, and never beyond the exact ones."""
    network = image_network(scratch, seed, rounded=rounded)
    assert [isinstance(layer.weight, Sparse) for layer in network.layers] == [True] * (len(network.layers) - 1) + [
        False
    ]
    exact = bounded(Exact(network, "real"))
    for found, expected in zip(exact, bounded(Exact(written_out(network), "real")), strict=True):
        assert found.tolist() == expected.tolist()
    full = bounded(Floating(network, "real"))
    monkeypatch.setattr(floating_steps, "MOST_FULL", 0)
    floats = bounded(Floating(network, "real"))
    for found, same_, true in zip(floats, full, exact, strict=True):
        np.testing.assert_allclose(found.astype(float), same_.astype(float), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found.astype(float), true.astype(float), rtol=1e-6, atol=1e-9)
    assert all(Fraction(float(found)) <= true for found, true in zip(floats[2], exact[2], strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_cones_are_those_of_a_network_written_out(scratch, seed):
    network = image_network(scratch, seed)
    free = np.array([0, 1, 5])
    cone, full = cone_of(network, free), cone_of(written_out(network), free)
    for found, expected, layer, here in zip(cone.layers, full.layers, network.layers, cone.reached, strict=True):
        same(found.weight, np.asarray(expected.weight))
        assert found.has_relu.tolist() == expected.has_relu.tolist() == layer.has_relu[here].tolist()
    assert cone.columns.tolist() == full.columns.tolist()
    assert all(map(np.array_equal, cone.reached, full.reached))


@pytest.mark.parametrize("rounded", [False, True])
def test_witnesses_are_evaluated_as_written_out(scratch, rounded):
    network = image_network(scratch, rounded=rounded)
    point = [Fraction(i, 7) for i in range(25)]
    assert evaluate(network, point) == evaluate(written_out(network), point) == by_definition(network, point)[0]
    assert radii(network, point) == by_definition(network, point)[1]
    assert any(radii(network, point)) == rounded


def by_definition(network, point):
    """Outputs and radii of section 7, number by number."""
    h, r = list(point), [Fraction(0)] * len(point)
    for layer in network.layers:
        z, radius = [], []
        for weights, b in zip(np.asarray(layer.weight).tolist(), layer.bias.tolist()):
            w = [Fraction(v) for v in weights]
            z.append(sum(map(Fraction.__mul__, w, h)) + Fraction(b))
            size = sum(abs(a) * (abs(v) + e) for a, v, e in zip(w, h, r)) + abs(Fraction(b))
            radius.append(sum(abs(a) * e for a, e in zip(w, r)) + size * Fraction(1, 2**53))
        h = [max(v, Fraction(0)) if cut else v for v, cut in zip(z, layer.has_relu)]
        r = radius if network.rounded else r[:1] * len(z)
    return h, r


@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_those_of_networks_written_out(scratch, seed):
    """Section 9, where some numbers of one layer or of several differ."""
    random = np.random.default_rng(seed)
    network = image_network(scratch, seed)
    layers = list(network.layers)
    for k in random.permutation(len(layers))[: 1 + seed % 3]:
        weight = layers[k].weight
        changed = np.asarray(weight) * np.where(random.random(weight.shape) < 0.1, random.integers(0, 3), 1)
        layers[k] = layers[k]._replace(weight=of(changed) if isinstance(weight, Sparse) else changed)
    other = dataclasses.replace(network, layers=tuple(layers))
    pair, full = Pair(network, other), Pair(written_out(network), written_out(other))
    assert (pair.first, pair.last) == (full.first, full.last)
    for found, expected in zip(pair.network.layers, full.network.layers, strict=True):
        same(found.weight, expected.weight)
    u = random.integers(-1, 2, (50, pair.parts[-1].stop)).astype(np.float32)
    assert pair.unequal(u).tolist() == full.unequal(u).tolist()


# Limits.


def test_a_common_network_for_images_is_read(scratch):
    """As matrices its layers would have 10^8 numbers and more."""
    nodes = [
        node("Conv", "x K", "c"),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "y", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    path = written(scratch, model(nodes, {"K": np.ones((16, 1, 5, 5), np.float32)}, shape=(1, 1, 28, 28)))
    network = read_network(path)
    sizes = [(layer.weight.shape, len(layer.weight.numbers)) for layer in network.layers]
    assert sizes == [
        ((9216, 784), 230_400),
        ((9216, 9216), 9216 // 2 * 3),
        ((4608, 9216), 2304 * 6),
        ((2304, 4608), 4608),
    ]


CONV = [node("Conv", "x K", "y")]
#: nodes, constants, the input's shape, what is said
BEYOND = {
    "rows of a Conv": (CONV, {"K": np.ones((2, 1, 1), np.float32)}, (1, 1, 2**15 + 1), "65,538 rows, more than 65,536"),
    "rows of an average": (
        [node("AveragePool", "x", "y", kernel_shape=[1], pads=[1, 1], count_include_pad=1)],
        {},
        (1, 2, 2**15 - 1),
        "65,538 rows, more than 65,536",
    ),
    "rows of a Pad": (
        [node("Pad", "x ends", "y")],
        {"ends": np.array([0, 0, 0, 0, 0, 2**16])},
        (1, 1, 1),
        "65,537 rows, more than 65,536",
    ),
    "elements of windows": (
        CONV,
        {"K": np.ones((2, 1, 2**11 + 1), np.float32)},
        (1, 1, 2**12),
        "its windows take more than 4,194,304 elements",
    ),
    "elements of a pool's windows": (
        [node("MaxPool", "x", "y", kernel_shape=[2**11 + 1])],
        {},
        (1, 2, 2**12),
        "its windows take more than 4,194,304 elements",
    ),
    "numbers other than 0": (
        CONV,
        {"K": np.ones((16, 65, 128), np.float32)},
        (1, 65, 255),
        "it has 17,039,360 numbers other than 0, more than 16,777,216",
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_the_limits_is_refused(scratch, name):
    nodes, constants, shape, why = BEYOND[name]
    assert why in refused(read_network, written(scratch, model(nodes, constants, shape=shape)))


def test_the_limits_themselves_are_allowed(scratch):
    """2^16 rows; and zeros of a kernel do not count."""
    nodes = [node("Conv", "x K", "y")]
    path = written(scratch, model(nodes, {"K": np.ones((2, 1, 1), np.float32)}, shape=(1, 1, 2**15)))
    assert read_network(path).n_outputs == 2**16
    kernel = np.zeros((16, 65, 128), np.float32)
    kernel[:, 3, 7] = 2
    (layer,) = read_network(written(scratch, model(nodes, {"K": kernel}, shape=(1, 65, 255)))).layers
    assert layer.weight.numbers.tolist() == [2.0] * 16 * 128


def test_all_windows_elements_at_the_limit_are_quick_and_small(scratch, monkeypatch):
    monkeypatch.setattr(onnx_windows, "MAX_TAKEN", 12)
    nodes = [node("Conv", "x K", "y")]
    kernel = {"K": np.array([[[1, 2]], [[0, 3]]], np.float32)}
    (layer,) = read_network(written(scratch, model(nodes, kernel, shape=(1, 1, 4)))).layers  # 2 x 3 x 2
    assert len(layer.weight.numbers) == 9
    assert "more than 12 elements" in refused(read_network, written(scratch, model(nodes, kernel, shape=(1, 1, 5))))


def test_products_of_integers_are_made_in_parts(monkeypatch):
    random = np.random.default_rng(0)
    full, rows = random.integers(-3, 4, (20, 30)).astype(object), random.integers(-3, 4, (9, 20)).astype(object)
    monkeypatch.setattr(sparse, "PRODUCTS", 1000)
    same(rows @ of(full), rows @ full)


def test_all_layers_are_counted(scratch, monkeypatch):
    """Each number with its row and column."""
    nodes = [node("Neg", "x", "a"), node("LeakyRelu", "a", "y")]
    path = written(scratch, model(nodes, {}, shape=(1, 5)))
    monkeypatch.setattr(onnx_chain, "MAX_WORDS", 3 * 5 * 5)
    assert [len(layer.weight.numbers) for layer in read_network(path).layers] == [5, 10, 10]
    monkeypatch.setattr(onnx_chain, "MAX_WORDS", 3 * 5 * 5 - 1)
    assert "weights of more than 74 numbers of 8 bytes" in refused(read_network, path)
