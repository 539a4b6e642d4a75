"""The extractor's weights by descent: each image's features, or all of a region's, into a proxy box."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.images.repair.prorepair.boxes import ProxyBoxes
from engine.images.repair.prorepair.distance import distance, sums_of
from engine.images.repair.prorepair.regions import Regions
from engine.images.repair.prorepair.split import Split

Step = Callable[[float, float], None]  # (share of the steps done, mean distance of late in margins)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescentOptions:
    """batch: of clean images, and as many of faults, in each step."""

    steps: int = 100
    rate: float = 1e-3
    batch: int = 64
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Aims:
    """Regions of images from `least` to `most` [n, ...], which may be single images, and boxes of their sums.

    low, high: [n, features]; margin [n]: in which distances are counted.
    """

    least: Tensor
    most: Tensor
    low: Tensor
    high: Tensor
    margin: Tensor

    def __len__(self) -> int:
        return len(self.margin)

    def missed(self, split: Split, which: Tensor) -> Tensor:
        """How far the sums of these regions can be from their boxes, in margins: [which]."""
        least, most = self.least[which], self.most[which]
        # a single image needs no bounds
        ends = split.interval(least, most) if self.least is not self.most else (split.read(least),) * 2
        return distance(*ends, self.low[which], self.high[which], split.weight()) / self.margin[which]


def aims_of(split: Split, regions: Regions, boxes: ProxyBoxes) -> Aims:
    """The regions with these boxes as aims of their sums, on the split's device."""
    device = split.graph.device
    low, high = sums_of(boxes.low, boxes.high, split.activation)
    least = torch.from_numpy(regions.low).to(device)
    most = least if regions.low is regions.high else torch.from_numpy(regions.high).to(device)
    return Aims(least, most, *(tensor.float().to(device) for tensor in (low, high, boxes.margin)))


def descend(split: Split, clean: Aims, faults: Aims, options: DescentOptions, step: Step) -> None:
    """Tunes the extractor, in place: the mean distances of clean images and of faults fall; AdamW, half a cosine.

    The head stays as it is: the boxes are about it. The same aims, options and number of threads give the same weights.
    """
    for name, parameter in split.graph.weights.items():
        parameter.requires_grad_(name in split.names)
    tuned = [split.graph.weights[name] for name in split.names]
    optimizer = torch.optim.AdamW(tuned, lr=options.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.5 * (1 + np.cos(np.pi * k / options.steps)))
    random, late = np.random.default_rng(options.seed), 0.0
    draws = [_batches(len(aims), options.batch, random) for aims in (clean, faults)]
    for k in range(options.steps):
        parts = [aims.missed(split, next(draw)).mean() for aims, draw in zip((clean, faults), draws)]
        loss = parts[0] + parts[1]
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        late = loss.item() if k == 0 else 0.95 * late + 0.05 * loss.item()
        step((k + 1) / options.steps, late)


def _batches(count: int, size: int, random: np.random.Generator) -> Iterator[Tensor]:
    """Batches of all numbers below count, in a random order, and again without end."""
    while True:
        yield from torch.split(torch.from_numpy(random.permutation(count)), size)
