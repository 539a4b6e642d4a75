"""The guard of a deployed classifier: images on which the original and the repaired network disagree are flagged.

With a backdoor's trigger in an image, the original says the target and the repaired network what is to be seen: that
they differ gives the trigger away (Fine-Pruning, Liu et al., RAID 2018, and the exercises made of it). Classes are
numbered from 1 here, as there: 1 to N are the repaired network's, N + 1 says flagged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import rel_entr, softmax

from engine.errors import InputError
from engine.images.classifier import BATCH, Classifier
from engine.images.device import chosen_device
from engine.images.imageset import Floats, Integers

Doubles = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """What both networks say of n images: each array is [n].

    original, repaired: their labels, 0 .. N - 1; score: how far their probabilities differ, 0 to 1; flagged: whether
    the guard stops the image; classes: the answer, label + 1 of the repaired network, or N + 1 where flagged.
    """

    original: Integers
    repaired: Integers
    score: Doubles
    flagged: Flags
    classes: Integers


class Guard:
    """Passes an image with its class, or flags it. An object may serve several threads at once: nothing in it changes.

    The same images in one call give the same answer. At most `batch` images are computed at a time, so memory is that
    of a batch and of the answer.
    """

    def __init__(
        self,
        original: Classifier,
        repaired: Classifier,
        *,
        threshold: float | None = None,
        batch: int = BATCH,
        device: str = "cpu",
    ):
        """threshold: images with a score above it are flagged; where None, those that get two different classes.

        InputError where the two networks read other shapes or have other classes, or the threshold is not in 0 to 1.
        """
        if (original.shape, original.classes) != (repaired.shape, repaired.classes):
            said = (f"{n.classes} classes of images {list(n.shape)}" for n in (original, repaired))
            raise InputError(
                " and ".join(said) + " do not fit together",
                where=f"{original.name}, {repaired.name}",
                advice="give a network and its repair",
            )
        if threshold is not None and not 0 <= threshold <= 1:
            raise InputError(f"a threshold is in 0 to 1, this is {threshold}", where="--threshold")
        if batch < 1:
            raise InputError(f"a batch has at least one image, this is {batch}", where="batch")
        self.shape, self.classes, self.threshold = original.shape, original.classes, threshold
        self._batch, chosen = batch, chosen_device(device)
        self._networks = [(n, n.graph(device=chosen).requires_grad_(False)) for n in (original, repaired)]

    def classify(self, images: Floats) -> Integers:
        """The class of each image [n, channels, height, width] in 0 to 1: int64 [n], N + 1 where it is flagged."""
        return self.examine(images).classes

    def scores(self, images: Floats) -> Doubles:
        """How far both networks differ on each image: the divergence of their probabilities, float64 [n]."""
        return self.examine(images).score

    def examine(self, images: Floats) -> Examined:
        """All that `classify` and `scores` say, and each network's own label. InputError where images do not fit."""
        if images.shape[1:] != self.shape or images.dtype.kind != "f":
            raise InputError(
                f"these are {list(images.shape)} of type {images.dtype}, and no floats of shape [n, *{self.shape}]",
                where="guard",
                advice="give images made for this network, in 0 to 1",
            )
        parts = [self._examined(part) for part in _batches(images, self._batch)]
        return Examined(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Examined)))

    def _examined(self, images: Floats) -> Examined:
        first, second = (network.scores(images, graph=graph) for network, graph in self._networks)
        known = np.isfinite(first).all(1) & np.isfinite(second).all(1)
        score = np.ones(len(images))
        score[known] = divergence(first[known], second[known])
        original, repaired = first.argmax(1), second.argmax(1)
        suspect = original != repaired if self.threshold is None else score > self.threshold
        flagged = suspect | ~known  # what is no number proves nothing
        return Examined(original, repaired, score, flagged, np.where(flagged, self.classes, repaired) + 1)


def divergence(first: Floats, second: Floats) -> Doubles:
    """The Jensen-Shannon divergence, in bits, of the probabilities of two networks' scores [n, classes]: [n].

    0 where the probabilities are equal, 1 where no class has any in both; the order of the two does not matter.
    """
    p, q = (softmax(scores.astype(np.float64), axis=1) for scores in (first, second))
    middle = (p + q) / 2
    bits = (rel_entr(p, middle) + rel_entr(q, middle)).sum(1) / (2 * np.log(2))
    return np.asarray(bits.clip(0, 1))


def _batches(images: Floats, size: int) -> Iterator[Floats]:
    """The images in pieces, one that may be empty at least."""
    for start in range(0, max(len(images), 1), size):
        part = images[start : start + size].astype(np.float32)
        if not ((part >= 0) & (part <= 1)).all():
            raise InputError("a pixel is not in 0 to 1", where="guard", advice="scale the images")
        yield part
