"""What several test files share: small networks made here, the stand-ins, the published data."""

import os
from pathlib import Path

# Processes that are started from here read what one of them has compiled: each would take 0.4 s to do it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What is tested is small: threads, here and in processes started from here, would only wait for each other. Set before
# torch is imported; tests of threads ask for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

from engine.acasxu.files import find_networks, standins
from engine.network import Affine, Network

# The default suite draws the same examples every time: who changed nothing sees no new failure. `make test-all` draws
# new ones, and twice as many.
settings.register_profile("repeatable", derandomize=True, max_examples=50)


@pytest.fixture(scope="session")
def acasxu_data() -> Path:
    """The benchmark's folder (onnx/, vnnlib/, instances.csv, expected.csv)."""
    folder = os.environ.get("ACASXU_DATA")
    if not folder or not Path(folder, "instances.csv").is_file():
        pytest.skip("ACASXU_DATA does not name the benchmark's folder")
    return Path(folder)


@pytest.fixture(scope="session")
def acasxu_networks() -> Path:
    """The folder of the 45 published networks, wherever it was found."""
    folder = find_networks()
    if folder is None:
        pytest.skip("the published networks are not here: run `acasxu fetch`")
    return folder


@pytest.fixture(scope="session")
def standin_paths() -> dict[str, Path]:
    return {path.stem: path for path in standins()}


@pytest.fixture(scope="session")
def standin_networks(standin_paths) -> dict[str, Network]:
    from engine.onnx_file import load_network

    return {name: load_network(path) for name, path in standin_paths.items()}


@pytest.fixture(scope="session")
def small_networks() -> dict[str, Network]:
    """Networks small enough for exhaustive methods; the names say what is special about them."""
    return {
        "one_layer": random_network((3, 2), seed=1),
        "shallow": random_network((2, 6, 2), seed=2),
        "deep": random_network((2, 4, 4, 4, 4, 3), seed=3),
        "wide": random_network((5, 20, 20, 5), seed=4),
        "absolute_value": network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]]),
        "never_active": network([[[1.0], [1.0]], [[1.0, 1.0]]], [[-9.0, -9.0], [0.5]]),
    }


def network(weights, biases, *, name: str = "") -> Network:
    """A chain with a ReLU after every layer but the last."""
    last = len(weights) - 1
    layers = (
        Affine(np.array(weight, dtype=np.float64), np.array(bias, dtype=np.float64), relu=i < last)
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True))
    )
    return Network(tuple(layers), name=name)


def random_network(widths, *, seed: int) -> Network:
    """Float32 weights, scaled so that values keep their size from layer to layer."""
    random = np.random.default_rng(seed)
    sizes = list(zip(widths[1:], widths))
    weights = [random.normal(size=size).astype(np.float32) / np.float32(np.sqrt(size[1])) for size in sizes]
    biases = [random.normal(size=out).astype(np.float32) / np.float32(4) for out, _ in sizes]
    return network(weights, biases, name=f"random_{seed}")
