"""Reading and writing ONNX files: hand-computed networks, onnxruntime as oracle, round trips."""

import gzip
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, load_model_from_string, numpy_helper
from onnx_graphs import chains, f32, model, node

from engine.errors import InputError
from engine.exact import evaluate
from engine.network import Affine, Network
from engine.onnx_file import describe, load_network, parse_network, read_bytes, rewritten, save_network
from engine.onnx_file.reader import read_graph_of
from engine.replay import Replay

W = f32([1, 2], [3, 4], [5, 6])  # [3, 2], for x @ W
B = f32(7, 8)


def parse(proto, **options) -> Network:
    return parse_network(proto.SerializeToString(), **options)


def layers_of(proto) -> list[tuple]:
    return [(a.weight.tolist(), a.bias.tolist(), a.relu) for a in parse(proto).layers]


def integer_points(n: int, n_inputs: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, (n, n_inputs)).astype(np.float32)


def edited(network: Network, seed: int = 0) -> Network:
    """Every weight and bias that stands in the file replaced by a small even number."""
    rng = np.random.default_rng(seed)
    _, graph = read_graph_of(network.onnx_bytes, where="")

    def new(old: np.ndarray, constant) -> np.ndarray:
        stands = constant is not None and constant.index is not None and constant.scale != 0
        return 2.0 * rng.integers(-1, 2, old.shape) if stands else old

    layers = [
        Affine(new(layer.weight, piece.weight), new(layer.bias, piece.bias), layer.relu)
        for layer, piece in zip(network.layers, graph.pieces)
    ]
    return replace(network, layers=tuple(layers))


def assert_same_layers(a: Network, b: Network) -> None:
    assert a.shape == b.shape
    for one, other in zip(a.layers, b.layers):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.bias, other.bias)


GOLDEN = {
    "matmul, add, relu": (
        [node("MatMul", "x W", "a"), node("Add", "a B", "b"), node("Relu", "b", "y")],
        [(W.T.tolist(), B.tolist(), True)],
    ),
    "gemm": ([node("Gemm", "x W B", "y")], [(W.T.tolist(), B.tolist(), False)]),
    "gemm with factors": (
        [node("Gemm", "x W B", "y", alpha=0.5, beta=-2.0)],
        [((W.T / 2).tolist(), (-2 * B).tolist(), False)],
    ),
    "gemm, beta 0": ([node("Gemm", "x W B", "y", beta=0.0)], [(W.T.tolist(), [0.0, 0.0], False)]),
    "gemm without bias, then add": (
        [node("Gemm", "x W", "a"), node("Add", "B a", "y")],
        [(W.T.tolist(), B.tolist(), False)],
    ),
    "second bias is never fused": (
        [node("Gemm", "x W B", "a"), node("Add", "a B", "y")],
        [(W.T.tolist(), B.tolist(), False), ([[1, 0], [0, 1]], B.tolist(), False)],
    ),
    "constant minus layer": (
        [node("MatMul", "x W", "a"), node("Sub", "B a", "y")],
        [((-W.T).tolist(), B.tolist(), False)],
    ),
    "constant minus layer with bias": (
        [node("Gemm", "x W B", "a"), node("Sub", "B a", "y")],
        [(W.T.tolist(), B.tolist(), False), ([[-1, 0], [0, -1]], B.tolist(), False)],
    ),
    "layer minus constant": (
        [node("MatMul", "x W", "a"), node("Sub", "a B", "y")],
        [(W.T.tolist(), (-B).tolist(), False)],
    ),
    "leading normalization": (
        [node("Sub", "x mean", "a"), node("MatMul", "a W", "y")],
        [(np.eye(3).tolist(), [-1, 0, -2], False), (W.T.tolist(), [0, 0], False)],
    ),
    "subtracting zeros vanishes": (
        [node("Sub", "x zeros", "a"), node("MatMul", "a W", "y")],
        [(W.T.tolist(), [0, 0], False)],
    ),
    "relu alone": ([node("Relu", "x", "y")], [(np.eye(3).tolist(), [0, 0, 0], True)]),
    "relu twice": (
        [node("MatMul", "x W", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")],
        [(W.T.tolist(), [0, 0], True)],
    ),
    "identity alone": ([node("Identity", "x", "y")], [(np.eye(3).tolist(), [0, 0, 0], False)]),
    "two layers without relu": (
        [node("MatMul", "x W", "a"), node("MatMul", "a V", "y")],
        [(W.T.tolist(), [0, 0], False), ([[1, 1]], [0], False)],
    ),
    "folded constants": (
        [
            node("Constant", "", "k", value=numpy_helper.from_array(f32([1, 2]))),
            node("Add", "k B", "l"),
            node("Reshape", "l two", "m"),
            node("MatMul", "x W", "a"),
            node("Add", "a m", "y"),
        ],
        [(W.T.tolist(), [8, 10], False)],
    ),
    "folded product": (
        [node("MatMul", "W V", "p"), node("Relu", "p", "q"), node("MatMul", "x q", "y")],
        [([[3, 7, 11]], [0], False)],
    ),
    "scalar bias": (
        [node("MatMul", "x W", "a"), node("Add", "a one", "y")],
        [(W.T.tolist(), [1, 1], False)],
    ),
}
CONSTANTS = {
    "W": W,
    "B": B,
    "V": f32([1], [1]),
    "mean": f32(1, 0, 2),
    "zeros": np.zeros((1, 1, 3), np.float32),
    "one": np.float32([1]),
    "two": np.array([2]),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    nodes, expected = GOLDEN[name]
    proto = model(nodes, CONSTANTS)
    assert layers_of(proto) == expected
    network = parse(proto)
    points = integer_points(5, 3)
    np.testing.assert_array_equal(Replay(network)(points), network.evaluate(points))


SHAPES = {
    "vector": ((3,), [node("MatMul", "x W", "y")]),
    "row": ((1, 3), [node("MatMul", "x W", "y")]),
    "image": ((1, 1, 1, 3), [node("MatMul", "x W", "y")]),
    "flattened": ((1, 3, 1, 1), [node("Flatten", "x", "a"), node("MatMul", "a W", "y")]),
    "flattened before the last axis": (
        (1, 1, 3),
        [node("Flatten", "x", "a", axis=-1), node("MatMul", "a W", "y")],
    ),
    "symbolic batch": (("N", 3), [node("Gemm", "x W", "y")]),
    "unknown batch": ((None, 3), [node("Gemm", "x W", "y")]),
    "batch kept by reshape": (("N", 3, 1), [node("Reshape", "x keep", "a"), node("MatMul", "a W", "y")]),
    "batch inferred by reshape": (("N", 1, 3), [node("Reshape", "x infer", "a"), node("MatMul", "a W", "y")]),
    "column, weights on the left": ((3, 1), [node("MatMul", "Wt x", "y")]),
    "vector, weights on the left": ((3,), [node("MatMul", "Wt x", "y")]),
    "column, gemm": ((3, 1), [node("Gemm", "Wt x", "y")]),
    "transposed weights": ((1, 3), [node("Gemm", "x Wt", "y", transB=1)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    shape, nodes = SHAPES[name]
    constants = {"W": W, "Wt": W.T.copy(), "keep": np.array([0, -1]), "infer": np.array([-1, 3])}
    network = parse(model(nodes, constants, shape=shape))
    assert [a.weight.tolist() for a in network.layers] == [W.T.tolist()]
    points = integer_points(3, 3)
    np.testing.assert_array_equal(Replay(network)(points), points @ W)


@pytest.mark.parametrize(
    "kind",
    [
        "float64",
        "float32 in float_data",
        "float64 in double_data",
    ],
)
def test_number_types_are_exact_and_written_back(kind):
    name, _, field = kind.partition(" in ")
    types = {
        "float64": TensorProto.DOUBLE,
        "float32": TensorProto.FLOAT,
    }
    values = np.array([[0.5, -0.125], [3, 2.0**-14], [0, 1]])
    weight = helper.make_tensor("W", types[name], values.shape, values.ravel())
    if not field:
        weight = numpy_helper.from_array(numpy_helper.to_array(weight), "W")
    network = parse(model([node("MatMul", "x W", "y")], {"W": weight}, kind=types[name]))
    np.testing.assert_array_equal(network.layers[0].weight, values.T)
    again = rewritten(edited_weight(network, 0, (1, 2), 0.25))
    assert again.layers[0].weight[1, 2] == 0.25
    (before,), (after,) = (load_model_from_string(n.onnx_bytes).graph.initializer for n in (network, again))
    assert (after.name, after.dims, after.data_type) == (before.name, before.dims, before.data_type)
    assert after.HasField("raw_data") == before.HasField("raw_data") == (not field)
    assert_same_layers(parse_network(again.onnx_bytes), again)


def edited_weight(network: Network, layer: int, place: tuple, value: float) -> Network:
    layers = list(network.layers)
    weight = layers[layer].weight.copy()
    weight[place] = value
    layers[layer] = replace(layers[layer], matrix=weight)
    return replace(network, layers=tuple(layers))


def edited_bias(network: Network, layer: int, bias: list) -> Network:
    layers = list(network.layers)
    layers[layer] = replace(layers[layer], bias=np.array(bias, dtype=np.float64))
    return replace(network, layers=tuple(layers))


@settings(max_examples=examples(150), deadline=None)
@given(chains(), st.integers(0, 2**32 - 1))
def test_read_as_onnxruntime_computes(proto, seed):
    network = parse(proto)
    points = integer_points(3, network.n_inputs, seed)
    expected = Replay(network)(points)
    np.testing.assert_array_equal(network.evaluate(points), expected)
    exact = [[float(v) for v in evaluate(network, point)] for point in points]
    np.testing.assert_array_equal(exact, expected)


@settings(max_examples=examples(150), deadline=None)
@given(chains(), st.integers(0, 2**32 - 1))
def test_written_networks_compute_the_new_layers_or_are_refused(proto, seed):
    network = edited(parse(proto), seed)
    try:
        result = rewritten(network)
    except InputError:
        return
    assert_same_layers(result, network)
    assert_same_layers(parse_network(result.onnx_bytes), network)
    points = integer_points(3, network.n_inputs, seed)
    np.testing.assert_array_equal(Replay(result)(points), network.evaluate(points))


@settings(max_examples=50, deadline=None)
@given(chains())
def test_unchanged_networks_keep_their_bytes(proto):
    network = parse(proto)
    assert rewritten(network) is network


@pytest.mark.parametrize("suffix", [".onnx", ".onnx.gz"])
def test_save_and_load(tmp_path, suffix):
    network = parse(model(GOLDEN["gemm with factors"][0], CONSTANTS), name="net")
    path = tmp_path / f"saved{suffix}"
    saved = save_network(edited_weight(network, 0, (0, 1), -3.0), path)
    loaded = load_network(path)
    assert loaded.name == "saved"
    assert loaded.sha256 == saved.sha256 == hashlib.sha256(loaded.onnx_bytes).hexdigest()
    assert_same_layers(loaded, saved)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    before, after = (load_model_from_string(n.onnx_bytes).graph for n in (network, loaded))
    assert after.node == before.node and after.input == before.input and after.output == before.output
    changed = [a.name for a, b in zip(after.initializer, before.initializer) if a != b]
    assert changed == ["W"]
    assert numpy_helper.to_array(after.initializer[0])[1, 0] == -6.0


def test_gzip_is_the_same_each_time(tmp_path):
    network = parse(model(GOLDEN["gemm"][0], CONSTANTS))
    for name in ("a.onnx.gz", "b.onnx.gz"):
        save_network(network, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.onnx.gz", "b.onnx.gz"))
    assert first == second
    assert gzip.decompress(first) == network.onnx_bytes == read_bytes(tmp_path / "a.onnx.gz")


def test_save_replaces_only_when_forced(tmp_path):
    network = parse(model(GOLDEN["gemm"][0], CONSTANTS))
    path = tmp_path / "net.onnx"
    path.write_text("precious")
    with pytest.raises(InputError, match=r"net\.onnx: this file exists; choose"):
        save_network(network, path)
    assert path.read_text() == "precious"
    save_network(network, path, force=True)
    assert path.read_bytes() == network.onnx_bytes


def test_a_failed_write_leaves_nothing(tmp_path):
    network = parse(model(GOLDEN["gemm"][0], CONSTANTS))
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(InputError, match=r"net\.onnx: it cannot be written \(Is a directory\)"):
        save_network(network, tmp_path / "net.onnx", force=True)
    with pytest.raises(InputError, match=r"it cannot be written \(No such file or directory\)"):
        save_network(network, tmp_path / "nowhere" / "net.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_constants_of_nodes_are_written_back():
    weight = numpy_helper.from_array(W)
    network = parse(model([node("Constant", "", "W", value=weight), node("MatMul", "x W", "y")]))
    again = rewritten(edited_weight(network, 0, (0, 0), 9.0))
    assert parse_network(again.onnx_bytes).layers[0].weight[0, 0] == 9.0


def test_scalar_bias_is_written_when_all_entries_agree():
    network = parse(model(GOLDEN["scalar bias"][0], CONSTANTS))
    again = rewritten(edited_bias(network, 0, [5, 5]))
    assert parse_network(again.onnx_bytes).layers[0].bias.tolist() == [5, 5]


def test_initializers_among_the_inputs_are_constants():
    proto = model([node("MatMul", "x W", "y")], {"W": W})
    proto.graph.input.append(helper.make_tensor_value_info("W", TensorProto.FLOAT, W.shape))
    assert layers_of(proto) == [(W.T.tolist(), [0, 0], False)]


def test_describe():
    proto = model(GOLDEN["leading normalization"][0], CONSTANTS, shape=("N", 3))
    result = describe(parse(proto, name="net"))
    assert (result.name, result.input_name, result.input_shape) == ("net", "x", "[batch, 3]")
    assert (result.output_name, result.output_shape) == ("y", "[1, 2]")
    assert result.operators == (("MatMul", 1), ("Sub", 1))
    assert (result.widths, result.relus, result.parameters) == ((3, 3, 2), 0, 9)


def test_torch_is_not_loaded():
    code = (
        "import sys, engine.onnx_file, engine.exact, engine.replay;"
        "heavy = {'torch', 'onnx2torch', 'scipy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parent.parent, check=True)


def real_networks() -> list[Path]:
    folder = os.environ.get("ACASXU_DATA")
    return sorted(Path(folder, "onnx").glob("*.onnx*")) if folder else []


def real_points(n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (n, 5)).astype(np.float32)


@pytest.mark.skipif(not real_networks(), reason="ACASXU_DATA does not name the networks")
@pytest.mark.parametrize("path", real_networks(), ids=lambda path: path.name)
def test_real_networks(path, tmp_path):
    network = load_network(path)
    assert network.shape == (5, *[(50, True)] * 6, (5, False))
    assert describe(network).parameters == 13305
    points = real_points(5)
    outputs = Replay(network)(points)
    np.testing.assert_allclose(network.evaluate(points), outputs, rtol=1e-4, atol=1e-4)
    assert save_network(network, tmp_path / "same.onnx") is network
    assert (tmp_path / "same.onnx").read_bytes() == network.onnx_bytes
    changed = edited_weight(network, 6, (0, 0), 0.5)
    save_network(changed, tmp_path / "changed.onnx.gz")
    again = load_network(tmp_path / "changed.onnx.gz")
    assert_same_layers(again, changed)
    np.testing.assert_allclose(again.evaluate(points), Replay(again)(points), rtol=1e-4, atol=1e-4)
