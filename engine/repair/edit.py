"""Changed networks, rounded to what their files can hold."""

from dataclasses import replace

import numpy as np

from engine.network import Affine, Network
from engine.onnx_file import rewritten, storable


def edited(network: Network, layers: dict[int, tuple[np.ndarray, np.ndarray]]) -> Network:
    """The network with other weights [out, in] and biases [out] in some layers, rounded to what its file can hold."""
    parts, kept = list(network.layers), storable(network)
    for k, (weight, bias) in layers.items():
        parts[k] = Affine(kept[k][0].nearest(weight), kept[k][1].nearest(bias), parts[k].relu)
    return rewritten(replace(network, layers=tuple(parts)))


def single(values: np.ndarray) -> np.ndarray:
    """The nearest float32 values, as float64."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)
