"""Networks as onnxruntime executes them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import case, prop, row
from command_line import one_line
from onnx import IR_VERSION, TensorProto
from onnx.defs import onnx_opset_version
from onnx_graphs import f32, model, node

from engine import replay as replaying
from engine.cli import main
from engine.errors import InputError
from engine.onnx_file import lowered, parse_network, versions
from engine.replay import Replay, replay
from engine.vnnlib.writer import property_text

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


# Files newer than the installed onnxruntime


NEWEST = {"opset": onnx_opset_version(), "ir_version": IR_VERSION}
DEEP = [
    node("Identity", "x", "i"),
    node("Flatten", "i", "f"),
    node("Gemm", "f W b", "h", alpha=0.5),
    node("Relu", "h", "y"),
]


def newer(nodes=DEEP, *, opset=NEWEST["opset"], ir_version=NEWEST["ir_version"]):
    proto = model(nodes, {"W": W, "b": f32(7, 8)}, opset=opset)
    proto.ir_version = ir_version
    proto.opset_import.add(domain="pkg.onnxscript", version=1)
    return parse_network(proto.SerializeToString(), name="net")


@pytest.fixture
def older(monkeypatch):
    """An onnxruntime that takes no newer file than IR version 8 and this opset."""
    session = replaying._session

    def of(opset: int):
        def refuses(data):
            ir_version, given = versions(data)
            if ir_version > 8 or given > opset:
                raise RuntimeError("/src/model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&) too new")
            return session(data)

        monkeypatch.setattr(replaying, "_session", refuses)
        monkeypatch.setattr(replaying, "newest", replaying.newest.__wrapped__)
        assert replaying.newest() == (8, opset)

    return of


def test_what_exporters_write_by_default_today_runs():
    """IR version and opset of the onnx that is installed, whatever the installed onnxruntime takes."""
    assert replay(newer(), f32([1, 0, 0])).tolist() == [[7.5, 9]]
    ir_version, opset = replaying.newest()
    assert 8 <= ir_version <= IR_VERSION and 13 <= opset <= onnx_opset_version()


@pytest.mark.parametrize("opset", [22, 23, 24, 26])
def test_an_older_runtime_gets_a_copy(older, opset):
    """With numbers changed, or converted where an operator has a newer form: Identity and Flatten have, since 23."""
    older(opset)
    network = newer()
    assert replay(network, f32([1, 0, 0])).tolist() == [[7.5, 9]]
    copy = lowered(network.onnx_bytes, ir_version=8, opset=opset)
    assert versions(copy) == (8, opset)
    for one, other in zip(parse_network(copy).layers, network.layers, strict=True):
        assert np.array_equal(one.weight, other.weight) and np.array_equal(one.bias, other.bias)
    assert network.sha256 == parse_network(network.onnx_bytes).sha256  # the original's, as read


def test_a_copy_that_is_another_network_does_not_run(older, monkeypatch):
    older(24)

    def wrong(proto, opset):
        other = type(proto)()
        other.CopyFrom(proto)
        other.graph.initializer[0].raw_data = (-W).tobytes()
        return other

    monkeypatch.setattr("onnx.version_converter.convert_version", wrong)
    with pytest.raises(InputError, match="installed, runs up to 8 and 24"):
        Replay(newer())


def test_what_cannot_run_is_refused_before_the_search(older, monkeypatch, tmp_path, capsys):
    older(13)  # for which onnx has no adapter of Identity
    monkeypatch.setattr("engine.search.verify.BranchAndBound", None)  # nothing is searched
    (tmp_path / "net.onnx").write_bytes(newer().onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(prop(case([0] * 3, [1] * 3, [row([1, 0], -8)]), n_outputs=2)))
    files = [str(tmp_path / "net.onnx"), str(tmp_path / "p.vnnlib")]
    for command in (["verify", *files], ["repair", *files, "--out", str(tmp_path / "r.onnx")]):
        assert main(command) == 2
        line = one_line(capsys.readouterr().err)
        assert f"IR version {IR_VERSION} and opset {onnx_opset_version()}, and onnxruntime" in line
        assert line.endswith("save it with ir_version=8 and opset 13, or install a newer onnxruntime")
        assert "Model::Model" not in line


def test_a_verdict_on_a_new_file(tmp_path, capsys):
    """Whatever the installed onnxruntime takes: found by search, and executed."""
    (tmp_path / "net.onnx").write_bytes(newer().onnx_bytes)
    for name, limit, code in (("holds", 6, 0), ("violated", 8, 1)):  # y0 = 7 + (x0 + 3 x1 + 5 x2) / 2 >= 7
        (tmp_path / f"{name}.vnnlib").write_text(
            property_text(prop(case([0] * 3, [1] * 3, [row([1, 0], -limit)]), n_outputs=2))
        )
        assert main(["verify", str(tmp_path / "net.onnx"), str(tmp_path / f"{name}.vnnlib")]) == code
    assert capsys.readouterr().out.startswith("unsat\nsat\n")
