"""Networks evaluated in float32 at many points, by torch: for statistics and as a guide, never for a verdict."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch

from engine.network import Affine, Network, same_numbers

CHUNK = 1 << 12  # points evaluated at once: they stay in the processor's cache

#: A layer in float32: weight [inputs, outputs], bias [outputs], and its ReLUs: bool [outputs] where only some have one.
Float32Layer = tuple[torch.Tensor, torch.Tensor, bool | torch.Tensor]

Part = TypeVar("Part")
Result = TypeVar("Result")


def float32_layers(layers: Iterable[Affine], *, device: str = "cpu") -> list[Float32Layer]:
    """The layers with their numbers rounded to float32, on a device. InputError where one has a Sigmoid or a Tanh."""
    layers = tuple(layers)
    Network(layers).demand_relus("measuring it")
    return [
        (
            torch.tensor(layer.weight.T, dtype=torch.float32, device=device),
            torch.tensor(layer.bias, dtype=torch.float32, device=device),
            torch.tensor(layer.relu, device=device) if isinstance(layer.relu, np.ndarray) else layer.relu,
        )
        for layer in layers
    ]


def forward(layers: Sequence[Float32Layer], h: torch.Tensor) -> torch.Tensor:
    """Outputs [n, outputs] of the layers, one after the other, at h [n, inputs]; h itself stays as it is."""
    for weight, bias, relu in layers:
        h = torch.addmm(bias, h, weight)
        if isinstance(relu, torch.Tensor):
            h = torch.where(relu, h.clamp(min=0), h)
        elif relu:
            h.clamp_(min=0)
    return h


class Float32Pair:
    """Two networks of one shape on a device; the layers that they share at the start are evaluated once."""

    def __init__(self, original: Network, changed: Network, *, device: str = "cpu"):
        self._device = device
        same = [
            same_numbers(a.matrix, b.matrix) and np.array_equal(a.bias, b.bias)
            for a, b in zip(original.layers, changed.layers)
        ]
        first = same.index(False) if False in same else len(same)
        self._shared = float32_layers(original.layers[:first], device=device)
        self._rest = [float32_layers(network.layers[first:], device=device) for network in (original, changed)]

    def outputs(self, x: np.ndarray) -> list[torch.Tensor]:
        """The original's outputs [n, outputs] and the changed network's, at points [n, inputs]."""
        h = forward(self._shared, torch.tensor(x, dtype=torch.float32, device=self._device))
        return [forward(layers, h) for layers in self._rest]


def values(network: Network, points: np.ndarray, *, layer: int, first: int = 0) -> np.ndarray:
    """Outputs, after ReLU, of the first `layer` layers, in float32: [n, width].

    points: [n, inputs], or what layer `first` reads.
    """
    layers = float32_layers(network.layers[first:layer])

    def chunk(start: int) -> torch.Tensor:
        return forward(layers, torch.as_tensor(points[start : start + CHUNK], dtype=torch.float32))

    return torch.cat(in_threads(chunk, range(0, max(len(points), 1), CHUNK))).numpy()


def in_threads(function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """function(part) for each part: divided among threads, with one thread for each tensor operation."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers:
            return list(workers.map(function, parts))
    finally:
        torch.set_num_threads(threads)


def features(network: Network, points: np.ndarray) -> np.ndarray:
    """The inputs of the last layer at points [n, inputs]: float32 [n, width]."""
    return values(network, points, layer=len(network.layers) - 1)


def scores(network: Network, points: np.ndarray, *, first: int = 0) -> np.ndarray:
    """Outputs in float32 [n, outputs] at points [n, inputs], or from what layer `first` reads."""
    return values(network, points, layer=len(network.layers), first=first)
