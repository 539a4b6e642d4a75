"""Neural Cleanse (Wang et al., IEEE S&P 2019): the smallest trigger for each class, and which class's is too small.

A backdoor's class needs a mask far smaller than the others: its anomaly index is above 2. A trigger over the whole
image shows by one shared step, too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from engine.errors import InputError
from engine.images.classifier import Classifier
from engine.images.imageset import ImageSet
from engine.images.measure import attack_success
from engine.images.poison import Backdoor
from engine.images.scan.anomaly import Norms, flagged_classes, published_anomalies, steady_anomalies
from engine.images.scan.options import CleanseOptions
from engine.images.scan.search import Found, smallest_triggers
from engine.images.scan.universal import drawing_classes, universal_steps
from engine.images.trigger import Trigger

MEASURED = 500  # images at most on which the success of a found trigger is measured
LEAST_CLASSES = 3  # of which a median says something

__all__ = ["Cleansed", "CleanseOptions", "cleanse"]


@dataclass(frozen=True, slots=True, eq=False)
class Cleansed:
    """The smallest trigger found for each class.

    l1: of each start and class [starts, classes], infinite where a start found none. success: the share of other
    classes' images that get the class with its trigger, [classes]. anomaly: the steady index of each class, from the
    least l1 of all starts; published: Neural Cleanse's own. universal: see `universal_steps`. flagged: the classes
    with a steady index above 2, the largest first, then one that a shared step draws images into. steps: that each
    start took for each class.
    """

    triggers: tuple[Trigger, ...]
    l1: Norms
    success: Norms
    anomaly: Norms
    published: Norms
    universal: tuple[float, ...]
    flagged: tuple[int, ...]
    steps: np.ndarray

    @property
    def spread(self) -> Norms:
        """The range of the starts' norms, by the least of them, for each class; infinite where a start found none."""
        least = self.l1.min(0)
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(self.l1).all(0), (self.l1.max(0) - least) / least, np.inf)

    @property
    def published_flagged(self) -> tuple[int, ...]:
        """The classes that the published index flags."""
        return flagged_classes(self.published)


def cleanse(
    classifier: Classifier,
    images: ImageSet,
    options: CleanseOptions | None = None,
    *,
    report: Callable[[float], None] = lambda share: None,
    device: torch.device | str = "cpu",
    universal: tuple[float, ...] | None = None,
) -> Cleansed:
    """The triggers of all classes, sought together on clean images, of any labels.

    universal: what `universal_steps` gave for it, where that is known. The same images, options and number of threads
    give the same triggers.
    """
    options = options or CleanseOptions()
    classifier.demand_fit(images)
    if classifier.classes < LEAST_CLASSES or not len(images):
        raise InputError(
            f"{classifier.classes} classes and {len(images)} images are too few to compare",
            where=images.name,
            advice=f"a scan needs {LEAST_CLASSES} classes and some images",
        )
    found = smallest_triggers(classifier, images, options, report=report, device=torch.device(device))
    norms = found.norms.numpy().astype(np.float64)
    triggers = tuple(_trigger(found, int(start), label) for label, start in enumerate(norms.argmin(0)))
    anomaly = steady_anomalies(norms.min(0))
    universal = universal_steps(classifier, images, device=device) if universal is None else universal
    small = flagged_classes(anomaly)
    return Cleansed(
        triggers,
        norms,
        _success(classifier, images, triggers),
        anomaly,
        published_anomalies(norms.min(0)),
        universal,
        small + tuple(label for label in drawing_classes(universal) if label not in small),
        found.steps.numpy(),
    )


def _success(classifier: Classifier, images: ImageSet, triggers: tuple[Trigger, ...]) -> Norms:
    order = np.random.default_rng(0).permutation(len(images))[:MEASURED]
    some, graph = images.select(order), classifier.graph()
    return np.array(
        [
            attack_success(classifier, some, Backdoor(trigger, label), graph=graph)
            if (some.labels != label).any()
            else np.nan
            for label, trigger in enumerate(triggers)
        ]
    )


def _trigger(found: Found, start: int, label: int) -> Trigger:
    mask, pattern = found.masks[start, label].numpy(), found.patterns[start, label].numpy()
    return Trigger(np.broadcast_to(mask, pattern.shape).copy(), pattern.copy(), f"of class {label}")
