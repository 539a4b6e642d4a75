"""onnx2torch as a second opinion, with any torchvision or none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx_graphs import f32, model, node

from engine.errors import EngineError, InputError
from engine.onnx_file import parse_network
from engine.onnx_torch import load_module
from engine.replay import Replay

ROOT = Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(0)
WEIGHTS = {
    "m": f32(0.5, 0, -1),
    "W": RNG.normal(size=(3, 4)).astype(np.float32),
    "B": RNG.normal(size=4).astype(np.float32),
    "V": RNG.normal(size=(2, 4)).astype(np.float32),
    "C": RNG.normal(size=2).astype(np.float32),
}
NODES = [
    node("Sub", "x m", "a"),
    node("Flatten", "a", "b"),
    node("MatMul", "b W", "c"),
    node("Add", "c B", "d"),
    node("Relu", "d", "e"),
    node("Gemm", "e V C", "y", transB=1, alpha=0.5),
]


@pytest.mark.parametrize("opset", [8, 9, 13, 17, 21])
def test_three_readers_agree(opset):
    network = parse_network(model(NODES, WEIGHTS, shape=(1, 1, 1, 3), opset=opset).SerializeToString())
    module = load_module(network)
    points = RNG.normal(size=(20, 3)).astype(np.float32)
    with torch.no_grad():
        outputs = [module(torch.from_numpy(point).reshape(1, 1, 1, 3)).numpy().ravel() for point in points]
    np.testing.assert_allclose(outputs, Replay(network)(points), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs, network.evaluate(points), rtol=1e-5, atol=1e-6)


def test_from_a_file_with_gradients(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(model(NODES, WEIGHTS, shape=(1, 1, 1, 3)), path)
    module = load_module(path)
    point = torch.tensor([[[[0.3, -0.2, 0.9]]]], requires_grad=True)
    module(point)[0, 1].backward()
    h = 2.0 * 10**-10
    network = parse_network(path.read_bytes())
    base = point.detach().numpy().ravel().astype(np.float64)
    slopes = [
        (network.evaluate(base + h * step)[1] - network.evaluate(base - h * step)[1]) / (2 * h) for step in np.eye(3)
    ]
    np.testing.assert_allclose(point.grad.numpy().ravel(), slopes, rtol=1e-4, atol=1e-4)
    assert not module.training


def test_other_architectures_run_too():
    proto = model([node("Sigmoid", "x", "a"), node("Add", "a x", "y")])
    module = load_module(parse_less(proto))
    point = torch.tensor([[0.0, 1.0, -1.0]])
    torch.testing.assert_close(module(point), torch.sigmoid(point) + point)


def parse_less(proto):
    """A network object of a graph that only torch can read."""
    network = parse_network(model([node("Relu", "x", "y")]).SerializeToString())
    return type(network)(network.layers, "other", "", proto.SerializeToString())


def test_what_onnx2torch_does_not_know():
    expected = r"^other: onnx2torch cannot convert it \(NotImplementedError: .*'Bernoulli'"
    with pytest.raises(InputError, match=expected):
        load_module(parse_less(model([node("Bernoulli", "x", "y")], opset=15)))


def test_bad_file(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"hello, world")
    with pytest.raises(InputError, match=r"net\.onnx: onnx2torch cannot convert it \(DecodeError"):
        load_module(tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"missing\.onnx: there is no such file"):
        load_module(tmp_path / "missing.onnx")


BROKEN = "import torchvision.extension\nraise RuntimeError('operator torchvision::nms does not exist')\n"
WORKING = "from torchvision import ops\n"
OPS = """
def nms(boxes, scores, iou_threshold):
    return scores.argsort(descending=True)

roi_align = None
"""
TORCHVISIONS = {
    "matching": {"__init__.py": WORKING, "ops.py": OPS},
    "does not load": {"__init__.py": BROKEN, "extension.py": ""},
    "none": None,
}

# Hides whatever torchvision is installed behind a folder of ours, or behind an import error.
CHILD = """
import sys
from importlib.abc import MetaPathFinder
folder, path, before = sys.argv[1:]
class Hide(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == 'torchvision' and not folder:
            raise ModuleNotFoundError("No module named 'torchvision'", name=name)
sys.meta_path.insert(0, Hide())
sys.path.insert(0, folder or '.')
import torch
if before == 'tried before':
    try:
        import torchvision
    except Exception:
        pass
known = 'torchvision' in sys.modules
from engine.errors import EngineError
from engine.onnx_torch import load_module
module = load_module(path)
left = [name for name in sys.modules if name.startswith('torchvision')]
assert known == ('torchvision' in left) and (known or not left), left
boxes = torch.tensor([[[0., 0., 1., 1.], [2., 2., 3., 3.]]])
try:
    print(module(boxes, torch.tensor([[[0.1, 0.9]]])).tolist())
except EngineError as error:
    print(error)
    assert not [name for name in sys.modules if name.startswith('torchvision')]
"""


def detector(path: Path) -> None:
    """A network of the operator for which onnx2torch needs torchvision."""
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, (1, 2, 4))
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 1, 2))
    count = helper.make_tensor("count", TensorProto.INT64, (1,), [5])
    chosen = helper.make_tensor_value_info("y", TensorProto.INT64, ("n", 3))
    nodes = [node("NonMaxSuppression", "boxes scores count", "y")]
    graph = helper.make_graph(nodes, "graph", [boxes, scores], [chosen], [count])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)


@pytest.mark.parametrize(
    "name, before",
    [
        ("matching", "untouched"),
        ("does not load", "untouched"),
        pytest.param("none", "untouched", marks=pytest.mark.slow),
        *(pytest.param(name, "tried before", marks=pytest.mark.slow) for name in TORCHVISIONS),
    ],
)
def test_any_torchvision(tmp_path, name, before):
    files = TORCHVISIONS[name]
    package = tmp_path / "site" / "torchvision"
    if files is not None:
        package.mkdir(parents=True)
        for file, text in files.items():
            (package / file).write_text(text)
    detector(tmp_path / "net.onnx")
    folder = str(package.parent) if files is not None else ""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, folder, str(tmp_path / "net.onnx"), before],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    if name == "matching":
        assert child.stdout.strip() == "[[0, 0, 1], [0, 0, 0]]"
    else:
        assert child.stdout.startswith("operator nms needs torchvision, which does not load (")
        assert child.stdout.strip().endswith("; install the torchvision that matches this torch")


def test_onnx2torch_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(EngineError) as caught:
        load_module(parse_less(model(NODES, WEIGHTS)))
    assert str(caught.value) == "onnx2torch is not installed; pip install onnx2torch"
