"""Pruning of channels that clean images leave dormant (Liu et al., RAID 2018), by zeroing: shapes stay."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from engine.errors import InputError
from engine.images.classifier import BATCH
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet
from engine.images.layers import Layer, layers_of
from engine.images.measure import accuracy
from engine.images.repair.task import RepairTask, Report, silent

OFF = {"Sigmoid": -30.0}  # a sum at which the activation is 0, nearly; at 0 the others are


def layer_to_prune(graph: Graph) -> Layer:
    """The last convolution, or else the last hidden layer; InputError where there is none."""
    hidden = layers_of(graph)[:-1]
    if not hidden:
        raise InputError("the network has no hidden layer to prune", where="fine-pruning", advice="use another method")
    return next((layer for layer in reversed(hidden) if layer.kind == "conv"), hidden[-1])


def activity(task: RepairTask, graph: Graph, layer: Layer, images: ImageSet) -> Floats:
    """The mean activation of each channel on these images: [channels]."""
    total = torch.zeros(graph.weights[layer.weight].shape[layer.axis], dtype=torch.float64)
    with torch.no_grad():
        for part in images.batches(BATCH):
            x = task.classifier.inputs(torch.from_numpy(part.images).to(graph.device))
            found = graph.tensors(x, (layer.activated,))[layer.activated]
            total += (found.flatten(2).mean(2) if found.ndim > 2 else found).sum(0).cpu()
    mean: Floats = (total / len(images)).to(torch.float32).numpy()
    return mean


def prune(task: RepairTask, graph: Graph, layer: Layer, least: float, report: Report = silent) -> list[int]:
    """Switches off the most dormant channels, in place, while the validation accuracy is at least `least`.

    Returns their numbers, the most dormant first. One channel is always left.
    """
    pruned: list[int] = []
    order = np.argsort(activity(task, graph, layer, task.clean), kind="stable")
    for channel in map(int, order[:-1]):
        report(len(pruned) / len(order), f"pruning {layer.name}, {len(pruned)} channels")
        kept = [part.clone() for part in _parts(graph, layer, channel)]
        for part, value in zip(_parts(graph, layer, channel), (0.0, OFF.get(layer.activation or "", 0.0))):
            part.fill_(value)
        if accuracy(task.classifier, task.validation, graph=graph) < least:
            for part, old in zip(_parts(graph, layer, channel), kept):
                part.copy_(old)
            break
        pruned.append(channel)
    return pruned


def _parts(graph: Graph, layer: Layer, channel: int) -> list[Tensor]:
    """Views of the weights that make a channel, and of its bias."""
    weight = graph.weights[layer.weight].detach().select(layer.axis, channel)
    if layer.bias is None:
        return [weight]
    return [weight, graph.weights[layer.bias].detach().view(-1)[channel : channel + 1]]


@contextmanager
def held(graph: Graph, layer: Layer, channels: list[int]) -> Iterator[None]:
    """Within it, gradients of these channels are 0: they stay as they are."""
    handles = []
    for name, axis in ((layer.weight, layer.axis), (layer.bias, -1)):
        if name is not None:
            open_parts = torch.ones_like(graph.weights[name])
            open_parts.movedim(axis, 0)[channels] = 0
            handles.append(graph.weights[name].register_hook(open_parts.mul))  # type: ignore[no-untyped-call]  # torch's
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
