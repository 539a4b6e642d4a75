"""Whether a network reads these images as it was made to: accuracy near chance has a cause, often a simple one.

Wrong scaling, another order of axes, black for white, lying images and renumbered classes are tried; each is one
execution of the network on some images.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.errors import InputError
from engine.images.classifier import Classifier, Layout
from engine.images.imageset import ImageSet, Scaling
from engine.images.measure import accuracy, confusion

SOME = 500  # images that are looked at
NEAR_CHANCE = 0.2  # of the way from chance to certainty
BETTER = 0.3  # so much more accuracy makes a cause likely
LAYOUTS: tuple[Layout, ...] = ("NCHW", "NHWC", "NHW", "flat")


@dataclass(frozen=True, slots=True)
class Reading:
    """The accuracy where images are written for the network in this way."""

    scaling: Scaling
    layout: Layout
    accuracy: float


def chance_warning(classifier: Classifier, images: ImageSet) -> str | None:
    """One line where the accuracy is near chance, with the likely cause; None where it is not."""
    some = _some(images)
    found = accuracy(classifier, some)
    chance = float(np.bincount(some.labels).max() / len(some))
    if found >= chance + NEAR_CHANCE * (1 - chance):
        return None
    causes = [cause for cause, share in _causes(classifier, some) if share >= found + BETTER]
    cause = causes[0] if causes else "it was trained on other images or classes, or not at all"
    return f"the network is right on {found:.1%} of these images, and chance is {chance:.1%}: perhaps {cause}"


def readings(classifier: Classifier, images: ImageSet) -> tuple[Reading, ...]:
    """The accuracy under each scaling, for the layouts that the network's input has room for; the best one first."""
    some, found = _some(images), []
    for scaling in Scaling:
        for layout in LAYOUTS:
            trial = replace(classifier, scaling=scaling, layout=layout)
            if layout != classifier.layout and not _has_room(trial, classifier):
                continue
            try:
                found.append(Reading(scaling, layout, accuracy(trial, some)))
            except InputError:
                continue  # the network has no such input
    return tuple(sorted(found, key=lambda one: -one.accuracy))


def _has_room(trial: Classifier, known: Classifier) -> bool:
    """Whether another layout gives inputs of the same size: where each axis is as long, as in 3 x 3 x 3 or 1 x 1."""
    if trial.layout == "NHW" and known.shape[0] != 1:
        return False
    image = torch.zeros(1, *known.shape)
    return trial.inputs(image).shape == known.inputs(image).shape


def _some(images: ImageSet) -> ImageSet:
    return images.select(slice(None, None, max(1, len(images) // SOME)))


def _causes(classifier: Classifier, images: ImageSet) -> Iterator[tuple[str, float]]:
    """What may be wrong, and the accuracy without it."""
    for one in readings(classifier, images):
        if one.scaling is not classifier.scaling:
            yield f"its pixels are {one.scaling.value}: say --scaling {one.scaling.value}", one.accuracy
        elif one.layout != classifier.layout:
            yield f"its axes are {one.layout}: say --layout {one.layout}", one.accuracy
    inverted = images.with_images(1 - images.images)
    yield "it was made for images in which black is white", accuracy(classifier, inverted)
    if images.shape[1] == images.shape[2]:
        turned = images.with_images(np.ascontiguousarray(images.images.swapaxes(2, 3)))
        yield "it was made for images with rows and columns exchanged", accuracy(classifier, turned)
    yield "its classes are numbered in another order than the labels", _renumbered(classifier, images)


def _renumbered(classifier: Classifier, images: ImageSet) -> float:
    """The accuracy under the best one-to-one renaming of classes."""
    from scipy.optimize import linear_sum_assignment

    counts = confusion(classifier, images)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / len(images))
