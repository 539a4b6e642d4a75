"""Boxes on which nothing but rounding is between a bound and a point, and zero between them: no split decides them."""

import torch

from engine.bounds.roots import Roots
from engine.search.exclude import Remaining

NOISE = 8.0  # times that of the last layer, which is less than what a bound gives up in all
MOST = 2_000  # ties of a problem that are split: along a face there would be no end of them


def tied(
    roots: Roots, root: torch.Tensor, left: Remaining, affine: torch.Tensor, rounding: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """Whether nothing but rounding is between the bound and the worst corner's value, and zero between them: always
    where the network is `affine` on the box and the bound is that of one row alone.

    rounding: [left, outputs], what it can change of these.
    """
    alone = (~roots.absent[root, left.polytope]).sum(1) == 1
    rows = roots.rows[root, left.polytope][..., :-1].abs()
    noise = (rows @ rounding.unsqueeze(2)).amax((1, 2))
    return (value >= 0) & (affine & alone | (value - left.bound <= NOISE * noise))
