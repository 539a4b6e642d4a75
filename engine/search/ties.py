"""Boxes on which nothing but rounding is between a bound and a point, and zero between them: no split decides them."""

import torch

from engine.bounds.blocks import side_by_side
from engine.search.batch import Batch
from engine.search.exclude import OpenTargets

NOISE_FACTOR = 8.0  # times the rounding of the last layers, which is less than a bound gives up in all
MAX_SPLIT_TIES = 2_000  # of a problem: along a face there would be no end of them


def tied(batch: Batch, targets: OpenTargets, value: torch.Tensor) -> torch.Tensor:
    """True for open boxes where nothing but rounding is between the bound and the worst corner's value [open], and zero
    between them: [open].

    It is always so where the network is affine on the box and the bound is that of one row alone.
    """
    roots, root = batch.roots, batch.nodes.root[targets.box]
    affine = batch.is_affine[targets.box]
    alone = (~roots.absent[root, targets.polytope]).sum(1) == 1
    rows = roots.rows[root, targets.polytope][..., :-1].abs()
    rounding = side_by_side([lines[-1].rounding for lines in batch.lines])[targets.box]
    noise = (rows @ rounding.unsqueeze(2)).amax((1, 2))
    return (value >= 0) & (affine & alone | (value - targets.bound <= NOISE_FACTOR * noise))
