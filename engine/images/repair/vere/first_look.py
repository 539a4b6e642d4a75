"""A first look for backdoors without optimization: how far single neurons can push images into each class."""

from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.images.classifier import Classifier
from engine.images.imageset import ImageSet
from engine.images.layers import Layer, layers_of
from engine.images.repair.vere.significance import range_edges, shrinkage

PARTS = 4
WIDEN = 1.0  # of a range on clean images, as published: a trigger's neurons leave it


@dataclass(frozen=True, slots=True, eq=False)
class PerClass:
    """values: of each class, the mean over images of other classes of the best neuron's certain push, by how far the
    image is from the class [classes]; 1 where one neuron takes every image there. neurons: the best of each class."""

    values: np.ndarray
    neurons: np.ndarray
    layer: str


def per_class_significance(
    classifier: Classifier, images: ImageSet, *, layer: Layer | None = None, most: int = 64, device: str = "cpu"
) -> PerClass:
    """The repair significance with each class in turn as the right one, on at most `most` clean images.

    layer: the last hidden one by default. Each neuron's range is that of all images, widened by its length.
    """
    graph = classifier.graph(device=device)
    hidden = [one for one in layers_of(graph) if one.activation is not None and one.output != graph.scores]
    if not hidden:
        raise InputError("it has no hidden layer", where=classifier.name)
    layer = layer or hidden[-1]
    edges = range_edges(classifier, graph, layer, [images], PARTS, widen=WIDEN)
    predicted = classifier.predict(images.images)
    found, best = np.zeros(classifier.classes), np.zeros(classifier.classes, np.int64)
    for label in range(classifier.classes):
        others = images.select(np.flatnonzero(predicted != label)[:most])
        wanted = ImageSet(others.images, np.full(len(others), label), classifier.classes, images.name)
        if not len(wanted):
            continue
        result = shrinkage(classifier, graph, layer, wanted, edges)
        share = (result.certain / result.violations[:, None].clamp(min=1e-12)).clamp(max=1).mean(0)
        best[label] = int(share.argmax())
        found[label] = float(share[best[label]])
    return PerClass(found, best, layer.name)
