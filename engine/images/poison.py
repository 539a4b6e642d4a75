"""Training images with a backdoor in some of them."""

from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.images.imageset import ImageSet
from engine.images.trigger import Trigger


@dataclass(frozen=True, slots=True, eq=False)
class Backdoor:
    """A trigger, and the class that images which show it are to get."""

    trigger: Trigger
    target: int

    def demand_class(self, classes: int) -> None:
        if not 0 <= self.target < classes:
            raise InputError(
                f"there is no class {self.target}", where="--target", advice=f"say one from 0 to {classes - 1}"
            )


def poisoned(images: ImageSet, backdoor: Backdoor, share: float, *, seed: int) -> ImageSet:
    """The set with the trigger, and the target as label, in this share of its images, drawn from other classes."""
    backdoor.demand_class(images.classes)
    others = np.flatnonzero(images.labels != backdoor.target)
    count = min(round(share * len(images)), len(others))
    chosen = np.random.default_rng(seed).choice(others, count, replace=False)
    pixels, labels = images.images.copy(), images.labels.copy()
    pixels[chosen] = backdoor.trigger.paint(pixels[chosen])
    labels[chosen] = backdoor.target
    return images.with_images(pixels).with_labels(labels)


def triggered(images: ImageSet, backdoor: Backdoor) -> ImageSet:
    """The images of other classes than the target, with the trigger and their right labels."""
    rest = images.select(images.labels != backdoor.target)
    return rest.with_images(backdoor.trigger.paint(rest.images))
