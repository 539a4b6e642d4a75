"""The exact finish: signs of neurons are split where splitting inputs no longer helps.

With every sign fixed the network is affine on the box, the bound is the dual of a linear program in
the multipliers of the signs, and it reaches the exact minimum. This is beta-CROWN (Wang et al.,
NeurIPS 2021): a proof like any other, which only has to be evaluated.
"""

import torch

from engine.bounds.blocks import blocks
from engine.bounds.slopes import bound_targets
from engine.bounds.stack import StackedLayer
from engine.search.batch import Batch
from engine.search.branching import many_inputs, splits
from engine.search.exclude import OpenTargets, handed_down

MAX_SPLIT_SIGNS = 10  # signs are split in boxes with at most this many of them open


def signs_to_split(batch: Batch, targets: OpenTargets, *, stalled: int) -> torch.Tensor:
    """The hidden neuron of each open box whose sign is to be split, or -1 for its inputs: [open].

    Signs are split on boxes of many inputs, on those that are `stalled` splits deep and have few
    neurons of open sign, and where no input can be split. (With few inputs it does not pay earlier:
    benchmarks/branching.py.) Those of neurons with curves are not split for many inputs alone: of MNIST-5k's `mlp` with
    Sigmoids, 3 x 3 pixels free, four images took 7 to 9 boxes where inputs were halved, and more than 800 by signs.
    With all signs fixed such networks are not affine, and inputs are split again.
    """
    nodes, neuron = batch.nodes, torch.full_like(targets.box, -1)
    unstable = batch.is_open.sum(1)[targets.box]
    deep = (nodes.depth[targets.box] >= stalled) & (unstable <= MAX_SPLIT_SIGNS)
    late = deep | ~splits(nodes).any(1)[targets.box]
    choice = batch.is_open[targets.box] & (late.unsqueeze(1) | ~batch.is_curved)
    chosen = choice.any(1) & (late | many_inputs(nodes)[targets.box])
    if bool(chosen.any()):
        neuron[chosen] = _loosest(batch, targets.select(chosen), choice[chosen])
    return neuron


def _loosest(batch: Batch, chosen: OpenTargets, choice: torch.Tensor) -> torch.Tensor:
    """Of `choice` [open, hidden], neurons of open sign, that whose upper line costs the best bound most; with a curve, whose lines cost more than
    they would with a sign.

    A ReLU's lower line costs little, since its slope is optimized: with them counted the trees are a hundred
    times larger.
    """
    stack, nodes, boxes, box = batch.stack, batch.nodes, batch.boxes, chosen.box
    targets = batch.roots.targets(nodes.root[box], box, chosen.polytope, nodes.phases)
    found = handed_down(nodes.slopes, nodes.multipliers, box, chosen.weights, batch.plain_slopes)
    _, chains = bound_targets(stack, boxes, batch.lines, targets, found)
    l, u = (bound[box, : stack.n_hidden].double() for bound in (boxes.l, boxes.u))
    costs = [
        _cost(layer, layer.of_relus(rows[:, :-1]), l[:, block.hidden][:, part], u[:, block.hidden][:, part])
        for block, chain in zip(blocks(stack), chains)
        for (rows, _), layer, part in zip(chain, block.stack.layers, block.stack.slices)
        if layer.relu
    ]
    return torch.cat(costs, 1).masked_fill(~choice, -1.0).argmax(1)


def _cost(layer: StackedLayer, rows: torch.Tensor, l: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The cost of each neuron's lines [open, hidden] to rows of these coefficients over its outputs."""
    if layer.curve is None:
        return -rows.clamp(max=0) * (-l * u / (u - l).clamp(min=1e-300))
    halves = torch.maximum(layer.curve.gap(l, u.clamp(max=0)), layer.curve.gap(l.clamp(min=0), u))
    return rows.abs() * (layer.curve.gap(l, u) - halves)
