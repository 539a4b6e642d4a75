"""How well a classifier does: statistics on images, not proofs."""

import numpy as np

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.poison import Backdoor, triggered

Counts = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Booleans = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def right(classifier: Classifier, images: ImageSet, *, graph: Graph | None = None) -> Booleans:
    """Whether each image's class is its label: [n]."""
    found: Booleans = classifier.predict(images.images, graph=graph) == images.labels
    return found


def accuracy(classifier: Classifier, images: ImageSet, *, graph: Graph | None = None) -> float:
    """The share of the images whose class is their label."""
    return float(right(classifier, images, graph=graph).mean())


def attack_success(
    classifier: Classifier, images: ImageSet, backdoor: Backdoor, *, graph: Graph | None = None
) -> float:
    """The share of the images of other classes that get the target's class once the trigger is in them."""
    found = classifier.predict(triggered(images, backdoor).images, graph=graph)
    return float((found == backdoor.target).mean())


def confusion(classifier: Classifier, images: ImageSet, *, graph: Graph | None = None) -> Counts:
    """How many images of each class (rows) get each class (columns): [classes, classes]."""
    counts = np.zeros((classifier.classes, classifier.classes), np.int64)
    np.add.at(counts, (images.labels, classifier.predict(images.images, graph=graph)), 1)
    return counts
