"""What a network shows of a backdoor without any search for a trigger.

dormant neurons     of the last convolution, that hardly answer to clean images (Fine-Pruning: Liu et al., RAID 2018);
                    where suspicious images are given too, those of them that answer to these are a backdoor's
universal step      one step for all images along one shared gradient: a class with a backdoor draws more of them
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.images.classifier import BATCH, Classifier
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet
from engine.images.layers import Layer, layers_of
from engine.images.scan.universal import MOST, universal_steps

DORMANT = 0.05  # of the layer's largest mean activation, up to which a neuron counts as dormant
WOKEN = 0.2  # of the layer's largest mean activation, by which suspicious images must raise a woken neuron's


@dataclass(frozen=True, slots=True)
class FirstLook:
    """layer: whose neurons (or channels) were watched, None where the network has no layer before its last.

    activations: mean of each neuron on clean images, above its least on them; dormant: the neurons with at most 5% of
    the largest mean. woken: the neurons that suspicious images raise by at least 20% of the largest mean, those raised
    most first; None where no such images are given. universal: of each class, the share of the other classes' images
    that get it after the one shared step.
    """

    layer: str | None
    activations: tuple[float, ...]
    dormant: tuple[int, ...]
    woken: tuple[int, ...] | None
    universal: tuple[float, ...]


def first_look(
    classifier: Classifier, images: ImageSet, *, suspicious: Floats | None = None, device: torch.device | str = "cpu"
) -> FirstLook:
    """The first look of a network at clean images, and at suspicious ones [n, channels, height, width]."""
    graph = classifier.graph(device=device).requires_grad_(False)
    some = images.select(np.random.default_rng(0).permutation(len(images))[:MOST])
    universal = universal_steps(classifier, images, device=device)
    layer = watched_layer(graph)
    if layer is None:
        return FirstLook(None, (), (), None if suspicious is None else (), universal)
    clean = _means(classifier, graph, layer, some.images)
    above = clean - clean.min() if layer.activation != "Relu" else clean
    largest = max(float(above.max()), 1e-12)
    dormant = tuple(int(i) for i in np.flatnonzero(above <= DORMANT * largest))
    woken = None
    if suspicious is not None:
        rise = _means(classifier, graph, layer, suspicious[:MOST]) - clean
        woken = tuple(int(i) for i in np.argsort(-rise, kind="stable") if rise[i] >= WOKEN * largest)
    return FirstLook(layer.name, tuple(float(a) for a in above), dormant, woken, universal)


def watched_layer(graph: Graph) -> Layer | None:
    """The last convolution; without one, the last layer before the scores."""
    layers = layers_of(graph)
    convolutions = [layer for layer in layers if layer.kind == "conv"]
    before = convolutions or [layer for layer in layers if layer.output != graph.scores]
    return before[-1] if before else None


@torch.no_grad()
def _means(classifier: Classifier, graph: Graph, layer: Layer, images: Floats) -> np.ndarray:
    """The mean activation of each neuron or channel, over images and places: [neurons]."""
    total: Tensor | float = 0.0
    for start in range(0, len(images), BATCH):
        x = classifier.inputs(torch.from_numpy(images[start : start + BATCH]).to(graph.device))
        values = graph.tensors(x, (layer.activated,))[layer.activated]
        total = total + (values.flatten(2).mean(2) if values.ndim > 2 else values).double().sum(0)
    assert isinstance(total, Tensor)
    found: np.ndarray = (total / len(images)).cpu().numpy()
    return found
