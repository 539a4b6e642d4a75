"""Branches that meet again: by hand, against onnxruntime, and decided as z3 decides them."""

from dataclasses import replace

import numpy as np
import pytest
from cases import check_verdict, prop
from fuzzing import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx_graphs import model, node
from test_search import random_case

from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.exact import evaluate
from engine.network import Network
from engine.onnx_file import describe, parse_network, rewritten, storable
from engine.replay import replay
from engine.search.problem import Options
from engine.search.verify import verify
from engine.solvers.smt import solve

FUZZ = settings(max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck))
W = np.float32([[1, 2], [3, 4]])


def read(nodes, constants=None, *, shape=(1, 2)) -> Network:
    return parse_network(model(nodes, constants or {}, shape=shape).SerializeToString())


def layers(network: Network) -> list:
    return [
        (a.weight.tolist(), a.bias.tolist(), np.broadcast_to(a.relu, a.bias.shape).tolist()) for a in network.layers
    ]


def test_a_skip_connection_by_hand():
    """x + W relu(x): x is carried on by neurons that pass it on."""
    nodes = [node("Relu", "x", "h"), node("MatMul", "h w", "m"), node("Add", "x m", "y")]
    assert layers(read(nodes, {"w": W})) == [
        ([[1, 0], [0, 1], [1, 0], [0, 1]], [0] * 4, [False, False, True, True]),
        ([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 3], [0, 0, 2, 4]], [0] * 4, [False] * 4),
        ([[1, 0, 1, 0], [0, 1, 0, 1]], [0, 0], [False, False]),
    ]


def test_what_is_common_is_there_once():
    """Of h = relu(W x) both branches begin; the sum is a product, which takes b and a ReLU."""
    nodes = [
        node("MatMul", "x w", "m"), node("Relu", "m", "h"), node("MatMul", "h w", "g"),
        node("Sub", "g h", "s"), node("Add", "s b", "a"), node("Relu", "a", "y"),
    ]  # fmt: skip
    assert layers(read(nodes, {"w": W, "b": np.float32([5, 6])})) == [
        (W.T.tolist(), [0, 0], [True, True]),
        ([[1, 3], [2, 4], [1, 0], [0, 1]], [0] * 4, [False] * 4),
        ([[1, 0, -1, 0], [0, 1, 0, -1]], [5, 6], [True, True]),
    ]


def test_the_same_value_twice():
    assert layers(read([node("Add", "x x", "y")])) == [([[2, 0], [0, 2]], [0, 0], [False, False])]
    assert layers(read([node("Concat", "x x", "y", axis=1)]))[0][0] == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_one_product_with_a_relu_and_without():
    """The product is in both branches: their layers differ in the ReLU."""
    nodes = [node("MatMul", "x w", "m"), node("Relu", "m", "h"), node("Concat", "m h", "y", axis=1)]
    rows = W.T.tolist()
    assert layers(read(nodes, {"w": W})) == [(rows + rows, [0] * 4, [False, False, True, True])]


def graph(draw) -> object:
    """Values of a graph that meet again and again, all [1, 3], integers."""
    numbers = lambda *shape: np.random.default_rng(draw(st.integers(0, 99))).integers(-2, 3, shape).astype(np.float32)
    names, nodes, constants = ["x"], [], {}
    for k in range(draw(st.integers(1, 7))):
        some = st.sampled_from(names)
        operator = draw(st.sampled_from(["Add", "Sub", "Concat", "MatMul", "Relu", "Add", "Neg", "Abs", "Shift"]))
        inputs, one = [draw(some)], f"v{k}"
        if operator in ("Add", "Sub"):
            inputs.append(draw(some))
        elif operator in ("MatMul", "Shift"):
            constants[f"c{k}"] = numbers(3, 3) if operator == "MatMul" else numbers(1, 3)
            inputs.append(f"c{k}")
        elif operator == "Concat":
            inputs += [draw(some), draw(some)]
            constants[f"c{k}"] = numbers(9, 3)
            nodes += [helper.make_node("Concat", inputs, [f"j{k}"], axis=1)]
            inputs, operator = [f"j{k}", f"c{k}"], "MatMul"
        nodes.append(helper.make_node("Add" if operator == "Shift" else operator, inputs, [one]))
        names.append(one)
    nodes.append(helper.make_node("Identity", [names[-1]], ["y"]))
    return model(nodes, constants, shape=(1, 3))


@FUZZ
@given(st.data())
def test_the_network_is_what_onnxruntime_runs(data):
    network = parse_network(graph(data.draw).SerializeToString())
    points = np.random.default_rng(3).integers(-3, 4, (3, 3)).astype(np.float32)
    executed = replay(network, points)
    assert np.array_equal(executed, network.evaluate(points))
    assert [list(map(float, evaluate(network, point))) for point in points.tolist()] == executed.tolist()


def residual(seed: int) -> Network:
    random = np.random.default_rng(seed)
    draw = lambda *shape: (np.round(random.normal(size=shape) * 8) / 8).astype(np.float32)
    nodes = [
        node("Conv", "x k", "c", pads=[1, 1]), node("Relu", "c", "r"), node("Conv", "r l", "d", pads=[1, 1]),
        node("Add", "d x", "s"), node("Relu", "s", "t"), node("MaxPool", "t", "p", kernel_shape=[2]),
        node("Flatten", "p", "f"), node("Gemm", "f w v", "y"),
    ]  # fmt: skip
    constants = {"k": draw(2, 1, 3), "l": draw(1, 2, 3), "w": draw(2, 2), "v": draw(2)}
    return read(nodes, constants, shape=(1, 1, 3))


@pytest.mark.parametrize("seed", range(10))
def test_verdicts_are_those_of_z3(seed):
    net = residual(seed)
    question = prop(random_case(np.random.default_rng(seed), net, ("single", "or", "and")[seed % 3]), n_outputs=2)
    truth = solve(net, question, timeout=20).status
    verdict = verify(net, question, Options(timeout=10, device="cpu"))
    check_verdict(verdict, net, question, truth=truth if truth != "unknown" else None)
    assert verdict.word in ("sat", "unsat")


def test_what_is_refused():
    with pytest.raises(InputError, match="two branches meet in it; branches may meet in Add, Concat, Sub"):
        read([node("Mul", "x x", "y")])
    with pytest.raises(InputError, match="branches meet, which are carried on by layers that are not executed"):
        Stack([read([node("Add", "x x", "y")])], semantics="float32")
    net = residual(0)
    assert all(part.fixed for pair in storable(net)[:2] for part in pair) and describe(net).relus > 0


def test_numbers_side_by_side_are_counted_and_not_written():
    """Those of w are there twice, and stand once in the file; those of v and b are a layer of their own."""
    nodes = [
        node("MatMul", "x w", "m"), node("Relu", "m", "h"), node("Add", "x c", "n"),
        node("Concat", "m h n", "j", axis=1), node("Gemm", "j v b", "y"),
    ]  # fmt: skip
    constants = {"w": W, "c": np.float32([1, 2]), "v": np.ones((6, 2), np.float32), "b": np.float32([1, 2])}
    network = read(nodes, constants)
    assert describe(network).parameters == 4 + 2 + 12 + 2
    (weight, bias), (own, last) = storable(network)
    assert weight.fixed == "it holds 'w' beside other layers: branches meet"
    assert bias.fixed == "it holds 'c' beside other layers: branches meet"
    assert not own.fixed and not last.fixed
    first, second = network.layers
    changed = replace(second, matrix=2 * second.weight)
    assert np.array_equal(rewritten(replace(network, layers=(first, changed))).layers[1].weight, changed.weight)
    with pytest.raises(InputError, match="holds 'w' beside other layers: branches meet"):
        rewritten(replace(network, layers=(replace(first, matrix=2 * first.weight), second)))
