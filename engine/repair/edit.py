"""Changed networks, rounded to what their files can hold; and what of a file can be changed, by which methods.

Weights and biases may stand in no tensor of their own: then no file of the same graph has others.
"""

from dataclasses import replace

import numpy as np

from engine.errors import InputError
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


def free_weight(network: Network, layer: int) -> bool:
    """True iff a layer's weights can be changed. Layers count from the end where negative."""
    kept = storable(network)
    return -len(kept) <= layer < len(kept) and not kept[layer][0].fixed


def free_bias(network: Network, layer: int) -> bool:
    """True iff a layer's biases can be changed."""
    return not storable(network)[layer][1].fixed


def idle_depth(network: Network) -> int:
    """The number of first layers whose neurons can be rewritten, with what reads the last of them."""
    hidden = len(network.layers) - 1
    whole = next((k for k in range(hidden) if not (free_weight(network, k) and free_bias(network, k))), hidden)
    return next((k for k in range(whole, 0, -1) if free_weight(network, k)), 0)


_USABLE = {
    "milp": lambda network: free_weight(network, -1),
    "gradient": lambda network: free_weight(network, -1) or free_weight(network, -2),
    "idle": lambda network: idle_depth(network) >= min(2, len(network.layers) - 1),
    "smt": lambda network: free_weight(network, -1),
}


def demand_writable(network: Network, methods: tuple[str, ...]) -> None:
    """InputError where none of these methods could write what it finds into the network's file."""
    if not any(_USABLE[name](network) for name in methods):
        what = f"what {' or '.join(methods)} would find cannot be written into its file: {_obstacle(network)}"
        raise InputError(
            what,
            where=network.name or "network",
            advice="export it with the weights of every layer as initializers of their own",
        )


def _obstacle(network: Network) -> str:
    """The last part that cannot be changed, and why not."""
    parts = [
        (f"{name} of layer {number}", part.fixed)
        for number, pair in enumerate(storable(network), 1)
        for name, part in zip(("bias", "weight"), reversed(pair))
        if part.fixed
    ]
    return ": ".join(parts[-1])
