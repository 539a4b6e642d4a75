"""What a network shows of a backdoor without any search for a trigger.

dormant neurons     of the last convolution, that hardly answer to clean images (Fine-Pruning: Liu et al., RAID 2018);
                    where suspicious images are given too, those of them that answer to these are a backdoor's
universal step      one step for all images along one shared gradient: a class with a backdoor draws more of them
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.images.classifier import BATCH, Classifier
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet
from engine.images.layers import Layer, layers_of

DORMANT = 0.05  # of the layer's largest mean activation, up to which a neuron counts as dormant
WOKEN = 0.2  # of the layer's largest mean activation, by which suspicious images must raise a woken neuron's
MOST = 500  # images that are looked at
STEP = 0.15  # of a pixel's range: the universal step


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
    universal = tuple(_universal_step(classifier, graph, some, label) for label in range(classifier.classes))
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


def _universal_step(classifier: Classifier, graph: Graph, images: ImageSet, label: int) -> float:
    """The share of other classes' images that get the class once all take the step down its mean loss's gradient."""
    others = images.images[images.labels != label]
    if not len(others):
        return 0.0
    x = torch.from_numpy(others).to(graph.device)
    with torch.enable_grad():
        shift = torch.zeros(x.shape[1:], device=x.device, requires_grad=True)
        wanted = torch.full((len(x),), label, device=x.device)
        loss = functional.cross_entropy(graph(classifier.inputs(x + shift)), wanted)
        (gradient,) = torch.autograd.grad(loss, shift)
    moved = (x - STEP * gradient.sign()).clamp(0, 1)
    return float((classifier.predict(moved.cpu().numpy(), graph=graph) == label).mean())
