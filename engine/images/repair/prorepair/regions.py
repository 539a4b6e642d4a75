"""Regions of images that are to get one label: balls around faulty images, what is proved of them, and refinement."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from engine.images.classifier import BATCH
from engine.images.imageset import Floats, ImageSet, joined
from engine.images.repair.prorepair.split import Split

MOST = 4096  # regions; no more are split


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """centres: images with the labels of their regions; low, high: ends of each pixel [n, ...]; depth [n]: how often a
    region was halved."""

    centres: ImageSet
    low: Floats
    high: Floats
    depth: np.ndarray

    def __len__(self) -> int:
        return len(self.centres)

    def select(self, which: np.ndarray) -> "Regions":
        """The regions with these numbers, or where a mask [n] is true."""
        low = self.low[which]
        high = low if self.high is self.low else self.high[which]  # single images stay so
        return Regions(self.centres.select(which), low, high, self.depth[which])

    def sample(self, count: int, *, seed: int) -> "Regions":
        """So many of the regions, drawn at random; all where there are no more."""
        if len(self) <= count:
            return self
        return self.select(np.random.default_rng(seed).choice(len(self), count, replace=False))


def balls(images: ImageSet, radius: float) -> Regions:
    """What is within `radius` of each pixel of an image, and within 0 to 1."""
    low, high = (np.clip(images.images + side * np.float32(radius), 0, 1) for side in (-1, 1))
    return Regions(images, low, high, np.zeros(len(images), np.int64))


def single(images: ImageSet) -> Regions:
    """Each image alone."""
    return Regions(images, images.images, images.images, np.zeros(len(images), np.int64))


def repeated(regions: Regions, which: np.ndarray, times: int) -> Regions:
    """The regions, and those that `which` [n] selects so many times again."""
    count = np.where(which, 1 + times, 1)
    numbers = np.repeat(np.arange(len(regions)), count)
    return regions.select(numbers)


@torch.no_grad()
def proved(split: Split, regions: Regions) -> np.ndarray:
    """Whether all images of a region get its label, by the bounds of extractor and head [n]; rounding apart."""
    found = []
    for i in range(0, len(regions), BATCH):
        some = regions.select(np.arange(i, min(i + BATCH, len(regions))))
        ends = split.interval(*(torch.from_numpy(end) for end in (some.low, some.high)))
        low, high = (split.activate(end).double() for end in ends)
        labels = torch.from_numpy(some.centres.labels).to(low.device)
        found.append((split.bounds.lower(low, high, labels).amin(1) > 0).cpu().numpy())
    return np.concatenate(found) if found else np.zeros(0, bool)


def refined(split: Split, regions: Regions, *, splits: int) -> Regions:
    """The regions, with those that are not proved in halves, up to `splits` times each.

    Each is halved across the pixel that its least margin depends on most: its width times the gradient at the centre.
    """
    cut = ~proved(split, regions) & (regions.depth < splits)
    if not cut.any() or len(regions) + cut.sum() > MOST:
        return regions
    parts = regions.select(cut)
    flat = (_slopes(split, parts) * (parts.high - parts.low)).reshape(len(parts), -1)
    row, pixel = np.arange(len(parts)), flat.argmax(1)
    halves = []
    for upper in (False, True):
        low, high = (end.reshape(len(parts), -1).copy() for end in (parts.low, parts.high))
        (low if upper else high)[row, pixel] = (low[row, pixel] + high[row, pixel]) / 2
        least, most = (end.reshape(parts.low.shape) for end in (low, high))
        centres = parts.centres.with_images(least + (most - least) * np.float32(0.5))
        halves.append(replace(parts, centres=centres, low=least, high=most, depth=parts.depth + 1))
    return _joined([regions.select(~cut), *halves])


def _slopes(split: Split, regions: Regions) -> Floats:
    """The absolute gradient of each centre's least margin."""
    found = []
    for part in regions.centres.batches(BATCH):
        x = torch.from_numpy(part.images).to(split.graph.device).requires_grad_(True)
        labels = torch.from_numpy(part.labels).to(x.device)
        least = split.bounds.margins(split.activate(split.read(x)).double(), labels).amin(1)
        found.append(torch.autograd.grad(least.sum(), x)[0].abs().cpu().numpy())
    return np.concatenate(found)


def _joined(parts: list[Regions]) -> Regions:
    ends = (np.concatenate([getattr(part, name) for part in parts]) for name in ("low", "high", "depth"))
    return Regions(joined([part.centres for part in parts]), *ends)
