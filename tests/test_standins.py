"""The stand-in networks: of the real ones' shape, labelled, some properties violated."""

import csv
import importlib.util

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from engine.acasxu.domain import acasxu_domain
from engine.acasxu.files import property_path, shipped, standins
from engine.acasxu.networks import NETWORKS, recognize
from engine.acasxu.quantities import ADVISORIES
from engine.vnnlib import load_property

SCRIPT = shipped("networks", "standin", "make.py")
EXPECTED = list(csv.DictReader(shipped("networks", "standin", "expected.csv").open()))


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_standins", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def points(lower, upper, count, *, seed=0):
    lower, upper = (np.array([float(v) for v in ends]) for ends in (lower, upper))
    return lower + (upper - lower) * np.random.default_rng(seed).random((count, len(lower)))


@pytest.mark.parametrize("path", standins(), ids=lambda path: path.stem)
def test_labelled_wherever_one_looks(path):
    model = onnx.load(path)
    assert "standin" in path.name and "standin" in model.graph.name
    assert "NOT an ACAS Xu network" in model.doc_string and "stand-in" in model.producer_name
    assert recognize(path) is None
    assert path.stat().st_size < 60_000


def test_shape_of_the_published_networks(standin_networks):
    for network in standin_networks.values():
        assert network.shape == (5, *[(50, True)] * 6, (5, False))
        assert sum(layer.weight.size + layer.bias.size for layer in network.layers) == 13_305


def test_same_graph_as_the_published_networks(acasxu_networks):
    official = onnx.load(acasxu_networks / NETWORKS[0].file_name)
    for path in standins():
        ours = onnx.load(path)
        assert [node.op_type for node in ours.graph.node] == [node.op_type for node in official.graph.node]
        assert len(ours.graph.input) == len(official.graph.input)
        assert ours.ir_version == official.ir_version
        assert [o.version for o in ours.opset_import] == [o.version for o in official.opset_import]


def test_read_as_onnxruntime_runs_them(standin_paths, standin_networks):
    x = points(*acasxu_domain().ends, 200).astype(np.float32)
    for name, path in standin_paths.items():
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        [entry] = session.get_inputs()
        run = np.concatenate([session.run(None, {entry.name: row.reshape(1, 1, 1, 5)})[0] for row in x])
        np.testing.assert_allclose(standin_networks[name].evaluate(x), run, atol=1e-4)


def test_every_advisory_is_given_somewhere(standin_networks):
    given = standin_networks["standin_tau_0"].evaluate(points(*acasxu_domain().ends, 20_000)).argmin(1)
    assert set(given) == set(range(len(ADVISORIES)))


def test_expected_verdicts_cover_all_pairs(standin_paths):
    assert len(EXPECTED) == 30 and {row["verdict"] for row in EXPECTED} == {"sat", "unsat"}
    assert {row["network"] for row in EXPECTED} == {path.name for path in standin_paths.values()}


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row['network'][:-5]}-{row['property'][:-7]}")
def test_samples_agree_with_the_expected_verdicts(row, standin_networks):
    prop = load_property(property_path(int(row["property"][5:-7])))
    network = standin_networks[row["network"].removesuffix(".onnx")]
    assert any(violations(network, case).any() for case in prop.cases) == (row["verdict"] == "sat")


def violations(network, case):
    """Which of many sampled points of the case violate it, in float64."""
    y = network.evaluate(points(case.lower, case.upper, 20_000))
    unsafe = np.zeros(len(y), dtype=bool)
    for polytope in case.unsafe:
        rows = np.array([[float(v) for v in row.outputs] for row in polytope.rows])
        constants = np.array([float(row.constant) for row in polytope.rows])
        unsafe |= (y @ rows.T + constants <= 0).all(1)
    return unsafe


# The script


def test_scores_see_the_geometry(make):
    variant = make.VARIANTS[0]
    ahead, aside, left, right = make.scores(
        torch.tensor(
            [
                [3000.0, 0.0, np.pi, 500.0, 500.0],  # head-on
                [50000.0, 2.0, 0.0, 500.0, 500.0],  # far off, flying along
                [2000.0, 0.6, -0.9, 500.0, 500.0],  # closing in from the left
                [2000.0, -0.6, 0.9, 500.0, 500.0],  # its mirror image
            ]
        ),
        variant,
    )
    assert ahead.argmin() != 0 and ahead[0] == ahead.max()
    assert aside.argmin() == 0 and torch.allclose(aside, make.advisory_cost(variant), atol=1e-3)
    assert torch.allclose(left, right[[0, 2, 1, 4, 3]], rtol=1e-4)


def test_the_script_writes_readable_networks(make, tmp_path):
    from engine.onnx_file import load_network

    make.main(["--steps", "3", "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in standins()]
    assert load_network(tmp_path / standins()[0].name).n_outputs == 5


def test_the_script_is_seeded(make):
    first, again = (make.train(make.VARIANTS[0], steps=3) for _ in range(2))
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(first, again))
