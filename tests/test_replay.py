"""Networks as onnxruntime executes them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from onnx_graphs import f32, model, node

from engine.errors import InputError
from engine.onnx_file import parse_network
from engine.replay import Replay, replay

W = f32([1, 2], [3, 4], [5, 6])
ROOT = Path(__file__).resolve().parent.parent


def network(nodes=None, constants=None, **options):
    proto = model(nodes or [node("MatMul", "x W", "y")], constants or {"W": W}, **options)
    return parse_network(proto.SerializeToString(), name="net")


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 1, 3), ("N", 3), (None, 1, 3)])
def test_each_point_in_the_shape_of_the_graph(shape):
    points = f32([1, 0, 0], [0, 1, 0], [1, 1, 1])
    outputs = replay(network(shape=shape), points)
    assert outputs.dtype == np.float32
    assert outputs.tolist() == [[1, 2], [3, 4], [9, 12]]


def test_double_networks_run_in_double():
    outputs = replay(network(constants={"W": W.astype(np.float64)}, kind=TensorProto.DOUBLE), f32([1, 0.5, 0]))
    assert outputs.dtype == np.float64
    assert outputs.tolist() == [[2.5, 4]]


def test_no_points():
    assert replay(network(), np.empty((0, 3), np.float32)).shape == (0, 2)


def test_a_point_gives_the_same_bits_in_any_company():
    rng = np.random.default_rng(0)
    shapes = {"W": (3, 50), "V": (50, 5)}
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [node("MatMul", "x W", "a"), node("Relu", "a", "b"), node("MatMul", "b V", "y")]
    run = Replay(network(nodes, weights, shape=("N", 3)))
    points = rng.normal(size=(40, 3)).astype(np.float32)
    together = run(points)
    np.testing.assert_array_equal(together, np.vstack([run(point[None]) for point in points]))
    np.testing.assert_array_equal(together, run(points[::-1])[::-1])


def test_it_is_the_file_that_runs():
    """Not the layers that were read: those could be wrong."""
    other = network()
    lying = replace(other, layers=network(constants={"W": -W}).layers)
    assert replay(lying, f32([1, 0, 0])).tolist() == [[1, 2]]


REFUSED = {
    "too few numbers": (
        f32([1, 2]),
        "points of shape [1, 2] do not fit 3 inputs; give one row for each point",
    ),
    "one point alone": (f32(1, 2, 3), "points of shape [3] do not fit 3 inputs; give one row for each point"),
    "not float32": (np.array([[0.1, 0, 0]]), "points are not finite float32 numbers; round them first"),
    "too large": (np.array([[1e39, 0, 0]]), "points are not finite float32 numbers; round them first"),
    "nan": (f32([np.nan, 0, 0]), "points are not finite float32 numbers; round them first"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_points(name):
    points, expected = REFUSED[name]
    with pytest.raises(InputError) as caught:
        replay(network(), points)
    assert str(caught.value) == expected


def test_what_onnxruntime_cannot_run():
    broken = replace(network(), onnx_bytes=b"hello")
    with pytest.raises(InputError) as caught:
        Replay(broken)
    line = str(caught.value)
    assert line.startswith("net: onnxruntime cannot run it (") and line.endswith("; check the ONNX file")
    assert "\n" not in line


def test_it_says_nothing_of_its_own(tmp_path):
    """onnxruntime warns of initializers among the inputs, as in the ACAS Xu files, and of much else."""
    proto = model([node("MatMul", "x W", "y")], {"W": W, "unused": W})
    proto.graph.input.append(proto.graph.input[0])
    proto.graph.input[1].name = "W"
    proto.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 3
    proto.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 2
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    code = (
        "import sys, numpy as np;"
        "from engine.onnx_file import load_network; from engine.replay import replay;"
        "assert replay(load_network(sys.argv[1]), np.ones((1, 3), np.float32)).tolist() == [[9, 12]]"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "net.onnx")], cwd=ROOT, capture_output=True, text=True
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")
