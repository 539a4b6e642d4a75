"""Patches that mislead a network, sought by trying: for a trigger of which nothing is known."""

from collections.abc import Callable, Iterator

import numpy as np

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.poison import Backdoor
from engine.images.trigger import Trigger, square

SIDES = ((1 / 9, 2), (1 / 6, 3))  # of the image's side, and at least so many pixels
STRIDE = 1 / 14  # of the image's side, between neighbouring places
COLOURS = (1.0, 0.0)
IMAGES = 16  # on which each patch is tried


def misleading_patches(
    classifier: Classifier,
    images: ImageSet,
    count: int,
    random: np.random.Generator,
    *,
    graph: Graph | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> list[tuple[Backdoor, float]]:
    """The `count` squares that give the most images one and the same wrong class, with that share of them.

    Squares of two sizes in white and in black are tried everywhere, on a few of the images. graph: with the weights in
    it, instead of the file's.
    """
    graph = graph or classifier.graph()
    few = images.select(random.permutation(len(images))[:IMAGES])
    plain = classifier.predict(few.images, graph=graph)
    squares, found = list(_squares(classifier.shape)), []
    for place, patch in enumerate(squares):
        report(place / len(squares))
        classes = classifier.predict(patch.paint(few.images), graph=graph)
        moved = np.bincount(classes[(classes != few.labels) & (classes != plain)], minlength=classifier.classes)
        found.append((Backdoor(patch, int(moved.argmax())), float(moved.max() / len(few))))
    return sorted(found, key=lambda one: -one[1])[:count]


def _squares(shape: tuple[int, int, int]) -> Iterator[Trigger]:
    _, height, width = shape
    least = min(height, width)
    step = max(1, round(STRIDE * least))
    for side in (max(smallest, round(share * least)) for share, smallest in SIDES):
        for row in range(0, height - side + 1, step):
            for column in range(0, width - side + 1, step):
                for colour in COLOURS:
                    yield square(shape, side, (row, column), white=colour)
