"""Signals that meet, as the checker reads them: as section 3 says, as the engine does, and as onnxruntime runs them."""

import random
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from meeting_graphs import branching
from onnx import ModelProto, helper
from onnx_graphs import f32, model, node
from test_audit_readers import assert_changed_is_read_alike, refused, written
from test_audit_selections import change

from engine.audit import onnx_chain, onnx_meeting
from engine.audit.check import check
from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network
from engine.audit.witness import evaluate
from engine.cli import main
from engine.errors import InputError
from engine.onnx_file import graph, load_network, parse_network, signal, sparse
from engine.replay import replay

SEEDS = st.integers(0, 2**32)


def some_of(count):
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("meeting")


# By hand: layers (W, b, relu) of networks of the input [1, 2].

W, V = f32([1, 2], [3, 4]), f32([5], [6])  # of rows @ W
CONSTANTS = {"w": W, "v": V, "b": f32(7, 8), "row": f32([9]), "none": f32([0, 0]), "column": np.array([2, 1])}
I2, ZERO2, ZERO4 = [[1, 0], [0, 1]], [0, 0], [0, 0, 0, 0]
PAIR = [1, 0, 1, 0], [0, 1, 0, 1]
LAYERS = {
    "a skip connection": (
        [node("Relu", "x", "h"), node("MatMul", "h w", "m"), node("Add", "m x", "y")],
        [
            ([*I2, *I2], ZERO4, [1, 1, 0, 0]),
            ([[1, 3, 0, 0], [2, 4, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], ZERO4, 0),
            (PAIR, ZERO2, 0),
        ],
    ),
    "in the order of operands": (
        [node("MatMul", "x v", "m"), node("Concat", "x m row", "c", axis=1), node("Neg", "c", "y")],
        [
            ([*I2, [5, 6]], [0, 0, 0], 0),
            ([*np.eye(3).tolist(), [0, 0, 0]], [0, 0, 0, 9], 0),
            (-np.eye(4), ZERO4, 0),
        ],
    ),
    "common layers stay": (
        [node("MatMul", "x w", "m"), node("Relu", "m", "h"), node("MatMul", "h w", "g"), node("Sub", "g h", "y")],
        [(W.T, ZERO2, 1), ([*W.T.tolist(), *I2], ZERO4, 0), ([[1, 0, -1, 0], [0, 1, 0, -1]], ZERO2, 0)],
    ),
    "one with a ReLU and without": (
        [node("MatMul", "x w", "m"), node("Relu", "m", "h"), node("Sub", "h m", "y")],
        [([*W.T.tolist()] * 2, ZERO4, [1, 1, 0, 0]), ([[1, 0, -1, 0], [0, 1, 0, -1]], ZERO2, 0)],
    ),
    "ReLUs of two nodes": (
        [node("MatMul", "x w", "m"), node("Relu", "m", "h"), node("Relu", "m", "g"), node("Add", "h g", "y")],
        [(W.T, ZERO2, 1), ([[2, 0], [0, 2]], ZERO2, 0)],
    ),
    "ReLUs of the input of two nodes": (
        [node("Relu", "x", "h"), node("Relu", "x", "g"), node("Sub", "h g", "y")],
        [([*I2, *I2], ZERO4, 1), ([[1, 0, -1, 0], [0, 1, 0, -1]], ZERO2, 0)],
    ),
    "products of two nodes": (
        [node("MatMul", "x w", "m"), node("MatMul", "x w", "n"), node("Add", "m n", "y")],
        [([*W.T.tolist()] * 2, ZERO4, 0), (PAIR, ZERO2, 0)],
    ),
    "sums of two nodes with one constant": (
        [node("MatMul", "x w", "m"), node("Add", "m b", "n"), node("Add", "m b", "o"), node("Add", "n o", "y")],
        [([*W.T.tolist()] * 2, [7, 8, 7, 8], 0), (PAIR, ZERO2, 0)],
    ),
    "twice the input": ([node("Add", "x x", "y")], [([[2, 0], [0, 2]], ZERO2, 0)]),
    "nothing of the input": ([node("Sub", "x x", "y")], [([[0, 0], [0, 0]], ZERO2, 0)]),
    "the input twice": ([node("Concat", "x x", "y", axis=1)], [([*I2, *I2], ZERO4, 0)]),
    "a signal twice, beside another": (
        [node("MatMul", "x v", "m"), node("Concat", "m x m", "y", axis=1)],
        [([[5, 6], *I2, [5, 6]], ZERO4, 0)],
    ),
    "elements that move": (
        [
            node("Neg", "x", "n"),
            node("Reshape", "n column", "p"),
            node("Reshape", "x column", "q"),
            node("Concat", "p q", "c", axis=1),
            node("Flatten", "c", "f", axis=0),
            node("Add", "f twice", "y"),
        ],
        [
            ([[-1, 0], [0, -1], *I2], ZERO4, 0),
            ([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], [1, 2, 3, 4], 0),
        ],
    ),
    "a Relu behind elements that stay": (
        [node("Relu", "x", "h"), node("Neg", "x", "n"), node("Concat", "h n", "c", axis=1), node("Relu", "c", "y")],
        [([*I2, [-1, 0], [0, -1]], ZERO4, 1)],
    ),
    "an Add behind elements that stay": (
        [node("Neg", "x", "n"), node("Concat", "x n", "c", axis=1), node("Add", "c twice", "y")],
        [([*I2, [-1, 0], [0, -1]], ZERO4, 0), (np.eye(4), [1, 2, 3, 4], 0)],
    ),
    "a sum takes b and a ReLU": (
        [node("Neg", "x", "n"), node("Add", "x n", "s"), node("Add", "s b", "a"), node("Relu", "a", "y")],
        [([*I2, [-1, 0], [0, -1]], ZERO4, 0), (PAIR, [7, 8], 1)],
    ),
    "a sum that spreads": (
        [node("MatMul", "x v", "m"), node("Add", "x m", "y")],
        [([*I2, [5, 6]], [0, 0, 0], 0), ([[1, 0, 1], [0, 1, 1]], ZERO2, 0)],
    ),
    "a table of sums": (
        [node("Reshape", "x column", "c"), node("Sub", "x c", "y")],
        [([[0, 0], [-1, 1], [1, -1], [0, 0]], ZERO4, 0)],
    ),
    "the output is read": ([node("MatMul", "x w", "y"), node("Relu", "y", "z")], [(W.T, ZERO2, 0)]),
    "what ends nowhere": (
        [node("MatMul", "x w", "m"), node("Add", "m x", "n"), node("Neg", "x", "y")],
        [(-np.eye(2), ZERO2, 0)],
    ),
}


def of(nodes) -> ModelProto:
    return model(nodes, CONSTANTS | {"twice": f32([1, 2, 3, 4])}, shape=(1, 2))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_text(scratch, name):
    nodes, expected = LAYERS[name]
    path = written(scratch, of(nodes))
    for read in (read_network, load_network):
        found = read(path).layers
        assert len(found) == len(expected)
        for layer, (weight, bias, relu) in zip(found, expected):
            assert np.array_equal(np.asarray(layer.weight), weight) and np.array_equal(layer.bias, bias)
            assert np.array_equal(np.broadcast_to(layer.relu, len(bias)), np.broadcast_to(relu, len(bias)) == 1)


def test_no_float32_semantics(scratch):
    for name in ("a skip connection", "twice the input", "the input twice"):
        path = written(scratch, of(LAYERS[name][0]))
        assert "branches meet" in read_network(path).obstacle and "branches meet" in load_network(path).float32_obstacle
    assert not read_network(written(scratch, of(LAYERS["what ends nowhere"][0]))).obstacle


# At random.


@some_of(300)
@given(SEEDS)
def test_networks_are_read_alike_and_are_what_onnxruntime_runs(scratch, seed):
    """The numbers are integers, so nothing is rounded."""
    path = written(scratch, branching(seed))
    ours, theirs = read_network(path), load_network(path)
    for a, b in zip(ours.layers, theirs.layers, strict=True):
        assert np.array_equal(np.asarray(a.weight), b.weight) and np.array_equal(a.bias, b.bias)
        assert np.array_equal(*(np.broadcast_to(each.relu, len(a.bias)) for each in (a, b)))
    assert theirs.float32_obstacle or not ours.obstacle
    points = np.random.default_rng(seed).integers(-3, 4, (3, 3)).astype(np.float32)
    exact = [evaluate(ours, [Fraction(float(v)) for v in point]) for point in points]
    assert exact == replay(theirs, points).tolist()


def mutate(found: ModelProto, rng: random.Random) -> None:
    """One of the changes of selections; or of the operator or the operands where signals meet."""
    each = rng.choice(found.graph.node)
    if rng.random() < 0.5 or not each.input:
        change(found, rng)
    elif rng.random() < 0.5:
        each.op_type = rng.choice(["Add", "Sub", "Concat", "Mul", "Max", "Gemm", "Sum", "Neg", "Relu"])
    else:
        each.input[:] = rng.sample(list(each.input), len(each.input))


@some_of(150)
@given(SEEDS)
def test_changed_graphs_are_read_alike_or_refused(scratch, seed):
    assert_changed_is_read_alike(scratch, branching(seed), mutate, seed)


# What is refused.

#: name -> nodes, what the engine says, what the checker says
WRONG = {
    "a product": ([node("Mul", "x x", "y")], "two branches meet", "two branches meet"),
    "a quotient": ([node("Div", "x x", "y")], "two branches meet", "two branches meet"),
    "a larger one": ([node("Relu", "x", "h"), node("Max", "x h", "y")], "two branches meet", "two branches meet"),
    "a Gemm's third operand": ([node("Gemm", "x w x", "y")], "two branches meet", "two branches meet"),
    "slopes": ([node("PRelu", "x x", "y")], "two branches meet", "two branches meet"),
    "a shape": ([node("Reshape", "x x", "y")], "two branches meet", "two branches meet"),
    "a Sum": ([node("Sum", "x x", "y")], "operator Sum is not supported", "operator is not supported"),
    "an Add of three": ([node("Add", "x x x", "y")], "it has 3 inputs", "form is not supported"),
    "sizes that do not fit": (
        [node("Concat", "x x", "c", axis=1), node("Add", "c x", "y")],
        "do not fit",
        "cannot be broadcast",
    ),
    "shapes that do not fit": (
        [node("Reshape", "x column", "c"), node("Concat", "c x", "y", axis=0)],
        "what does not fit",
        "array dimensions",
    ),
    "no such axis": ([node("Concat", "x x", "y", axis=2)], "no axes", "out of bounds"),
    "nothing between": (
        [helper.make_node("Concat", ["x", "", "x"], ["y"], axis=1)],
        "it",
        "signals and constants of one",
    ),
    "types that do not fit": ([node("Cast", "x", "d", to=11), node("Add", "x d", "y")], "do not fit", "of one type"),
    "types that are not joined": (
        [node("Cast", "x", "d", to=11), node("Concat", "d x", "y", axis=1)],
        "what does not fit",
        "of one type",
    ),
    "a constant of another type": (
        [node("Concat", "x x column", "y", axis=0)],
        "what does not fit",
        "of one type",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_both_readers_refuse(scratch, name):
    nodes, *says = WRONG[name]
    path = written(scratch, of(nodes))
    with pytest.raises(InputError) as caught:
        load_network(path)
    for what, words in zip((str(caught.value), refused(read_network, path)), says):
        assert words in what and len(what.splitlines()) == 1 and len(what) < 500


def doubled(count: int):
    """Each value is twice as long as the one before."""
    return [node("Concat", f"v{k} v{k}", f"v{k + 1}", axis=1) for k in range(count)]


def crossed(count: int):
    """Sums and differences of both values before: their layers are all made twice at each step."""
    nodes = [node("Neg", "v0", "w0")]
    for k in range(count):
        nodes += [node("Add", f"v{k} w{k}", f"v{k + 1}"), node("Sub", f"v{k} w{k}", f"w{k + 1}")]
    return nodes


def squared(count: int):
    """A column and a row have all sums, again and again."""
    nodes = []
    for k in range(count):
        nodes += [node("Reshape", f"v{k} column", f"c{k}"), node("Reshape", f"v{k} row", f"r{k}")]
        nodes.append(node("Add", f"c{k} r{k}", f"v{k + 1}"))
    return nodes


def unread(count: int):
    """Sums that end nowhere, each of two layers that are not small."""
    nodes = [node("MatMul", "v0 wide", "h"), *(node("MatMul", "h square", f"h{k}") for k in range(count))]
    return [*nodes, *(node("Add", f"h{k} h", f"s{k}") for k in range(count)), node("Identity", "v0", f"v{count}")]


HOSTILE = [doubled, crossed, squared, unread]


def hostile(scratch, made) -> Path:
    constants = {"column": np.array([-1, 1]), "row": np.array([1, -1])}
    constants |= {"wide": np.ones((2, 1024), np.float32), "square": np.ones((1024, 1024), np.float32)}
    nodes = [node("Identity", "x", "v0"), *made(200), node("Identity", "v200", "y")]
    return written(scratch, model(nodes, constants, shape=(1, 2)))


def refused_with(read, source: Path | bytes) -> int:
    """Bytes that it took until a network was refused as too large, in one line."""
    tracemalloc.start()
    with pytest.raises((InputError, Malformed), match=r"more than [\d,]* (weights|numbers)|too wide|at most") as caught:
        read(source)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(str(caught.value).splitlines()) == 1
    return most


@pytest.mark.parametrize("made", HOSTILE)
def test_what_would_take_too_much_is_refused(scratch, monkeypatch, made):
    """Before there is much of it: here within limits that are a 16th."""
    monkeypatch.setattr(onnx_chain, "MAX_WORDS", onnx_chain.MAX_WORDS // 16)
    for part, name in ((signal, "MAX_WEIGHTS"), (signal, "MAX_NUMBERS"), (sparse, "MAX_NUMBERS"), (graph, "MAX_MADE")):
        monkeypatch.setattr(part, name, getattr(part, name) // 16)
    path = hostile(scratch, made)
    assert refused_with(read_network, path) < 1.5 * 8 * onnx_chain.MAX_WORDS
    assert refused_with(parse_network, path.read_bytes()) < 1.5 * 8 * graph.MAX_MADE


@pytest.mark.slow
@pytest.mark.parametrize("made", HOSTILE)
def test_it_is_refused_within_the_limits(scratch, made):
    path = hostile(scratch, made)
    assert refused_with(read_network, path) < 1.5 * 2**30
    assert refused_with(parse_network, path.read_bytes()) < 3 * 2**30


# From a file to a verdict that is checked.


def residual(seed: int) -> ModelProto:
    """A convolution beside a skip connection, a MaxPool, and two scores with a dense one."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: (rng.integers(-8, 9, shape) / 8).astype(np.float32)
    nodes = [
        node("Conv", "x k", "c", pads=[1, 1]),
        node("Relu", "c", "r"),
        node("Conv", "r l", "d", pads=[1, 1]),
        node("Add", "d x", "s"),
        node("Relu", "s", "t"),
        node("MaxPool", "t", "p", kernel_shape=[2]),
        node("Flatten", "p", "f"),
        node("Gemm", "f w v", "g"),
        node("Relu", "g", "h"),
        node("MatMul", "h u", "m"),
        node("Sub", "m h", "y"),
    ]
    constants = {"k": draw(2, 1, 3), "l": draw(1, 2, 3), "w": draw(2, 2), "v": draw(2), "u": draw(2, 2)}
    return model(nodes, constants, shape=(1, 1, 3))


@pytest.mark.parametrize("seed", range(4))
def test_certificates_are_accepted(tmp_path, capsys, seed):
    """Of a proof that the first output is not much larger than at the corners and in the middle, and of a witness."""
    network, spec, certificate = tmp_path / "n.onnx", tmp_path / "p.vnnlib", tmp_path / "c.zip"
    network.write_bytes(residual(seed).SerializeToString())
    points = np.array(np.meshgrid(*[[-1, 0, 1]] * 3), np.float32).reshape(3, -1).T
    most = float(replay(load_network(network), points)[:, 0].max())
    head = "".join(f"(declare-const X_{i} Real)" for i in range(3)) + "(declare-const Y_0 Real)(declare-const Y_1 Real)"
    head += "".join(f"(assert (<= -1 X_{i}))(assert (<= X_{i} 1))" for i in range(3))
    for answer, bound in ((0, most + 1), (1, most - 0.125)):
        spec.write_text(f"{head}(assert (>= Y_0 {bound}))")
        assert main(["verify", str(network), str(spec), "--certificate", str(certificate)]) == answer
        assert "is accepted by the independent checker" in capsys.readouterr().err
        for arithmetic in ("float64", "exact"):
            assert check(certificate, network, spec, arithmetic=arithmetic).accepted


def test_a_certificate_of_another_meeting_is_rejected(tmp_path, monkeypatch):
    """A checker that took differences for sums would read another network."""
    network, spec, certificate = tmp_path / "n.onnx", tmp_path / "p.vnnlib", tmp_path / "c.zip"
    network.write_bytes(of([node("Relu", "x", "h"), node("Sub", "h x", "y")]).SerializeToString())
    head = "".join(f"(declare-const {v} Real)" for v in ("X_0", "X_1", "Y_0", "Y_1"))
    spec.write_text(f"{head}(assert (<= 0 X_0))(assert (<= X_0 1))(assert (= X_1 0))(assert (>= Y_0 0.5))")
    assert main(["verify", str(network), str(spec), "--certificate", str(certificate)]) == 0
    assert check(certificate, network, spec).accepted
    monkeypatch.setitem(onnx_meeting.SIGNS, "Sub", 1.0)
    assert not check(certificate, network, spec).accepted
