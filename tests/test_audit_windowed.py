"""Convolutions, averages, padding and axes in another order: three readers, and onnxruntime."""

import random
from pathlib import Path

import numpy as np
import pytest
import second_checker
import second_checker_network
from fuzzing import examples
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper
from onnx_graphs import f32, model, node
from onnx_windowed_graphs import images
from test_audit_readers import assert_changed_is_read_alike, refused, written
from test_audit_selections import change_constant, files_of

from engine.audit import onnx_chain
from engine.audit.check import check
from engine.audit.onnx_reader import read_network
from engine.cli import main
from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import load_network, rewritten, signal, storable
from engine.replay import replay

FUZZ = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("windowed")


def read(path: Path) -> Network:
    """The engine's network; an average of no elements, as a dilation may leave in the padding, is none for both."""
    try:
        return load_network(path)
    except InputError as error:
        assert "a window takes nothing but padding" in str(error)
        refused(read_network, path)
        reject()


def assert_alike(path) -> None:
    """The engine, the checker and the second checker read the same network."""
    engines, ours = read(path), read_network(path)
    theirs = second_checker_network.read_chain(second_checker_network.read_model(path)[0])
    for a, b, c in zip(engines.layers, ours.layers, theirs.layers, strict=True):
        assert np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias) and a.relu == b.relu
        assert (np.asarray(b.weight).tolist(), b.bias.tolist(), b.relu) == (c.weights, c.bias, c.relu)
    assert engines.rounded == ours.rounded == theirs.rounded
    assert bool(engines.float32_obstacle) == bool(ours.obstacle) == (not theirs.executed)


@FUZZ
@given(images())
def test_the_readers_agree(scratch, found):
    assert_alike(written(scratch, found))


@FUZZ
@given(images())
def test_the_network_is_what_onnxruntime_runs(scratch, found):
    network = read(written(scratch, found))
    points = np.random.default_rng(3).integers(-3, 4, (3, network.n_inputs)).astype(np.float32)
    executed = replay(network, points)
    assert executed.shape == (3, network.n_outputs)
    expected = network.evaluate(points)
    size = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(executed, expected, rtol=0, atol=0 if not network.rounded else 1e-5 * size)


def test_zeros_before_a_smaller_window_are_executed(scratch):
    """onnxruntime makes the Pad part of the pool, and then refuses the pool."""
    nodes = [node("Pad", "x pads", "p"), node("AveragePool", "p", "y", kernel_shape=[2])]
    found = model(nodes, {"pads": np.array([0, 0, 3, 0, 0, 3])}, shape=(1, 1, 2), opset=13)
    network = read(written(scratch, found))
    points = np.array([[2, 4]], np.float32)
    assert replay(network, points).tolist() == [[0, 0, 1, 3, 2, 0, 0]] == network.evaluate(points).tolist()


# Known answers.

K2 = f32([[1, 2]])  # [1, 1, 2]
K22 = f32([[[1, 2], [3, 4]]])  # [1, 1, 2, 2]
TWO = f32([[1]], [[2]])  # [2, 1, 1]
CONSTANTS = {
    "k2": K2,
    "k22": K22,
    "two": TWO,
    "grouped": f32([[1, 2]], [[3, 4]]),
    "b": f32(5),
    "bb": f32(5, 6),
    "nil": f32(0),
    "wide": np.array([0, 0, 1, 0, 0, 1]),
    "last": np.array([-1]),
    "ends": np.array([1, 1]),
    "zero": np.float32(0),
    "one": np.float32(1),
    "minus": np.array([0, 0, -1, 0, 0, 1]),
    "double": np.ones((1, 1, 2)),
    "twice": np.array([2, -1]),
    "far": np.array([0, 0, 2**62, 0, 0, 2**62]),
    "images": np.array([2, 1, 3]),
    "s": f32(1, 1),
    "v": f32(3, 0.25),
    "m": f32(0, 0),
}


def some(operator: str, inputs: str = "x", **attributes):
    return [node(operator, inputs, "y", **attributes)]


def proto(nodes, shape=(1, 1, 3), opset=19, **options) -> ModelProto:
    used = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    return model(nodes, constants, shape=shape, opset=opset, **options)


THIRD = 1 / 3
#: name -> nodes, the input's shape, W of its one layer, b
LAYERS = {
    "conv": (some("Conv", "x k2"), (1, 1, 3), [[1, 2, 0], [0, 1, 2]], [0, 0]),
    "conv with a bias": (some("Conv", "x k2 b"), (1, 1, 3), [[1, 2, 0], [0, 1, 2]], [5, 5]),
    "pads": (some("Conv", "x k2", pads=[1, 0]), (1, 1, 3), [[2, 0, 0], [1, 2, 0], [0, 1, 2]], [0, 0, 0]),
    "pads beyond the kernel": (some("Conv", "x k2", pads=[2, 0], strides=[4]), (1, 1, 3), [[0, 0, 0]], [0]),
    "strides": (some("Conv", "x k2", strides=[2]), (1, 1, 4), [[1, 2, 0, 0], [0, 0, 1, 2]], [0, 0]),
    "dilations": (some("Conv", "x k2", dilations=[2]), (1, 1, 3), [[1, 0, 2]], [0]),
    "same, more behind": (some("Conv", "x k2", auto_pad="SAME_UPPER"), (1, 1, 2), [[1, 2], [0, 1]], [0, 0]),
    "same, more before": (some("Conv", "x k2", auto_pad="SAME_LOWER"), (1, 1, 2), [[2, 0], [1, 2]], [0, 0]),
    "same takes nothing away": (
        some("AveragePool", kernel_shape=[1], strides=[3], auto_pad="SAME_LOWER"),
        (1, 1, 4),
        [[1, 0, 0, 0], [0, 0, 0, 1]],
        [0, 0],
    ),
    "two dimensions": (some("Conv", "x k22"), (1, 1, 2, 3), [[1, 2, 0, 3, 4, 0], [0, 1, 2, 0, 3, 4]], [0, 0]),
    "two channels out": (some("Conv", "x two bb"), (1, 1, 2), [[1, 0], [0, 1], [2, 0], [0, 2]], [5, 5, 6, 6]),
    "two groups": (some("Conv", "x grouped", group=2), (1, 2, 2), [[1, 2, 0, 0], [0, 0, 3, 4]], [0, 0]),
    "average": (some("AveragePool", kernel_shape=[2]), (1, 1, 3), [[0.5, 0.5, 0], [0, 0.5, 0.5]], [0, 0]),
    "average without zeros": (
        some("AveragePool", kernel_shape=[3], pads=[1, 1], strides=[9]),
        (1, 1, 3),
        [[0.5, 0.5, 0]],
        [0],
    ),
    "average with zeros": (
        some("AveragePool", kernel_shape=[3], pads=[1, 1], strides=[9], count_include_pad=1),
        (1, 1, 3),
        [[THIRD, THIRD, 0]],
        [0],
    ),
    "one window more": (
        some("AveragePool", kernel_shape=[2], strides=[2], ceil_mode=1),
        (1, 1, 3),
        [[0.5, 0.5, 0], [0, 0, 1]],
        [0, 0],
    ),
    "no window more, in the zeros": (
        some("AveragePool", kernel_shape=[2], strides=[2], pads=[0, 1], ceil_mode=1),
        (1, 1, 2),
        [[0.5, 0.5]],
        [0],
    ),
    "average of all": (some("GlobalAveragePool"), (1, 2, 1, 3), [[THIRD] * 3 + [0] * 3, [0] * 3 + [THIRD] * 3], [0, 0]),
    "pad": (some("Pad", "x wide"), (1, 1, 2), [[0, 0], [1, 0], [0, 1], [0, 0]], [0] * 4),
    "pad along an axis": (
        [helper.make_node("Pad", ["x", "ends", "", "last"], ["y"])],
        (1, 1, 2),
        [[0, 0], [1, 0], [0, 1], [0, 0]],
        [0] * 4,
    ),
    "no pad": (some("Pad", "x m0 zero"), (1, 1, 2), [[1, 0], [0, 1]], [0, 0]),
    "transposed": (
        some("Transpose", perm=[0, 2, 1]),
        (1, 2, 2),
        [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]],
        [0] * 4,
    ),
    "transposed, nothing moves": (some("Transpose", perm=[1, 2, 0]), (1, 1, 2), [[1, 0], [0, 1]], [0, 0]),
    "any batch": (some("Conv", "x k2"), ("N", 1, 2), [[1, 2]], [0]),
}
CONSTANTS["m0"] = np.zeros(6, np.int64)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_table(scratch, name):
    nodes, shape, weight, bias = LAYERS[name]
    path = written(scratch, proto(nodes, shape))
    for network in (load_network(path), read_network(path)):
        (layer,) = network.layers
        assert (np.asarray(layer.weight).tolist(), layer.bias.tolist(), layer.relu) == (weight, bias, False)
        assert network.rounded == (THIRD in weight[0])


def test_an_add_is_the_bias_of_a_convolution_without_one(scratch):
    for bias, layers in (("", 1), (" b", 2), (" nil", 2)):
        nodes = [node("Conv", "x k2" + bias, "c"), node("Add", "c b", "y")]
        path = written(scratch, proto(nodes))
        assert_alike(path)
        assert len(read_network(path).layers) == layers


def test_a_normalization_of_channels(scratch):
    """(x - 0) / sqrt(variance + 1), of each channel's own variance: one half, and what is rounded."""
    nodes = [node("BatchNormalization", "x s m m v", "n", epsilon=1.0), node("Relu", "n", "y")]
    path = written(scratch, proto(nodes, (1, 2, 1, 2)))
    assert_alike(path)
    factors = np.asarray(read_network(path).layers[-1].weight).diagonal().tolist()
    assert factors == [0.5, 0.5, 1.25**-0.5, 1.25**-0.5]


def test_a_convolution_of_float64_numbers(scratch):
    found = model(some("Conv", "x k"), {"k": np.array([[[0.1, 0.2]]])}, shape=(1, 1, 2), kind=TensorProto.DOUBLE)
    path = written(scratch, found)
    assert_alike(path)
    assert np.asarray(read_network(path).layers[0].weight).tolist() == [[0.1, 0.2]]


@pytest.mark.parametrize("name", ["conv", "average", "average of all"])
def test_there_are_no_float32_semantics(scratch, name):
    nodes, shape, *_ = LAYERS[name]
    path = written(scratch, proto(nodes, shape))
    why = "Winograd" if name == "conv" else "rounded reciprocals"
    assert why in load_network(path).float32_obstacle and why in read_network(path).obstacle


def test_what_only_moves_has_them(scratch):
    for name in ("pad", "transposed"):
        nodes, shape, *_ = LAYERS[name]
        path = written(scratch, proto(nodes, shape))
        assert not load_network(path).float32_obstacle and not read_network(path).obstacle


def test_numbers_of_a_kernel_are_not_repaired(scratch):
    """One of them stands for several; where it stands for one, zeros are beside it."""
    network = load_network(written(scratch, proto(some("Conv", "x k2"))))
    assert all(part.fixed for part in storable(network)[0])
    assert rewritten(network) is network


# Refused.

HUGE = 2**31
#: name -> nodes, the input's shape, the opset, what the engine says
WRONG = {
    "another number of channels": (some("Conv", "x grouped"), (1, 3, 3), 19, "do not fit"),
    "groups that do not divide": (some("Conv", "x k2", group=2), (1, 2, 3), 19, "do not fit"),
    "no groups": (some("Conv", "x k2", group=0), (1, 1, 3), 19, "do not fit"),
    "groups below 0": (some("Conv", "x k2", group=-1), (1, 1, 3), 19, "do not fit"),
    "a kernel of other dimensions": (some("Conv", "x k22"), (1, 1, 3), 19, "do not fit"),
    "another kernel_shape": (some("Conv", "x k2", kernel_shape=[3]), (1, 1, 3), 19, "its kernel has shape [1, 1, 2]"),
    "another bias": (some("Conv", "x k2 bb"), (1, 1, 3), 19, "shapes [1] and [2] do not fit"),
    "a kernel of another type": (some("Conv", "x double"), (1, 1, 3), 19, "float32 and float64 do not fit"),
    "several images": (some("Conv", "x k2"), (2, 1, 3), 19, "is not [1, channels, ..]"),
    "no dimension": (some("GlobalAveragePool"), (1, 3), 19, "is not [1, channels, ..]"),
    "four dimensions": (some("GlobalAveragePool"), (1, 1, 1, 2, 1, 2), 19, "slides over 4 dimensions"),
    "the signal as kernel": (some("Conv", "k2 x"), (1, 1, 3), 19, "the signal stands where constants belong"),
    "convolved constants": ([node("Conv", "k2 k2", "k"), node("Add", "x k", "y")], (1, 1, 3), 19, "constants"),
    "averaged constants": ([node("GlobalAveragePool", "k2", "k"), node("Add", "x k", "y")], (1, 1, 3), 19, "constants"),
    "padded constants": ([node("Pad", "k2 wide", "k"), node("Add", "x k", "y")], (1, 1, 3), 19, "it pads constants"),
    "no window": (some("Conv", "x k2"), (1, 1, 1), 19, "no window of [2] fits into [1]"),
    "no whole window": (some("AveragePool", kernel_shape=[4], ceil_mode=1, strides=[3]), (1, 1, 3), 19, "no window"),
    "strides of 0": (some("Conv", "x k2", strides=[0]), (1, 1, 3), 19, "[0] is no list of 1 numbers from 1"),
    "two strides": (some("Conv", "x k2", strides=[1, 1]), (1, 1, 3), 19, "is no list of 1 numbers from 1"),
    "dilations below 0": (some("Conv", "x k2", dilations=[-1]), (1, 1, 3), 19, "is no list of 1 numbers from 1"),
    "pads below 0": (some("Conv", "x k2", pads=[-1, 0]), (1, 1, 3), 19, "is no list of 2 numbers from 0"),
    "one pad": (some("Conv", "x k2", pads=[1]), (1, 1, 3), 19, "is no list of 2 numbers from 0"),
    "large dilations": (some("Conv", "x k2", dilations=[HUGE + 1]), (1, 1, 3), 19, "is no list of 1 numbers"),
    "pads and auto_pad": (some("Conv", "x k2", pads=[0, 0], auto_pad="VALID"), (1, 1, 3), 19, "auto_pad stands beside"),
    "dilations and auto_pad": (some("Conv", "x k2", dilations=[2], auto_pad="SAME_UPPER"), (1, 1, 3), 19, "auto_pad"),
    "another auto_pad": (some("Conv", "x k2", auto_pad="SOME\n"), (1, 1, 3), 19, "auto_pad is 'SOME"),
    "auto_pad of bytes": (some("Conv", "x k2", auto_pad=b"\xff"), (1, 1, 3), 19, "auto_pad is"),
    "auto_pad of a number": (some("Conv", "x k2", auto_pad=1), (1, 1, 3), 19, "attribute 'auto_pad' is not supported"),
    "ceil_mode and auto_pad": (
        some("AveragePool", kernel_shape=[2], ceil_mode=1, auto_pad="VALID"),
        (1, 1, 3),
        19,
        "auto_pad",
    ),
    "ceil_mode of a Conv": (some("Conv", "x k2", ceil_mode=1), (1, 1, 3), 19, "attribute 'ceil_mode' is not supported"),
    "ceil_mode with zeros counted": (
        some("AveragePool", kernel_shape=[2], strides=[2], ceil_mode=1, count_include_pad=1),
        (1, 1, 3),
        19,
        "count differently",
    ),
    "an average of nothing": (some("AveragePool", kernel_shape=[1], pads=[1, 0]), (1, 1, 3), 19, "nothing but padding"),
    "an average of zeros": (
        some("AveragePool", kernel_shape=[1], pads=[1, 0], count_include_pad=1),
        (1, 1, 3),
        19,
        "nothing but padding",
    ),
    "an average without a kernel": (some("AveragePool"), (1, 1, 3), 19, "attribute 'kernel_shape' is missing"),
    "dilations too early": (some("AveragePool", kernel_shape=[2], dilations=[1]), (1, 1, 3), 18, "'dilations' is not"),
    "ceil_mode too early": (some("AveragePool", kernel_shape=[2], ceil_mode=0), (1, 1, 3), 9, "'ceil_mode' is not"),
    "pads as attributes too late": (some("Pad", pads=[0] * 6), (1, 1, 3), 11, "attribute 'pads' is not supported"),
    "axes too early": ([helper.make_node("Pad", ["x", "ends", "zero", "last"], ["y"])], (1, 1, 3), 17, "not take"),
    "pad with a number": (some("Pad", "x wide one"), (1, 1, 3), 19, "other numbers than zeros"),
    "pad with a number by attribute": (some("Pad", pads=[0] * 6, value=1.0), (1, 1, 3), 10, "other numbers than zeros"),
    "pad with several numbers": (some("Pad", "x wide m"), (1, 1, 3), 19, "several numbers"),
    "pad by reflection": (some("Pad", "x wide", mode="reflect"), (1, 1, 3), 19, "mode 'reflect'"),
    "cut": (some("Pad", "x minus"), (1, 1, 3), 19, "use Slice to take elements away"),
    "pads of another length": (some("Pad", "x ends"), (1, 1, 3), 19, "are no numbers of zeros"),
    "pads of floats": (some("Pad", "x bb"), (1, 1, 3), 19, "is not a constant of type int64"),
    "an axis twice": ([helper.make_node("Pad", ["x", "ends", "", "twice"], ["y"])], (1, 1, 3), 19, "are no axes"),
    "very far pads": (some("Pad", "x far"), (1, 1, 3), 19, "and at most 65,536 are supported"),
    "very many windows": (some("Conv", "x k2", pads=[0, HUGE]), (1, 1, 3), 19, "windows take more than 4,194,304"),
    "a very large window": (some("AveragePool", kernel_shape=[2**23], pads=[0, 2**23]), (1, 1, 3), 19, "windows take"),
    "too many windows": (
        some("Conv", "x k2"),
        (1, 1, 65538),
        19,
        "as a matrix it has 65,537 rows, and at most 65,536 are supported",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_both_readers_refuse(scratch, name):
    nodes, shape, opset, what = WRONG[name]
    path = written(scratch, proto(nodes, shape, opset))
    with pytest.raises(InputError) as caught:
        load_network(path)
    assert what in str(caught.value) and len(str(caught.value).splitlines()) == 1 and caught.value.advice
    assert len(refused(read_network, path)) < 500


def test_all_layers_together_have_a_limit(scratch, monkeypatch):
    monkeypatch.setattr(signal, "MAX_WEIGHTS", 26)
    monkeypatch.setattr(onnx_chain, "MAX_WORDS", 26)
    nodes = [node("Conv", f"{a} k1", b) for a, b in (("x", "a"), ("a", "b"), ("b", "y"))]
    path = written(scratch, model(nodes, {"k1": f32([[1]])}, shape=(1, 1, 3)))
    with pytest.raises(InputError, match="more than 26 weights in all"):
        load_network(path)
    assert "weights of more than 26 numbers of 8 bytes" in refused(read_network, path)


# Files that say something else.

OPERATORS = ["Conv", "AveragePool", "GlobalAveragePool", "Pad", "Transpose", "Add", "Relu", "Flatten"]
NUMBERS = [-(2**63), -2, -1, 0, 1, 1, 2, 3, 2**31, 2**31 + 1, 2**62]


def change(found: ModelProto, rng: random.Random) -> None:
    """Changes an operator, an attribute, a constant, what a node reads or the opset."""
    graph = found.graph
    names = ["x", *(name for each in graph.node for name in each.output), *(c.name for c in graph.initializer)]
    each, kind = rng.choice(graph.node), rng.randrange(7)
    if kind == 0 and each.input:
        each.input[rng.randrange(len(each.input))] = rng.choice(names)
    elif kind == 1:
        each.input.append(rng.choice(names))
    elif kind in (2, 3) and each.attribute:
        change_attribute(rng.choice(each.attribute), rng)
    elif kind == 4 and graph.initializer:
        change_constant(rng.choice(graph.initializer), rng)
    elif kind == 5:
        each.attribute.append(
            rng.choice(
                [
                    helper.make_attribute("auto_pad", rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID", "X"])),
                    helper.make_attribute(rng.choice(["group", "ceil_mode", "count_include_pad"]), rng.choice(NUMBERS)),
                    helper.make_attribute(rng.choice(["pads", "strides", "dilations"]), rng.choices(NUMBERS, k=2)),
                ]
            )
        )
    elif rng.random() < 0.5:
        each.op_type = rng.choice(OPERATORS)
    else:
        found.opset_import[0].version = rng.choice([7, 10, 11, 13, 18, 19])


def change_attribute(attribute: AttributeProto, rng: random.Random) -> None:
    if attribute.type == AttributeProto.INT:
        attribute.i = rng.choice(NUMBERS)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = rng.choice([b"SAME_UPPER", b"VALID", b"NOTSET", b"reflect", b"", b"\xff"])
    elif attribute.type == AttributeProto.INTS:
        if rng.random() < 0.7 and attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
        else:
            attribute.ints.append(rng.choice(NUMBERS))


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(images(), st.integers(0, 2**32))
def test_changed_graphs_are_read_alike_or_refused(scratch, found, seed):
    assert_changed_is_read_alike(scratch, found, change, seed)


# From a file to a verdict that is checked.


def tiny(pool: list, seed: int = 0) -> ModelProto:
    """Two inputs, spread over an image of 3 x 3 by a Gemm: convolution, ReLU, this pool, convolution and a sum."""
    rng = np.random.default_rng(seed)
    constants = {
        "W": rng.integers(-2, 3, (2, 9)).astype(np.float32),
        "image": np.array([1, 1, 3, 3]),
        "K": rng.integers(-2, 3, (2, 1, 2, 2)).astype(np.float32),
        "B": f32(1, -1),
        "L": rng.integers(-2, 3, (2, 2, 1, 1)).astype(np.float32),
    }
    nodes = [
        node("MatMul", "x W", "a"),
        node("Reshape", "a image", "i"),
        node("Conv", "i K B", "c", pads=[1, 0, 0, 1]),
        node("Relu", "c", "r"),
        *pool,
        node("Conv", "p L", "l"),
        node("Transpose", "l", "t", perm=[0, 2, 3, 1]),
        node("Flatten", "t", "y"),
    ]
    return model(nodes, constants, shape=(1, 2), opset=19)


POOLS = {
    "exact": [
        node("AveragePool", "r", "p", kernel_shape=[2, 2], strides=[2, 1], pads=[0, 0, 1, 0], count_include_pad=1)
    ],
    "rounded": [node("GlobalAveragePool", "r", "p")],
}


@pytest.mark.parametrize("name", ["exact", "rounded"])
def test_certificates_of_such_networks_are_accepted(tmp_path, capsys, name):
    """A little more than the largest output of a fine grid is proved, or found to be reached; less is reached."""
    found = tiny(POOLS[name])
    network, *_ = files_of(tmp_path, found)
    read = load_network(network)
    assert any(layer.rounded for layer in read.layers) == (name == "rounded")
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 81)] * 2), -1).reshape(-1, 2)
    most = float(read.evaluate(grid)[:, 0].max())
    for answer, bound in enumerate((most + 0.5, most - 0.25)):
        spec, certificate = tmp_path / f"{answer}.vnnlib", tmp_path / f"{answer}.zip"
        spec.write_text(property_of(read, bound))
        assert main(["verify", str(network), str(spec), "--certificate", str(certificate)]) == answer
        assert "is accepted by the independent checker" in capsys.readouterr().err
        assert main(["check", str(certificate), "--network", str(network), "--property", str(spec)]) == 0
        for arithmetic in ("float64", "exact"):
            assert check(certificate, network, spec, arithmetic=arithmetic).accepted
        assert second_checker.accepts(certificate, network, spec)


def property_of(network: Network, bound: float) -> str:
    """The first output reaches the bound for an input in [-1, 1]^n."""
    names = "".join(f"(declare-const X_{i} Real)" for i in range(network.n_inputs))
    names += "".join(f"(declare-const Y_{i} Real)" for i in range(network.n_outputs))
    box = "".join(f"(assert (<= -1 X_{i}))(assert (<= X_{i} 1))" for i in range(network.n_inputs))
    return f"{names}{box}(assert (>= Y_0 {bound}))"


def test_float32_semantics_are_refused(tmp_path, capsys):
    network, spec, _ = files_of(tmp_path, tiny(POOLS["rounded"]))
    assert main(["verify", str(network), str(spec), "--semantics", "float32"]) == 2
    line = capsys.readouterr().err
    assert "node 'c' (Conv): a runtime may convolve by other sums, as Winograd's" in line and line.count("\n") == 1
