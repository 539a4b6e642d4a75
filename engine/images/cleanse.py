"""Neural Cleanse (Wang et al., IEEE S&P 2019): the smallest trigger for each class, and which class's is too small.

For each class: minimize cross-entropy(f((1 - m) x + m p), class) + weight |m|_1 over masks m and patterns p. The
weight rises while nearly all images get the class, and falls while they do not. A backdoor's class needs a mask far
smaller than the others: its anomaly index, in deviations from the median, is above 2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.images.classifier import Classifier
from engine.images.imageset import Floats, ImageSet
from engine.images.trigger import Trigger

FLAGGED = 2.0  # anomaly index above which a class is called a backdoor's
CONSISTENT = 1.4826  # makes the median absolute deviation that of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanseOptions:
    """How triggers are sought. success: the share of images that is to get the class; starts: runs, each its own."""

    steps: int = 400
    images: int = 32
    rate: float = 0.1
    success: float = 0.99
    weight: float = 1e-3
    factor: float = 1.5
    patience: int = 5
    starts: int = 3
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Cleansed:
    """The smallest trigger found for each class.

    l1: of each start and class [starts, classes], infinite where a start found none; anomaly: of each class, from
    the least l1 of all starts; flagged: the classes with an anomaly index above 2, the largest first.
    """

    triggers: tuple[Trigger, ...]
    l1: np.ndarray
    anomaly: np.ndarray
    flagged: tuple[int, ...]

    @property
    def spread(self) -> np.ndarray:
        """The range of the starts' norms, by the least of them, for each class."""
        least = self.l1.min(0)
        return (self.l1.max(0) - least) / least


def cleanse(
    classifier: Classifier,
    images: ImageSet,
    options: CleanseOptions = CleanseOptions(),
    *,
    report: Callable[[float], None] = lambda share: None,
) -> Cleansed:
    """The triggers of all classes, sought together on clean images, of any labels."""
    classifier.demand_fit(images)
    found = []
    for start in range(options.starts):
        one = _Search(classifier, images, options, seed=options.seed + start)
        for step in range(options.steps):
            one.step()
            report((start + (step + 1) / options.steps) / options.starts)
        found.append((one.least.numpy(), one.masks.numpy(), one.patterns.numpy()))
    norms = np.stack([least for least, _, _ in found])
    best = norms.argmin(0)
    triggers = tuple(
        _trigger(found[start][1][label], found[start][2][label], label) for label, start in enumerate(best)
    )
    anomaly = anomalies(norms.min(0))
    order = np.argsort(-anomaly)
    return Cleansed(triggers, norms, anomaly, tuple(int(i) for i in order if anomaly[i] > FLAGGED))


def anomalies(norms: np.ndarray) -> np.ndarray:
    """How far each norm lies below the median, in median absolute deviations; 0 where it is not below it.

    A norm that is infinite counts as the largest that is not.
    """
    finite = norms[np.isfinite(norms)]
    if not len(finite):
        return np.zeros(len(norms))
    capped = np.minimum(norms, finite.max())
    median = np.median(capped)
    deviation = CONSISTENT * np.median(np.abs(capped - median))
    return np.maximum(median - capped, 0) / max(deviation, 1e-12)


class _Search:
    """One start for all classes: least, masks and patterns hold the smallest success of each."""

    def __init__(self, classifier: Classifier, images: ImageSet, options: CleanseOptions, *, seed: int):
        self._classifier, self._options = classifier, options
        self._graph = classifier.graph().requires_grad_(False)
        self._images = torch.from_numpy(images.images)
        self._random = torch.Generator().manual_seed(seed)
        classes, (channels, height, width) = classifier.classes, classifier.shape
        self._mask = torch.rand((classes, 1, height, width), generator=self._random).sub(0.5).requires_grad_(True)
        self._pattern = torch.rand((classes, channels, height, width), generator=self._random).sub(0.5)
        self._pattern.requires_grad_(True)
        self._optimizer = torch.optim.Adam([self._mask, self._pattern], lr=options.rate, betas=(0.5, 0.9))
        self._weight = torch.full((classes,), options.weight)
        self._above, self._below = torch.zeros(classes), torch.zeros(classes)
        self.least = torch.full((classes,), torch.inf)
        self.masks = torch.zeros((classes, 1, height, width))
        self.patterns = torch.zeros((classes, channels, height, width))

    def step(self) -> None:
        """One step of all masks and patterns, on images drawn anew."""
        which = torch.randint(len(self._images), (self._options.images,), generator=self._random)
        mask, pattern = self._mask.sigmoid(), self._pattern.sigmoid()
        classes = len(mask)
        painted = (1 - mask[:, None]) * self._images[which] + (mask * pattern)[:, None]
        scores = self._graph(self._classifier.inputs(painted.flatten(0, 1)))
        wanted = torch.arange(classes).repeat_interleave(len(which))
        entropy = functional.cross_entropy(scores, wanted, reduction="none").view(classes, -1).mean(1)
        norm = mask.flatten(1).sum(1)
        self._optimizer.zero_grad()
        (entropy + self._weight * norm).sum().backward()
        self._optimizer.step()
        success = (scores.argmax(1) == wanted).view(classes, -1).float().mean(1)
        self._keep(success, norm.detach(), mask.detach(), pattern.detach())
        self._adapt(success)

    def _keep(self, success: Tensor, norm: Tensor, mask: Tensor, pattern: Tensor) -> None:
        better = (success >= self._options.success) & (norm < self.least)
        self.least = torch.where(better, norm, self.least)
        for kept, current in ((self.masks, mask), (self.patterns, pattern)):
            kept[better] = current[better]

    def _adapt(self, success: Tensor) -> None:
        """The published schedule: after `patience` steps of success the weight rises, after as many without it falls."""
        enough = success >= self._options.success
        self._above = torch.where(enough, self._above + 1, 0)
        self._below = torch.where(enough, 0, self._below + 1)
        factor, patience = self._options.factor, self._options.patience
        up, down = self._above >= patience, self._below >= patience
        self._weight = torch.where(
            up, self._weight * factor, torch.where(down, self._weight / factor**1.5, self._weight)
        )
        self._above[up], self._below[down] = 0, 0


def _trigger(mask: Floats, pattern: Floats, label: int) -> Trigger:
    return Trigger(np.broadcast_to(mask, pattern.shape).copy(), pattern, f"of class {label}")
