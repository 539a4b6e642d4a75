"""The combination of a polytope's rows to try first on a box: the best one for their linear bounds alone."""

import torch

from engine.bounds.crown import Boxes
from engine.bounds.slopes import worst_corner

STEPS = 15
MIN_WEIGHT = 0.02  # that every row starts from: none is out of reach


def starting_weights(
    boxes: Boxes, box: torch.Tensor, planes: torch.Tensor, absent: torch.Tensor, row: torch.Tensor
) -> torch.Tensor:
    """Weights [n, rows] >= 0 of sum 1, under which the planes' minimum on box [n] is about the largest.

    planes: [n, rows, inputs + 1]; absent: [n, rows], padding, of weight 0; row: [n], the best by itself, from
    which multiplicative updates start. These are matrix games, played without a look at the network.
    """
    alone = torch.nn.functional.one_hot(row, absent.shape[1]).double()
    if absent.shape[1] == 1:
        return alone
    best, bound = alone, torch.full((len(row),), -torch.inf, dtype=torch.float64, device=row.device)
    logits = alone.clamp(min=MIN_WEIGHT).log().masked_fill(absent, -torch.inf)
    weights = alone
    for step in range(STEPS):
        plane = (weights.unsqueeze(1) @ planes)[:, 0]
        x = torch.nn.functional.pad(worst_corner(boxes, box, plane), (0, 1), value=1.0)
        values = (planes @ x.unsqueeze(2))[:, :, 0]
        met = (weights * values).sum(1)
        better = met > bound
        best, bound = torch.where(better.unsqueeze(1), weights, best), torch.maximum(met, bound)
        gain = (values - met.unsqueeze(1)).masked_fill(absent, 0.0)
        logits = logits + 2 * 0.85**step * gain / gain.abs().amax(1, keepdim=True).clamp(min=1e-300)
        weights = torch.softmax(logits, 1)
    return best
