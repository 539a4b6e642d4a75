"""Proxy boxes: boxes of features near an image's own, on which the head's bounds certify its label.

After ProRepair (Ma et al., CCS 2025): features move along the gradient of the margin that is least, until the label
has a margin; around that place h* a box grows as long as the head's bounds hold in it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.images.repair.prorepair.bounds import HeadBounds

MOVES = 100  # towards h*
BEYOND = 1.02  # of the way to the half-space of the least margin: steps that end before it never arrive
GROWTHS = 2
HALVINGS = 8
WIDEST = 8.0  # spreads of a feature by which a side moves in a growth, at most
MORE = 2.0  # times the growth that costs the slack by the slopes: other margins may leave more room
CHUNK = 1024  # boxes at a time


@dataclass(frozen=True, slots=True, eq=False)
class ProxyBoxes:
    """low, high: [n, features], float64; certified [n]: every margin is at least `margin` [n] in the box.

    Where nothing was certified, low = high is the place nearest to that.
    """

    low: Tensor
    high: Tensor
    certified: Tensor
    margin: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpace:
    """The range that features can have at all, and their spread [features] (standard deviation) on clean images."""

    spread: Tensor
    least: float = -torch.inf
    most: float = torch.inf


def proxy_boxes(bounds: HeadBounds, space: FeatureSpace, h: Tensor, labels: Tensor, margin: Tensor) -> ProxyBoxes:
    """The boxes near features h [n, features]: around h* all margins are at least half of `margin` [n]."""
    parts = [
        _some_boxes(bounds, space, *some)
        for some in zip(*(torch.split(x, CHUNK) for x in (h.double(), labels, margin.double())), strict=True)
    ]
    return ProxyBoxes(*(torch.cat([getattr(part, name) for part in parts]) for name in ProxyBoxes.__slots__))


def _some_boxes(bounds: HeadBounds, space: FeatureSpace, h: Tensor, labels: Tensor, margin: Tensor) -> ProxyBoxes:
    centre = nearest_right(bounds, space, h, labels, margin)
    low, high = centre.clone(), centre.clone()
    certified = bounds.lower(low, high, labels).amin(1) >= margin / 2
    for _ in range(GROWTHS):
        low, high = _grown(bounds, space, low, high, labels, margin, certified)
    return ProxyBoxes(low, high, certified, margin / 2)


def nearest_right(bounds: HeadBounds, space: FeatureSpace, h: Tensor, labels: Tensor, margin: Tensor) -> Tensor:
    """h* [n, features]: features near h whose margins are at least `margin` where such were found.

    Each step is the shortest, measured in spreads, that gives the least margin its due were it linear.
    """
    scale = space.spread.square()
    for _ in range(MOVES):
        point = h.detach().requires_grad_(True)
        least = bounds.margins(point, labels).amin(1)
        short = (margin - least.detach()).clamp(min=0)
        if not bool((short > 0).any()):
            break
        (slope,) = torch.autograd.grad(least.sum(), point)
        free = ~(((slope > 0) & (h >= space.most)) | ((slope < 0) & (h <= space.least)))
        slope = slope * free
        length = (scale * slope.square()).sum(1).clamp(min=1e-12)
        h = (h + (BEYOND * short / length)[:, None] * scale * slope).clamp(space.least, space.most)
    return h.detach()


def _grown(
    bounds: HeadBounds, space: FeatureSpace, low: Tensor, high: Tensor, labels: Tensor, margin: Tensor, grows: Tensor
) -> tuple[Tensor, Tensor]:
    """The boxes with their sides moved out as far as the bounds hold; sides that matter less move further."""
    cost_low, cost_high = _costs(bounds, low, high, labels, margin)
    mean = ((cost_low + cost_high) / 2 * space.spread).mean(1, keepdim=True).clamp(min=1e-12)
    out_low, out_high = (
        space.spread * (mean / (cost * space.spread + 0.1 * mean)).clamp(max=WIDEST) for cost in (cost_low, cost_high)
    )

    def box(share: Tensor) -> tuple[Tensor, Tensor]:
        least, most = low - share[:, None] * out_low, high + share[:, None] * out_high
        return torch.minimum(least.clamp(min=space.least), low), torch.maximum(most.clamp(max=space.most), high)

    slack = (bounds.lower(low, high, labels).amin(1) - margin / 2).clamp(min=0)
    cost = (cost_low * out_low + cost_high * out_high).sum(1)
    none, all_ = torch.zeros_like(margin), (MORE * slack / cost.clamp(min=1e-12)).clamp(max=1)
    for _ in range(HALVINGS):
        middle = (none + all_) / 2
        holds = grows & (bounds.lower(*box(middle), labels).amin(1) >= margin / 2)
        none, all_ = torch.where(holds, middle, none), torch.where(holds, all_, middle)
    return box(none)


def _costs(bounds: HeadBounds, low: Tensor, high: Tensor, labels: Tensor, margin: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of the least margins by one unit that each side moves out: [n, features] for low and for high."""
    ends = [side.detach().requires_grad_(True) for side in (low, high)]
    warm = (margin / 4).clamp(min=1e-9)
    soft = -warm * torch.logsumexp(-bounds.lower(ends[0], ends[1], labels) / warm[:, None], 1)
    below, above = torch.autograd.grad(soft.sum(), ends)
    return below.clamp(min=0), (-above).clamp(min=0)
