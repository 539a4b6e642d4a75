"""Patches that mislead a network, sought by trying: for a trigger of which nothing is known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.neighbours import neighbours
from engine.images.poison import Backdoor
from engine.images.trigger import Trigger, square

SIDES = ((1 / 9, 2), (1 / 6, 3))  # of the image's side, and at least so many pixels
STRIDE = 1 / 14  # of the image's side, between neighbouring places
COLOURS = (1.0, 0.0)
IMAGES = 16  # on which each patch is tried


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A patch with the class that it gives, and the share of images of other classes that it gives it."""

    backdoor: Backdoor
    share: float

    @property
    def rank(self) -> tuple[float, float]:
        """The larger, the more it misleads; of two that mislead alike, the smaller patch has the larger rank."""
        return self.share, -self.backdoor.trigger.l1


def misleading_patches(
    classifier: Classifier,
    images: ImageSet,
    count: int,
    random: np.random.Generator,
    *,
    graph: Graph | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> list[Patch]:
    """At most `count` patches that give many images one and the same wrong class, the most misleading first.

    Squares of two sizes in white and in black are tried everywhere, on a few of the images; from the best of them the
    search climbs on to neighbours. graph: with the weights in it, instead of the file's.
    """
    graph = graph or classifier.graph()
    few = images.select(random.permutation(len(images))[:IMAGES])
    plain = classifier.predict(few.images, graph=graph)

    def tried(trigger: Trigger) -> Patch:
        classes = classifier.predict(trigger.paint(few.images), graph=graph)
        moved = np.bincount(classes[(classes != few.labels) & (classes != plain)], minlength=classifier.classes)
        return Patch(Backdoor(trigger, int(moved.argmax())), float(moved.max() / len(few)))

    squares, found = list(_squares(classifier.shape)), []
    for place, trigger in enumerate(squares):
        report(place / len(squares))
        found.append(tried(trigger))
    best = sorted(found, key=lambda patch: patch.rank, reverse=True)[:count]
    tops = {patch.backdoor.trigger.mask.tobytes(): patch for patch in (_climbed(one, tried) for one in best)}
    return sorted(tops.values(), key=lambda patch: patch.rank, reverse=True)


def _climbed(patch: Patch, tried: Callable[[Trigger], Patch]) -> Patch:
    """The patch that no neighbour outranks, reached from this one."""
    while True:
        best = max(map(tried, neighbours(patch.backdoor.trigger)), key=lambda one: one.rank)
        if best.rank <= patch.rank:
            return patch
        patch = best


def _squares(shape: tuple[int, int, int]) -> Iterator[Trigger]:
    _, height, width = shape
    least = min(height, width)
    step = max(1, round(STRIDE * least))
    for side in (max(smallest, round(share * least)) for share, smallest in SIDES):
        for row in range(0, height - side + 1, step):
            for column in range(0, width - side + 1, step):
                for colour in COLOURS:
                    yield square(shape, side, (row, column), white=colour)
