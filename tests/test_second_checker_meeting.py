"""Signals that meet, by the second checker: the layers of the text, and the same as engine/audit's."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import second_checker
import second_checker_file
import second_checker_layers
import second_checker_network
from make_cone_certificates import Files
from meeting_graphs import branching
from onnx import ModelProto
from onnx_graphs import f32, model, node
from test_audit_meeting import LAYERS, of, residual
from test_second_checker_cones import agree, ours, theirs  # noqa: F401 (theirs is a fixture)

from engine.audit.onnx_reader import read_network
from engine.cli import main as acasxu

COMMON = ["--device", "cpu", "--threads", "1"]


def layers_of(made: ModelProto) -> list:
    return second_checker_network.read_chain(made).layers


def are(layers, expected) -> None:
    """expected: (W, b, relu) of each layer."""
    assert len(layers) == len(expected)
    for layer, (weight, bias, relu) in zip(layers, expected, strict=True):
        assert np.array_equal(np.array(layer.weights, float), np.asarray(weight, float))
        assert np.array_equal(np.array(layer.bias, float), bias)
        assert np.array_equal(layer.relus, np.broadcast_to(relu, len(bias)))


# --- known answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_text(name):
    nodes, expected = LAYERS[name]
    are(layers_of(of(nodes)), expected)


def test_two_outputs_of_one_node_are_two_layers():
    """One Split made both, of other elements."""
    sizes = {"sizes": np.array([1, 1])}
    split = onnx.helper.make_node("Split", ["x", "sizes"], ["p", "q"], axis=1)
    made = model([split, node("Sub", "p q", "y")], sizes, shape=(1, 2))
    are(layers_of(made), [([[1, 0], [0, 1]], [0, 0], 0), ([[1, -1]], [0], 0)])


@pytest.mark.parametrize("zeros, neurons", [(True, 4), (False, 2)])
def test_zeros_that_are_added_to_a_product_make_another_layer(zeros, neurons):
    """They are its b, which that of the product does not have."""
    more = [node("Add", "m zeros", "n"), node("Add", "m n", "y")] if zeros else [node("Add", "m m", "y")]
    made = model([node("MatMul", "x w", "m"), *more], {"w": f32([1, 2], [3, 4]), "zeros": f32(0, 0)}, shape=(1, 2))
    assert len(layers_of(made)[0].bias) == neurons


WRONG = {
    "a product": [node("Mul", "x x", "y")],
    "a larger one": [node("Relu", "x", "h"), node("Max", "x h", "y")],
    "a Gemm's third operand": [node("Gemm", "x w x", "y")],
    "a Sum": [node("Sum", "x x", "y")],
    "an Add of three": [node("Add", "x x x", "y")],
    "sizes that do not fit": [node("Concat", "x x", "c", axis=1), node("Add", "c x", "y")],
}


@pytest.mark.parametrize("name", WRONG)
def test_nothing_else_meets(name):
    with pytest.raises((ValueError, *second_checker_network.UNREADABLE)):
        layers_of(of(WRONG[name]))


def test_float32_semantics_end_where_signals_meet():
    chain = second_checker_network.read_chain(of([node("Relu", "x", "h"), node("Add", "h x", "y")]))
    with pytest.raises(second_checker_layers.Rejected):
        chain.network("float32")


# --- at random ------------------------------------------------------------------------------------


def read_alike(seeds, path: Path) -> int:
    """How many of the graphs have neurons of which some have a ReLU."""
    mixed = 0
    for seed in seeds:
        made = branching(seed)
        path.write_bytes(made.SerializeToString())
        found = layers_of(made)
        are(found, [(np.asarray(own.weight), own.bias, own.relu) for own in read_network(path).layers])
        mixed += any(len(set(layer.relus)) == 2 for layer in found)
    return mixed


def test_graphs_are_read_as_the_checker_reads_them(tmp_path):
    assert read_alike(range(100), tmp_path / "n.onnx") > 10


@pytest.mark.slow
def test_many_graphs_are_read_as_the_checker_reads_them(tmp_path):
    assert read_alike(range(1000, 4000), tmp_path / "n.onnx") > 300


# --- certificates ---------------------------------------------------------------------------------


def certified(folder: Path, made: ModelProto, share: float, pixels: tuple[str, ...] = ()) -> tuple[Path, Files, int]:
    """The engine's certificate of a bound on the first output, and its answer; pixels: of inputs that are fixed.

    The bound is the largest output of a grid, and so much of the outputs' span above it.
    """
    files, proof = Files(folder / "n.onnx", folder / "q.vnnlib"), folder / "c.zip"
    files.network.write_bytes(made.SerializeToString())
    net = second_checker_network.read_chain(made)
    ends = [(pixel, pixel) for pixel in pixels] + [("-1", "1")] * (net.inputs - len(pixels))
    axes = [np.linspace(float(low), float(high), 1 if low == high else 5) for low, high in ends]
    points = np.array(np.meshgrid(*axes)).reshape(net.inputs, -1).T
    block = net.network("real").blocks[0]
    values = [second_checker.evaluate(block, second_checker_layers.exact(point))[0] for point in points]
    first = [float(value[0]) for value in values]
    bound = max(first) + share * (max(first) - min(first) + 1)
    head = "".join(f"(declare-const X_{i} Real)" for i in range(net.inputs))
    head += "".join(f"(declare-const Y_{j} Real)" for j in range(len(values[0])))
    head += "".join(f"(assert (>= X_{i} {low}))(assert (<= X_{i} {high}))" for i, (low, high) in enumerate(ends))
    files.about.write_text(f"{head}(assert (>= Y_0 {bound:.6f}))")
    code = acasxu(["verify", str(files.network), str(files.about), "--certificate", str(proof), *COMMON])
    return proof, files, code


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share, answer", [(0.05, 0), (-0.1, 1)])
def test_certificates_about_a_residual_network(tmp_path, seed, share, answer, theirs):  # noqa: F811
    """A proof with the same bounds, to the last bit; and a witness."""
    certificate, files, code = certified(tmp_path, residual(seed), share)
    found = ours(certificate, files)[:1] if answer else ours(certificate, files)
    assert code == answer and found[0] == "accepted"
    assert answer or found[1] and agree(found, theirs(certificate, files))


def wide(seed: int) -> ModelProto:
    """Eight numbers, beside what a convolution makes of them."""
    random = np.random.default_rng(seed)
    draw = lambda *shape: (random.integers(-8, 9, shape) / 8).astype(np.float32)
    nodes = [
        node("Conv", "x k", "c", pads=[1, 1]),
        node("Relu", "c", "r"),
        node("Add", "r x", "s"),
        node("Flatten", "s", "f"),
        node("Gemm", "f w", "g"),
        node("Relu", "g", "h"),
        node("Slice", "f zero two one", "p"),
        node("Concat", "p h", "t", axis=1),
        node("MatMul", "t v", "y"),
    ]
    places = {"zero": np.array([0]), "two": np.array([2]), "one": np.array([1])}
    return model(nodes, {"k": draw(1, 1, 3), "w": draw(8, 4), "v": draw(6, 2), **places}, shape=(1, 1, 8))


@pytest.mark.parametrize("seed", range(2))
def test_a_proof_with_fixed_inputs(tmp_path, seed, theirs):  # noqa: F811
    """What is not reached is carried on beside what is."""
    certificate, files, code = certified(tmp_path, wide(seed), 0.05, ("0.5", "0.1", "0", "-1", "0.25", "0.75"))
    assert code == 0 and second_checker_file.read_archive(certificate)[0]["version"] == 4
    found = ours(certificate, files)
    assert found[0] == "accepted" and found[1] and agree(found, theirs(certificate, files))


def test_a_proof_is_of_its_meeting_alone(tmp_path):
    """With a difference in place of the sum another network is proved, if it is signed for that one."""
    nodes = [node("Relu", "x", "h"), node("Sub", "h x", "y")]
    certificate, files, code = certified(tmp_path, of(nodes), 0.05)
    assert code == 0 and ours(certificate, files)[0] == "accepted"
    net = second_checker_network.read_chain(of([nodes[0], node("Add", "h x", "y")])).network("real")
    manifest, cases, arrays = second_checker_file.read_certificate(certificate)
    with pytest.raises(second_checker_layers.Rejected):
        second_checker.check_proof(net, cases, arrays)
