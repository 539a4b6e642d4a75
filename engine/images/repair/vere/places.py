"""The weights that are edited: those of the most significant neurons, from the inputs that tell faults apart."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.images.graph import Graph
from engine.images.layers import Layer


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Neurons of one layer, and masks of their incoming weights and biases, in the shape of the file's tensors."""

    layer: Layer
    neurons: Tensor
    masks: dict[str, Tensor]


def places_of(graph: Graph, layer: Layer, neurons: Tensor, *, share: float, difference: Tensor) -> Places:
    """share: of the incoming weights that may change, those with the largest `difference`.

    difference: between faults and clean images, of what each incoming weight of a neuron reads, in the shape of one
    neuron's weights.
    """
    flat = difference.flatten()
    kept = torch.zeros_like(flat)
    kept[flat.argsort(descending=True)[: max(1, round(share * len(flat)))]] = 1
    weight = graph.weights[layer.weight]
    mask = torch.zeros_like(weight)
    mask.movedim(layer.axis, 0)[neurons] = kept.view(difference.shape)
    masks = {layer.weight: mask}
    if layer.bias is not None:
        bias = torch.zeros_like(graph.weights[layer.bias])
        bias.view(-1)[neurons] = 1
        masks[layer.bias] = bias
    return Places(layer, neurons, masks)


def input_difference(graph: Graph, layer: Layer, faults: Tensor, clean: Tensor) -> Tensor:
    """Mean of what each incoming weight reads on faults minus that on clean images, in absolute value.

    faults, clean: what the layer reads. Of a convolution, an input channel's largest counts for its whole kernel.
    """
    weight = graph.weights[layer.weight].movedim(layer.axis, 0)[0]
    gap = (faults.mean(0) - clean.mean(0)).abs()
    if layer.kind == "dense":
        return gap.reshape(weight.shape)
    channels = gap.flatten(1).amax(1)[: weight.shape[0]]
    return channels.view(-1, 1, 1).expand(weight.shape)
