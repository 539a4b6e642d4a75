"""Labelled images, and the values that a network expects of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np

from engine.errors import InputError

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class Scaling(Enum):
    """How a pixel in [0, 1], black to white, is written as the value that a network reads."""

    UNIT = "0..1"
    BYTE = "0..255"
    SIGNED = "-1..1"

    @property
    def ends(self) -> tuple[float, float]:
        """The values of black and of white."""
        return {Scaling.UNIT: (0.0, 1.0), Scaling.BYTE: (0.0, 255.0), Scaling.SIGNED: (-1.0, 1.0)}[self]


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where images stand: their numbers [n], from 0, in a file of bytes.

    labels: the file of their labels, the same one where that is CSV.
    """

    images: Path
    labels: Path
    numbers: Integers


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images as float32 [n, channels, height, width] in [0, 1], and the class of each as int64 [n].

    Classes are 0 .. classes - 1; name: of the set, for people; origin: where images and labels stand as they are
    here, None where they come from no single file of bytes.
    """

    images: Floats
    labels: Integers
    classes: int
    name: str = "images"
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or len(self.images) != len(self.labels):
            raise InputError(
                f"images of shape {list(self.images.shape)} and {len(self.labels)} labels do not belong together",
                where=self.name,
                advice="give [n, channels, height, width] and a label for each",
            )
        wrong = self.labels[(self.labels < 0) | (self.labels >= self.classes)]
        if len(wrong):
            raise InputError(
                f"label {wrong[0]} is out of range",
                where=self.name,
                advice=f"with {self.classes} classes, labels are 0 to {self.classes - 1}",
            )
        if not (np.isfinite(self.images).all() and (self.images >= 0).all() and (self.images <= 1).all()):
            raise InputError(
                "a pixel is not in 0 to 1", where=self.name, advice="say how pixels are written in the file"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def select(self, which: np.ndarray | slice) -> "ImageSet":
        """The images with these numbers, or where a mask [n] is true."""
        origin = self.origin and replace(self.origin, numbers=self.origin.numbers[which])
        return replace(self, images=self.images[which], labels=self.labels[which], origin=origin)

    def sample(self, count: int, *, seed: int = 0) -> "ImageSet":
        """At most so many of the images, drawn at random, in their order: a set may be sorted by class."""
        if count >= len(self):
            return self
        return self.select(np.sort(np.random.default_rng(seed).permutation(len(self))[:count]))

    def with_images(self, images: Floats) -> "ImageSet":
        """The same labels with other images."""
        return replace(self, images=images, origin=None)

    def with_labels(self, labels: Integers) -> "ImageSet":
        """The same images with other labels."""
        return replace(self, labels=labels, origin=None)

    def per_class(self, count: int) -> "ImageSet":
        """The first `count` images of each class, in the set's order; InputError where a class has fewer."""
        self.demand_per_class(count)
        taken = np.zeros(len(self), bool)
        for label in range(self.classes):
            taken[np.flatnonzero(self.labels == label)[:count]] = True
        return self.select(taken)

    def demand_per_class(self, count: int) -> None:
        """InputError where a class has fewer than `count` images."""
        sizes = np.bincount(self.labels, minlength=self.classes)
        if sizes.min() < count:
            raise InputError(
                f"class {sizes.argmin()} has {sizes.min()} images, and {count} are needed",
                where=self.name,
                advice="give more images of it",
            )

    def split(self, share: float, *, seed: int) -> tuple["ImageSet", "ImageSet"]:
        """Two parts of the set, the first with this share of each class, drawn at random."""
        random, first = np.random.default_rng(seed), np.zeros(len(self), bool)
        for label in range(self.classes):
            found = random.permutation(np.flatnonzero(self.labels == label))
            first[found[: round(share * len(found))]] = True
        return self.select(first), self.select(~first)

    def batches(self, size: int) -> Iterator["ImageSet"]:
        """The set in pieces of at most `size` images, in order."""
        for start in range(0, len(self), size):
            yield self.select(slice(start, start + size))


def joined(sets: list[ImageSet]) -> ImageSet:
    """All images of some sets of one shape, one set after the other."""
    first = sets[0]
    images, labels = (np.concatenate([getattr(one, name) for one in sets]) for name in ("images", "labels"))
    return replace(first, images=images, labels=labels, origin=None)
