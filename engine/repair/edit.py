"""Changed networks, and what they compute."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch

from engine.network import Affine, Network
from engine.onnx_file import rewritten, storable

CHUNK = 1 << 12  # points evaluated at once: they stay in the processor's cache


def edited(network: Network, layers: dict[int, tuple[np.ndarray, np.ndarray]]) -> Network:
    """The network with other weights [out, in] and biases [out] in some layers, rounded to what its file can hold."""
    parts, kept = list(network.layers), storable(network)
    for k, (weight, bias) in layers.items():
        parts[k] = Affine(kept[k][0].nearest(weight), kept[k][1].nearest(bias), parts[k].relu)
    return rewritten(replace(network, layers=tuple(parts)))


def single(values: np.ndarray) -> np.ndarray:
    """The nearest float32 values, as float64."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def values(network: Network, points: np.ndarray, *, layer: int, first: int = 0) -> np.ndarray:
    """Outputs, after ReLU, of the first `layer` layers, in float32: [n, width].

    points: [n, inputs], or what layer `first` reads.
    """
    layers = [
        (torch.tensor(a.weight.T, dtype=torch.float32), torch.tensor(a.bias, dtype=torch.float32), a.relu)
        for a in network.layers[first:layer]
    ]

    def chunk(start: int) -> torch.Tensor:
        h = torch.as_tensor(points[start : start + CHUNK], dtype=torch.float32)
        for weight, bias, relu in layers:
            h = torch.addmm(bias, h, weight)
            h = h.clamp_(min=0) if relu else h
        return h

    return torch.cat(in_threads(chunk, range(0, max(len(points), 1), CHUNK))).numpy()


def in_threads(function: Callable, parts: Iterable) -> list:
    """function(part) for each part: divided among threads, with one thread for each tensor operation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers:
            return list(workers.map(function, parts))
    finally:
        torch.set_num_threads(threads)


def features(network: Network, points: np.ndarray) -> np.ndarray:
    """What the last layer reads at points [n, inputs]: float32 [n, width]."""
    return values(network, points, layer=len(network.layers) - 1)


def scores(network: Network, points: np.ndarray, *, first: int = 0) -> np.ndarray:
    """Outputs in float32 [n, outputs] at points [n, inputs], or from what layer `first` reads."""
    return values(network, points, layer=len(network.layers), first=first)
