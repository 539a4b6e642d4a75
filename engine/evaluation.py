"""What networks compute in float32 at many points, by torch: for statistics and as a guide, never for a verdict."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from engine.network import Network

CHUNK = 1 << 12  # points evaluated at once: they stay in the processor's cache


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
