"""One step of all images along one shared gradient: how many of other classes it turns into each class.

A trigger that covers the whole image, as Blend's does, leaves a direction in which a small step of all pixels turns
nearly all images into its class, and into no other class that many. Its mask may be no smaller than half of the
median, so that the norms alone can miss it. The constants were chosen on models that are not among those of the
committed rates.
"""

import numpy as np
import torch
from torch.nn import functional

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet

STEP = 0.15  # of a pixel's range
MOST = 500  # images that are looked at
DRAWN = 0.5  # the share of other classes' images that is much
ALONE = 3.0  # times the share that the next class draws


def universal_steps(
    classifier: Classifier, images: ImageSet, *, device: torch.device | str = "cpu"
) -> tuple[float, ...]:
    """Of each class, the share of other classes' images that get it after one shared step of 0.15 a pixel."""
    graph = classifier.graph(device=device).requires_grad_(False)
    some = images.select(np.random.default_rng(0).permutation(len(images))[:MOST])
    return tuple(_step(classifier, graph, some, label) for label in range(classifier.classes))


def drawing_classes(universal: tuple[float, ...]) -> tuple[int, ...]:
    """The class that draws at least half of the other images, and three times as many as any other class."""
    order = sorted(range(len(universal)), key=lambda label: -universal[label])
    first, second = (universal[label] for label in order[:2])
    return (order[0],) if first >= DRAWN and first >= ALONE * second else ()


def _step(classifier: Classifier, graph: Graph, images: ImageSet, label: int) -> float:
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
