"""The distance of features from their proxy boxes, in scores: where it is 0, the label is certified."""

import torch
from torch import Tensor

EDGE = 1e-6  # a sigmoid's value nearer to 0 or 1 is as good as there


def sums_of(low: Tensor, high: Tensor, activation: str | None) -> tuple[Tensor, Tensor]:
    """The box of a layer's sums whose activations lie between low and high.

    Sums have a gradient where a ReLU has none. A ReLU's low end of 0 asks nothing of the sum.
    """
    if activation == "Relu":
        return low.masked_fill(low <= 0, -torch.inf), high
    if activation == "Sigmoid":
        ends = [torch.logit(side.clamp(EDGE, 1 - EDGE)) for side in (low, high)]
        return ends[0].masked_fill(low <= EDGE, -torch.inf), ends[1].masked_fill(high >= 1 - EDGE, torch.inf)
    return low, high


def distance(least: Tensor, most: Tensor, low: Tensor, high: Tensor, weight: Tensor) -> Tensor:
    """The sum [n] over features of `weight` [features] times how far [least, most] [n, features] leave [low, high].

    A margin falls below the box's by no more, where the weight bounds a margin's change by a unit of each sum.
    """
    return (weight * ((low - least).clamp(min=0) + (most - high).clamp(min=0))).sum(1)
