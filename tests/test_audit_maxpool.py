"""The checker reads MaxPool and GlobalMaxPool: by hand, as onnxruntime runs them, and as the engine reads them."""

from fractions import Fraction

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, reject, settings
from onnx_graphs import f32, model, node
from onnx_pooled_graphs import pooled
from test_audit_readers import refused, written

from engine.audit.data import Network
from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network
from engine.audit.witness import evaluate
from engine.errors import InputError
from engine.onnx_file import load_network

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("maxpool")


# By hand.


def some(operator: str = "MaxPool", inputs: str = "x", output: str = "y", **attributes):
    return node(operator, inputs, output, **attributes)


CONSTANTS = {"five": f32(5), "two": f32(2), "image": np.array([1, 1, 2]), "k": f32([[3]])}


def proto(nodes, shape=(1, 1, 3), opset=19):
    used = {name for each in nodes for name in each.input}
    return model(nodes, {k: v for k, v in CONSTANTS.items() if k in used}, shape=shape, opset=opset)


A_B, B = [1, -1], [0, 1]  # of a pair: a - b, and b
#: (W, which neurons have a ReLU, b); one number for all
PAIR = ([A_B, B], [True, False], 0)
SUM = ([[1, 1]], False, 0)
#: name -> nodes, the input's shape, layers
LAYERS = {
    "two": ([some(kernel_shape=[2])], (1, 1, 2), [PAIR, SUM]),
    "one is its own largest": ([some(kernel_shape=[1])], (1, 1, 2), [([[1, 0], [0, 1]], False, 0)]),
    "three: one is left over": (
        [some(kernel_shape=[3])],
        (1, 1, 3),
        [
            ([[1, -1, 0], [0, 1, 0], [0, 0, 1]], [True, False, False], 0),
            ([[1, 1, -1], [0, 0, 1]], [True, False], 0),
            SUM,
        ],
    ),
    "four": (
        [some("GlobalMaxPool")],
        (1, 1, 2, 2),
        [
            ([[1, -1, 0, 0], [0, 1, 0, 0], [0, 0, 1, -1], [0, 0, 0, 1]], [True, False, True, False], 0),
            ([[1, 1, -1, -1], [0, 0, 1, 1]], [True, False], 0),
            SUM,
        ],
    ),
    "five: one is left over twice": (
        [some("GlobalMaxPool")],
        (1, 1, 5),
        [
            (
                [[1, -1, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, -1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
                [True, False, True, False, False],
                0,
            ),
            ([[1, 1, -1, -1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], [True, False, False], 0),
            ([[1, 1, -1], [0, 0, 1]], [True, False], 0),
            SUM,
        ],
    ),
    "channels, then windows": (
        [some(kernel_shape=[2])],
        (1, 2, 2),
        [
            ([[1, -1, 0, 0], [0, 1, 0, 0], [0, 0, 1, -1], [0, 0, 0, 1]], [True, False, True, False], 0),
            ([[1, 1, 0, 0], [0, 0, 1, 1]], False, 0),
        ],
    ),
    "windows meet": (
        [some(kernel_shape=[2])],
        (1, 1, 3),
        [
            ([[1, -1, 0], [0, 1, 0], [0, 1, -1], [0, 0, 1]], [True, False, True, False], 0),
            ([[1, 1, 0, 0], [0, 0, 1, 1]], False, 0),
        ],
    ),
    "row-major": (
        [some(kernel_shape=[2, 1], dilations=[1, 1])],
        (1, 1, 2, 2),
        [
            ([[1, 0, -1, 0], [0, 0, 1, 0], [0, 1, 0, -1], [0, 0, 0, 1]], [True, False, True, False], 0),
            ([[1, 1, 0, 0], [0, 0, 1, 1]], False, 0),
        ],
    ),
    "zeros are not taken; lists of two lengths": (
        [some(kernel_shape=[2], strides=[2], pads=[1, 0])],
        (1, 1, 3),
        [
            ([[1, 0, 0], [0, 1, -1], [0, 0, 1]], [False, True, False], 0),
            ([[1, 0, 0], [0, 1, 1]], False, 0),
        ],
    ),
    "a window more by ceil_mode": (
        [some(kernel_shape=[2], strides=[2], ceil_mode=1)],
        (1, 1, 3),
        [
            ([[1, -1, 0], [0, 1, 0], [0, 0, 1]], [True, False, False], 0),
            ([[1, 1, 0], [0, 0, 1]], False, 0),
        ],
    ),
    "dilations": (
        [some(kernel_shape=[2], dilations=[2])],
        (1, 1, 3),
        [([[1, 0, -1], [0, 0, 1]], [True, False], 0), SUM],
    ),
    "same, more before": (
        [some(kernel_shape=[2], strides=[2], auto_pad="SAME_LOWER")],
        (1, 1, 3),
        [
            ([[1, 0, 0], [0, 1, -1], [0, 0, 1]], [False, True, False], 0),
            ([[1, 0, 0], [0, 1, 1]], False, 0),
        ],
    ),
    "a Relu after it": (
        [some(kernel_shape=[2], output="p"), some("Relu", "p")],
        (1, 1, 2),
        [PAIR, ([[1, 1]], True, 0)],
    ),
    "a Relu before it makes a layer": (
        [some("Relu", output="r"), some(inputs="r", kernel_shape=[2])],
        (1, 1, 2),
        [([[1, 0], [0, 1]], True, 0), PAIR, SUM],
    ),
    "an Add after it is its bias": (
        [some(kernel_shape=[2], output="p"), some("Add", "p five")],
        (1, 1, 2),
        [PAIR, ([[1, 1]], False, 5)],
    ),
    "a Neg after it is its sign": (
        [some(kernel_shape=[2], output="p"), some("Neg", "p")],
        (1, 1, 2),
        [PAIR, ([[-1, -1]], False, 0)],
    ),
    "a Mul after it is a layer": (
        [some(kernel_shape=[2], output="p"), some("Mul", "p two")],
        (1, 1, 2),
        [PAIR, SUM, ([[2]], False, 0)],
    ),
    "an Add before it is a layer": (
        [some("Add", "x five", "a"), some(inputs="a", kernel_shape=[2])],
        (1, 1, 2),
        [([[1, 0], [0, 1]], False, 5), PAIR, SUM],
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_text(scratch, name):
    nodes, shape, expected = LAYERS[name]
    network = read_network(written(scratch, proto(nodes, shape)))
    assert len(network.layers) == len(expected)
    for layer, (weight, relu, bias) in zip(network.layers, expected):
        assert np.asarray(layer.weight).tolist() == weight
        assert layer.has_relu.tolist() == np.broadcast_to(relu, len(weight)).tolist()
        assert layer.bias.tolist() == [bias] * len(weight)
    assert not network.rounded


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 12, 19, 22])
def test_opsets(scratch, opset):
    more = {} if opset < 8 else {"storage_order": 0} | ({"dilations": [1], "ceil_mode": 0} if opset > 9 else {})
    network = read_network(written(scratch, proto([some(kernel_shape=[2], **more)], (1, 1, 2), opset)))
    assert [layer.has_relu.tolist() for layer in network.layers] == [[True, False], [False]]


def test_there_are_no_float32_semantics(scratch):
    for nodes in ([some(kernel_shape=[2])], [some("GlobalMaxPool")]):
        assert "a MaxPool is executed without the sums" in read_network(written(scratch, proto(nodes))).obstacle


# As it is executed.


def read(path) -> Network:
    """The network; a window that takes no element is none."""
    try:
        return read_network(path)
    except Malformed as error:
        assert "a window takes no element" in str(error)
        reject()


def executed(path, points):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in entry.shape]
    return [session.run(None, {entry.name: point.reshape(shape)})[0].ravel().tolist() for point in points]


@FUZZ
@given(pooled())
def test_the_layers_make_what_onnxruntime_makes(scratch, found):
    """Of small integers both are exact."""
    path = written(scratch, found)
    network = read(path)
    points = np.random.default_rng(3).integers(-9, 10, (3, network.n_inputs)).astype(np.float32)
    for point, outputs in zip(points, executed(path, points), strict=True):
        assert evaluate(network, tuple(map(Fraction, point.tolist()))) == outputs


# As the engine reads it.


def assert_alike(path) -> None:
    """The engine and the checker read the same network."""
    try:
        engines = load_network(path)
    except InputError as error:
        if "MaxPool" in str(error) and "not supported" in str(error):
            pytest.skip("the engine reads no MaxPool")
        assert "a window takes nothing but padding" in str(error)
        refused(read_network, path)
        reject()
    ours = read_network(path)
    for a, b in zip(engines.layers, ours.layers, strict=True):
        assert np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
        assert np.array_equal(np.broadcast_to(a.relu, len(b.bias)), b.has_relu)
    assert engines.rounded == ours.rounded
    assert bool(engines.float32_obstacle) == bool(ours.obstacle)


@FUZZ
@given(pooled())
def test_the_readers_agree(scratch, found):
    assert_alike(written(scratch, found))


# Refused.

HUGE = 2**31 + 1
#: name -> nodes, the input's shape, the opset, what the checker says
WRONG = {
    "no kernel": ([some()], (1, 1, 3), 19, "an option is missing"),
    "a kernel of a GlobalMaxPool": ([some("GlobalMaxPool", kernel_shape=[3])], (1, 1, 3), 19, "option is not"),
    "by columns": ([some(kernel_shape=[2], storage_order=1)], (1, 1, 3), 19, "column by column"),
    "storage_order too early": ([some(kernel_shape=[2], storage_order=0)], (1, 1, 3), 7, "this option is not"),
    "dilations too early": ([some(kernel_shape=[2], dilations=[1])], (1, 1, 3), 9, "this option is not"),
    "ceil_mode too early": ([some(kernel_shape=[2], ceil_mode=0)], (1, 1, 3), 9, "this option is not"),
    "zeros counted": ([some(kernel_shape=[2], count_include_pad=0)], (1, 1, 3), 19, "this option is not"),
    "where the largest stand": ([node("MaxPool", "x", "y", kernel_shape=[2])], (1, 1, 3), 19, "more or fewer outputs"),
    "two inputs": ([some(inputs="x five", kernel_shape=[2])], (1, 1, 3), 19, "this form is not"),
    "of constants": ([some("GlobalMaxPool", "k", "m"), some("Add", "x m")], (1, 1, 3), 19, "constants"),
    "several images": ([some(kernel_shape=[2])], (2, 1, 3), 19, "not of shape [1, channels, ..]"),
    "no dimension": ([some("GlobalMaxPool")], (1, 3), 19, "not of shape [1, channels, ..]"),
    "four dimensions": ([some("GlobalMaxPool")], (1, 1, 1, 1, 1, 2), 19, "too many dimensions"),
    "no window": ([some(kernel_shape=[4])], (1, 1, 3), 19, "no window fits"),
    "only zeros": ([some(kernel_shape=[1], pads=[1, 0])], (1, 1, 3), 19, "a window takes no element"),
    "a kernel of other dimensions": ([some(kernel_shape=[2, 1])], (1, 1, 3), 19, "does not fit the signal"),
    "strides of 0": ([some(kernel_shape=[2], strides=[0])], (1, 1, 3), 19, "out of range"),
    "dilations below 0": ([some(kernel_shape=[2], dilations=[-1])], (1, 1, 3), 19, "out of range"),
    "pads below 0": ([some(kernel_shape=[2], pads=[-1, 0])], (1, 1, 3), 19, "out of range"),
    "far": ([some(kernel_shape=[2], strides=[HUGE])], (1, 1, 3), 19, "out of range"),
    "pads and auto_pad": ([some(kernel_shape=[2], pads=[0, 0], auto_pad="VALID")], (1, 1, 3), 19, "auto_pad stands"),
    "ceil_mode and auto_pad": ([some(kernel_shape=[2], ceil_mode=1, auto_pad="VALID")], (1, 1, 3), 19, "auto_pad"),
    "another auto_pad": ([some(kernel_shape=[2], auto_pad="SOME\n")], (1, 1, 3), 19, "this auto_pad is not"),
    "very many windows": ([some(kernel_shape=[2], pads=[0, 2**30])], (1, 1, 3), 19, "more than 4,194,304"),
    "very many elements": ([some(kernel_shape=[2])], (1, 2, 16386), 19, "as a matrix it has 65,540 rows, more than"),
}
WRONG["where the largest stand"][0][0].output.append("places")


@pytest.mark.parametrize("name", WRONG)
def test_other_forms_are_refused(scratch, name):
    nodes, shape, opset, why = WRONG[name]
    assert why in refused(read_network, written(scratch, proto(nodes, shape, opset)))


@pytest.mark.parametrize("name", WRONG)
def test_the_engine_refuses_them_too(scratch, name):
    nodes, shape, opset, _ = WRONG[name]
    with pytest.raises(InputError):
        load_network(written(scratch, proto(nodes, shape, opset)))
