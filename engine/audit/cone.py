"""The cone of a case: what its free inputs reach of a network (section 12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.audit.bounds import Numbers
from engine.audit.data import Block, Integers, Layer, Network
from engine.audit.failures import demand


class Folded(NamedTuple):
    """Of one layer of a cone in one case: b_k, and radii of which [bias - radius, bias + radius]
    holds its true value [reached].
    """

    bias: Numbers
    radius: Numbers


@dataclass(frozen=True)
class Cone:
    """What all cases with the same free inputs share: a network of the reached neurons alone.

    layers: W_k at reached rows and columns. Their biases are 0: each case has its own b_k (Folded).
    reached: the reached neurons of each layer, by their place in the network's.
    free: the free inputs, which layer 1 reads, of all n_inputs.
    columns: the number in the cone of each hidden neuron of the network; -1 if it is not reached.
    """

    layers: tuple[Layer, ...]
    reached: tuple[Integers, ...]
    free: Integers
    n_inputs: int
    columns: Integers
    rounded: bool
    pairs: tuple[()] = ()
    obstacle: str = "proofs with cones are of real semantics"

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The cone as the only block, which reads the free inputs."""
        return (Block(self.layers, self.free, self.rounded),)

    @property
    def n_outputs(self) -> int:
        """All outputs count as reached."""
        return len(self.reached[-1])

    @property
    def width(self) -> int:
        """n, but at least the number of all inputs: the sums over the box are over all of them."""
        return int(max(self.n_inputs, *(max(layer.weight.shape) for layer in self.layers)))


def cone_of(network: Network, free: Integers) -> Cone:
    """The cone of the cases in which just these inputs are free.

    Rejected where a layer has no reached neuron.
    """
    layers, reached, before = [], [], free
    for k, layer in enumerate(network.layers, 1):
        is_free = np.isin(np.arange(layer.weight.shape[1]), before).astype(np.float64)
        is_reached = (np.abs(layer.weight) @ is_free > 0) | (k == len(network.layers))
        here = np.flatnonzero(is_reached)
        demand(len(here), f"no free input reaches layer {k}")
        weight = layer.weight[here][:, before]
        layers.append(Layer(weight, np.zeros(len(here)), layer.has_relu[here], layer.curve))
        reached.append(here)
        before = here
    columns = _columns(network.layers, reached)
    return Cone(
        tuple(layers), tuple(reached), free, network.n_inputs, columns, rounded=network.rounded
    )


def _columns(layers: Sequence[Layer], reached: Sequence[Integers]) -> Integers:
    """The column in l and u of a cone for each hidden neuron of the network, or -1."""
    parts = []
    for layer, here in zip(layers, reached, strict=True):
        is_reached = np.isin(np.arange(len(layer.bias)), here)
        parts.append(is_reached[layer.has_relu])
    chosen = np.concatenate(parts)
    return np.where(chosen, np.cumsum(chosen) - 1, -1)
