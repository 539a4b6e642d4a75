"""Maxima of windows, as the reader has them: by hand, from the text, and against onnxruntime and plain maxima."""

from fractions import Fraction
from itertools import product

import numpy as np
import onnx
import pytest
from fuzzing import examples
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from onnx_graphs import model, node
from onnx_pooled_graphs import pooled

from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.exact import evaluate
from engine.network import Network
from engine.nnet import nnet_text
from engine.nnet.units import Normalization
from engine.onnx_file import describe, load_network, parse_network, rewritten, save_network
from engine.replay import replay

FUZZ = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


def pool(shape, *, opset=13, operator="MaxPool", **attributes) -> Network:
    return parse_network(model([node(operator, "x", "y", **attributes)], shape=shape, opset=opset).SerializeToString())


def layers(network: Network) -> list:
    return [(a.weight.tolist(), a.bias.any(), np.broadcast_to(a.relu, a.bias.shape).tolist()) for a in network.layers]


# By hand.


def test_three_of_four_by_hand():
    """[x0, x1, x2] and [x2, x3], of windows of 3 with one zero behind them: two rounds."""
    found = layers(pool((1, 1, 4), kernel_shape=[3], strides=[2], pads=[0, 1]))
    first = [[1, -1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, -1], [0, 0, 0, 1]]
    second = [[1, 1, -1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]]
    assert found == [
        (first, False, [True, False, False, True, False]),
        (second, False, [True, False, False]),
        ([[1, 1, 0], [0, 0, 1]], False, [False, False]),
    ]


def test_windows_of_one_element_are_one_layer():
    """It is there even where it is the identity."""
    assert layers(pool((1, 1, 2), kernel_shape=[1])) == [([[1, 0], [0, 1]], False, [False, False])]
    assert layers(pool((1, 2, 1), operator="GlobalMaxPool")) == [([[1, 0], [0, 1]], False, [False, False])]


def test_the_last_layer_is_a_product():
    """A Relu and an Add after it are part of it."""
    nodes = [node("MaxPool", "x", "m", kernel_shape=[2]), node("Add", "m b", "s"), node("Relu", "s", "y")]
    found = parse_network(model(nodes, {"b": np.float32([3])}, shape=(1, 1, 2)).SerializeToString())
    assert [(a.bias.tolist(), np.array(a.relu).tolist()) for a in found.layers] == [
        ([0, 0], [True, False]),
        ([3], True),
    ]


def test_channels_are_apart():
    found = pool((1, 2, 2), operator="GlobalMaxPool")
    assert found.layers[0].weight.tolist() == [[1, -1, 0, 0], [0, 1, 0, 0], [0, 0, 1, -1], [0, 0, 0, 1]]
    assert found.layers[1].weight.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]
    assert Stack([found]).n_hidden == 2


# From the text, in lists.


def taken(sizes, kernel, strides, dilations, before, counts) -> list[list[int]]:
    """The elements that each window takes of one channel."""
    windows = []
    for window in product(*map(range, counts)):
        elements = []
        for place in product(*map(range, kernel)):
            at = [w * s + i * d - p for w, s, i, d, p in zip(window, strides, place, dilations, before)]
            if all(0 <= a < n for a, n in zip(at, sizes)):
                elements.append(int(np.ravel_multi_index(at, sizes)))
        windows.append(elements)
    return windows


def rounds(windows: list[list[int]], size: int) -> list:
    """Layers (rows, ReLUs) of the maxima of these elements of a signal: docs/certificate-format.md, section 3."""
    found, lists = [], [[{element: 1} for element in window] for window in windows]
    while max(map(len, lists)) > 1:
        rows, relus, after = [], [], []
        for items in lists:
            made = []
            for a, b in zip(items[::2], items[1::2]):
                made.append({len(rows): 1, len(rows) + 1: 1})
                rows += [a | dict.fromkeys(b, -1), b]
                relus += [True, False]
            if len(items) % 2:
                made.append({len(rows): 1})
                rows.append(items[-1])
                relus.append(False)
            after.append(made)
        found.append((rows, relus))
        lists = after
    found.append(([items[0] for items in lists], [False] * len(lists)))
    widths = [size, *(len(rows) for rows, _ in found)]
    return [
        ([[row.get(i, 0) for i in range(n)] for row in rows], False, relus) for (rows, relus), n in zip(found, widths)
    ]


@FUZZ
@given(st.data())
def test_layers_are_those_of_the_text(data):
    rank = data.draw(st.integers(1, 3))
    each = lambda least, most: data.draw(st.lists(st.integers(least, most), min_size=rank, max_size=rank))
    channels, sizes, kernel, strides, dilations = (
        data.draw(st.integers(1, 2)),
        each(1, 4),
        each(1, 3),
        each(1, 2),
        each(1, 2),
    )
    before, after = each(0, 1), each(0, 1)
    rooms = [n + p + q - (k - 1) * d - 1 for n, p, q, k, d in zip(sizes, before, after, kernel, dilations)]
    counts = [room // s + 1 for room, s in zip(rooms, strides)]
    if min(rooms) < 0:
        reject()
    windows = taken(sizes, kernel, strides, dilations, before, counts)
    options = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": [*before, *after]}
    if not all(windows):
        with pytest.raises(InputError, match="a window takes nothing but padding"):
            pool((1, channels, *sizes), **options)
        return
    size = int(np.prod(sizes))
    lists = [[c * size + element for element in window] for c in range(channels) for window in windows]
    assert layers(pool((1, channels, *sizes), **options)) == rounds(lists, channels * size)
    points = np.random.default_rng(0).normal(size=channels * size)
    exact = [Fraction(v) for v in points.tolist()]
    assert list(evaluate(pool((1, channels, *sizes), **options), exact)) == [
        max(exact[i] for i in one) for one in lists
    ]


# Against onnxruntime.


@FUZZ
@given(pooled())
def test_the_network_is_what_onnxruntime_runs(found):
    try:
        network = parse_network(found.SerializeToString())
    except InputError as error:
        assert "a window takes nothing but padding" in str(error)
        reject()
    points = np.random.default_rng(3).integers(-3, 4, (3, network.n_inputs)).astype(np.float32)
    executed = replay(network, points)
    assert np.array_equal(executed, network.evaluate(points))
    assert [list(map(float, evaluate(network, point))) for point in points.tolist()] == executed.tolist()


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 12, 22])
def test_each_opset(opset):
    options = {} if opset == 7 else {"storage_order": 0}
    network = pool((1, 2, 3, 3), opset=opset, kernel_shape=[2, 2], auto_pad="SAME_LOWER", strides=[2, 2], **options)
    points = np.random.default_rng(0).integers(-9, 9, (4, 18)).astype(np.float32)
    assert network.n_outputs == 8 and np.array_equal(replay(network, points), network.evaluate(points))


# Refusals.


@pytest.mark.parametrize(
    ("options", "shape", "what"),
    [
        ({"kernel_shape": [2], "storage_order": 1}, (1, 1, 3), "storage_order is 1"),
        ({"kernel_shape": [2], "dilations": [3]}, (1, 1, 3), "no window of"),
        ({"kernel_shape": [2, 2]}, (1, 1, 3), "is no list of 1 numbers"),
        ({"kernel_shape": [2], "pads": [2, 0]}, (1, 1, 3), "a window takes nothing but padding"),
        ({"kernel_shape": [2], "auto_pad": "VALID", "ceil_mode": 1}, (1, 1, 3), "auto_pad stands beside"),
        ({"kernel_shape": [2]}, (2, 1, 3), "batch size 1"),
        ({"kernel_shape": [2]}, (1, 3), "is not \\[1, channels"),
        ({}, (1, 1, 3), "attribute 'kernel_shape' is missing"),
        ({"kernel_shape": [2, 2]}, (1, 1, 200, 200), "as a matrix it has 158,404 rows"),
    ],
)
def test_what_is_refused(options, shape, what):
    with pytest.raises(InputError, match=what):
        pool(shape, **options)


def test_its_second_output_is_refused():
    found = onnx.helper.make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2], name="m")
    with pytest.raises(InputError, match="it has 2 outputs instead of one"):
        parse_network(model([found], shape=(1, 1, 3)).SerializeToString())


@pytest.mark.parametrize("operator", ["MaxPool", "GlobalMaxPool"])
def test_it_has_no_float32_semantics(operator):
    """A maximum is no sum: a - b and then + b would be rounded, and are not executed."""
    network = pool((1, 1, 2), operator=operator, **({"kernel_shape": [2]} if operator == "MaxPool" else {}))
    with pytest.raises(InputError, match=rf"it has no float32 semantics: .*\({operator}\): a runtime compares numbers"):
        Stack([network], semantics="float32")


def test_a_nnet_file_cannot_hold_it():
    network = pool((1, 1, 2), kernel_shape=[2])
    normalization = Normalization(
        *(tuple(map(Fraction, ends)) for ends in ([0, 0], [1, 1], [0, 0], [1, 1])), Fraction(0), Fraction(1)
    )
    with pytest.raises(InputError, match="layer 1 has its ReLU on some neurons only"):
        nnet_text(network, normalization)


# Files.


def test_layers_around_it_are_written_back(tmp_path):
    nodes = [node("MaxPool", "x", "m", kernel_shape=[2]), node("Flatten", "m", "f"), node("Gemm", "f w", "y")]
    path = tmp_path / "n.onnx"
    onnx.save(model(nodes, {"w": np.float32([[2.0]])}, shape=(1, 1, 2)), path)
    network = load_network(path)
    weight = network.layers[-1].weight * 3
    changed = type(network)(
        (*network.layers[:-1], type(network.layers[-1])(weight, network.layers[-1].bias, False)),
        network.name, network.sha256, network.onnx_bytes, network.float32_obstacle,
    )  # fmt: skip
    saved = save_network(changed, tmp_path / "m.onnx")
    assert load_network(tmp_path / "m.onnx").layers[-1].weight.tolist() == [[6]] == saved.layers[-1].weight.tolist()
    assert describe(network).relus == 1
    with pytest.raises(InputError, match="shape"):
        rewritten(type(network)(changed.layers[1:], network.name, network.sha256, network.onnx_bytes))
