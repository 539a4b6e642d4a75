"""The exact finish: signs of neurons are split where splitting inputs no longer helps.

With every sign fixed the network is affine on the box, the bound is the dual of a linear program in
the multipliers of the signs, and it reaches the exact minimum. This is beta-CROWN (Wang et al.,
NeurIPS 2021): a proof like any other, which only has to be evaluated.
"""

import torch

from engine.bounds.blocks import blocks
from engine.bounds.slopes import bound_targets
from engine.search.batch import Batch
from engine.search.branching import splits
from engine.search.exclude import OpenTargets, handed_down

MAX_SPLIT_SIGNS = 10  # signs are split in boxes with at most this many of them open


def signs_to_split(batch: Batch, targets: OpenTargets, by_sign: torch.Tensor, *, stalled: int) -> torch.Tensor:
    """The hidden neuron of each open box whose sign is to be split, or -1 for its inputs: [open].

    Signs are split on boxes where they are to be, `by_sign` [boxes], on those that are `stalled` splits deep and have
    few neurons of open sign, and where no input can be split. (With few inputs it does not pay earlier:
    benchmarks/branching.py.)
    """
    nodes, neuron = batch.nodes, torch.full_like(targets.box, -1)
    unstable = batch.is_open.sum(1)[targets.box]
    deep = (nodes.depth[targets.box] >= stalled) & (unstable <= MAX_SPLIT_SIGNS)
    chosen = (unstable > 0) & (deep | (by_sign | ~splits(nodes).any(1))[targets.box])
    if bool(chosen.any()):
        neuron[chosen] = _loosest(batch, targets.select(chosen))
    return neuron


def _loosest(batch: Batch, chosen: OpenTargets) -> torch.Tensor:
    """The neuron of open sign whose upper line costs the best bound most.

    Lower lines cost little, since their slopes are optimized: with them counted the trees are a hundred
    times larger.
    """
    stack, nodes, boxes, box = batch.stack, batch.nodes, batch.boxes, chosen.box
    targets = batch.roots.targets(nodes.root[box], box, chosen.polytope, nodes.phases)
    found = handed_down(nodes.slopes, nodes.multipliers, box, chosen.weights, batch.plain_slopes)
    _, chains = bound_targets(stack, boxes, batch.lines, targets, found)
    coefficients = [
        -layer.of_relus(rows[:, :-1]).clamp(max=0)
        for block, chain in zip(blocks(stack), chains)
        for (rows, _), layer in zip(chain, block.stack.layers)
        if layer.relu
    ]
    l, u = (bound[box, : stack.n_hidden].double() for bound in (boxes.l, boxes.u))
    height = -l * u / (u - l).clamp(min=1e-300)
    cost = torch.cat(coefficients, 1) * height
    return cost.masked_fill((l >= 0) | (u <= 0), -1.0).argmax(1)
