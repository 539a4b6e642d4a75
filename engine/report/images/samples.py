"""Some held-out images with the trigger in them, and what the original and the repaired network say of them."""

from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.images.classifier import Classifier
from engine.images.datasets import NAMES, load_dataset
from engine.images.imageset import ImageSet
from engine.images.trigger import Trigger
from engine.report.images.folder import Folder
from engine.report.images.pixels import picture
from engine.report.images.records import Repair

MOST = 8  # images, each of another class


@dataclass(frozen=True, slots=True)
class Sample:
    """An image as it is and with the trigger; said: the original's and the repaired network's class for both,
    in this order, or nothing where the networks are not there."""

    truth: int
    clean: str
    painted: str
    said: tuple[tuple[int, int], tuple[int, int]] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A trigger as pictures: what it covers, with what, and both at once."""

    name: str
    mask: str
    pattern: str
    painted: str


class Samples:
    """Images of named sets; each set is loaded once."""

    def __init__(self, folder: Folder):
        self._folder = folder
        self._sets: dict[str, ImageSet | None] = {}

    def shape(self, data: str) -> tuple[int, int, int] | None:
        """The shape of a named set's images; None where the set is not known or not here."""
        images = self._held_out(data)
        return images.shape if images else None

    def of(self, repair: Repair) -> tuple[Sample, ...]:
        """Images of other classes than the target, where the set, the trigger and its pictures can be had."""
        images, backdoor = self._held_out(repair.data), repair.backdoor
        if images is None or backdoor is None:
            return ()
        trigger = self._folder.trigger(backdoor.trigger, repair.path, images.shape)
        if trigger is None or trigger.mask.shape != images.shape:
            return ()
        chosen = _one_a_class(images, without=backdoor.target)
        painted = trigger.paint(chosen.images)
        networks = [self._folder.network(file, repair.path) for file in (repair.original, repair.repaired)]
        said = [_said(network, chosen, painted) for network in networks]
        return tuple(
            Sample(
                int(truth),
                picture(chosen.images[i]),
                picture(painted[i]),
                (said[0][i], said[1][i]) if said[0] and said[1] else None,
            )
            for i, truth in enumerate(chosen.labels)
        )

    def _held_out(self, data: str) -> ImageSet | None:
        if data not in self._sets:
            try:
                self._sets[data] = load_dataset(data).held_out if data in NAMES else None
            except InputError:  # not here, or no scikit-learn
                self._sets[data] = None
        return self._sets[data]


def shown(trigger: Trigger) -> Shown:
    """The trigger as pictures."""
    return Shown(trigger.name, picture(trigger.mask), picture(trigger.pattern), picture(trigger.mask * trigger.pattern))


def _one_a_class(images: ImageSet, *, without: int | None) -> ImageSet:
    labels = [label for label in range(images.classes) if label != without and (images.labels == label).any()]
    return images.select(np.array([int(np.argmax(images.labels == label)) for label in labels[:MOST]], np.int64))


def _said(network: Classifier | None, images: ImageSet, painted: np.ndarray) -> list[tuple[int, int]]:
    """(class of the image, class with the trigger) of each; none where the network is not there or does not fit."""
    if network is None or network.shape != images.shape:
        return []
    try:
        return [(int(a), int(b)) for a, b in zip(network.predict(images.images), network.predict(painted))]
    except InputError:
        return []
