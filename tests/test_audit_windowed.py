"""Convolutions, averages, padding and axes in another order: three readers, and onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
import second_checker
from hypothesis import HealthCheck, given, reject, settings
from onnx_windowed_graphs import images
from test_audit_readers import refused, written

from engine.audit.onnx_reader import read_network
from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import load_network
from engine.replay import replay

FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("windowed")


def read(path: Path) -> Network:
    """The engine's network; an average of no elements, as a dilation may leave in the padding, is none for both."""
    try:
        return load_network(path)
    except InputError as error:
        assert "a window takes nothing but padding" in str(error)
        refused(read_network, path)
        reject()


def assert_alike(path) -> None:
    """The engine, the checker and the second checker read the same network."""
    engines, ours = read(path), read_network(path)
    theirs = second_checker.read_chain(second_checker.read_model(path)[0])
    for a, b, c in zip(engines.layers, ours.layers, theirs.layers, strict=True):
        assert np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias) and a.relu == b.relu
        assert (b.weight.tolist(), b.bias.tolist(), b.relu) == (c.weights, c.bias, c.relu)
    assert engines.rounded == ours.rounded == theirs.rounded
    assert bool(engines.float32_obstacle) == bool(ours.obstacle) == (not theirs.executed)


@FUZZ
@given(images())
def test_the_readers_agree(scratch, found):
    assert_alike(written(scratch, found))


@FUZZ
@given(images())
def test_the_network_is_what_onnxruntime_runs(scratch, found):
    network = read(written(scratch, found))
    points = np.random.default_rng(3).integers(-3, 4, (3, network.n_inputs)).astype(np.float32)
    executed = replay(network, points)
    assert executed.shape == (3, network.n_outputs)
    expected = network.evaluate(points)
    size = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(executed, expected, rtol=0, atol=0 if not network.rounded else 1e-5 * size)
