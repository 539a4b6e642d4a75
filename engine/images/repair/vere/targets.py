"""The values that neurons are to take: as published, from the bounds of the violation on each sub-interval."""

import torch
from torch import Tensor

from engine.images.repair.vere.significance import Shrinkage


def targets(found: Shrinkage, now: Tensor) -> Tensor:
    """The ends of each image's target interval for each neuron: [images, neurons, 2].

    The sub-interval nearest to the neuron's value on which the violation certainly vanishes; where there is none, the
    end of a sub-interval at which it certainly shrinks most; where it shrinks at none, the value as it is. now: the
    neurons' values, [images, neurons].
    """
    low, high = found.edges[None, :, :-1], found.edges[None, :, 1:]
    vanishes = (found.at_ends > found.violations[:, None, None, None]).all(3)
    away = (low - now[..., None]).clamp(min=0) + (now[..., None] - high).clamp(min=0)
    nearest = torch.where(vanishes, away, torch.inf).argmin(2, keepdim=True)
    ends = torch.stack([low.expand_as(away), high.expand_as(away)], 3)
    inside = torch.cat([ends[..., side].gather(2, nearest) for side in (0, 1)], 2)
    gain, place = found.at_ends.flatten(2).max(2, keepdim=True)
    best = torch.where(gain > 0, ends.flatten(2).gather(2, place), now[..., None]).expand(-1, -1, 2)
    return torch.where(vanishes.any(2, keepdim=True), inside, best)
