"""The exact finish: where splitting inputs no longer helps, split the signs of neurons.

With every sign fixed the network is affine on the box, the bound is the dual of a linear program in
the multipliers of the signs, and it reaches the exact minimum. This is beta-CROWN (Wang et al.,
NeurIPS 2021): a proof like any other, which only has to be evaluated.
"""

import torch

from engine.bounds.crown import Boxes
from engine.bounds.relaxation import Lines
from engine.bounds.roots import Roots
from engine.bounds.slopes import bound_targets, lower_slopes
from engine.bounds.stack import Stack
from engine.search.branching import many_inputs, splits
from engine.search.exclude import Remaining, handed_down
from engine.search.pool import Nodes

FEW = 10  # signs are split in boxes with at most this many of them open


def signs_to_split(
    stack: Stack, roots: Roots, nodes: Nodes, boxes: Boxes, lines: list[Lines], left: Remaining, *, stalled: int
) -> torch.Tensor:
    """For each remaining box the hidden neuron whose sign is to be split, or -1 for its inputs: [left].

    Signs are split on boxes of many inputs, on those that are `stalled` splits deep and have few
    neurons of open sign, and where no input can be split. (With few inputs it does not pay earlier:
    benchmarks/branching.py.)
    """
    neuron = torch.full_like(left.open, -1)
    unstable = ((boxes.l < 0) & (boxes.u > 0)).sum(1)[left.open]
    deep = (nodes.depth[left.open] >= stalled) & (unstable <= FEW)
    chosen = (unstable > 0) & (deep | (many_inputs(nodes) | ~splits(nodes).any(1))[left.open])
    if bool(chosen.any()):
        neuron[chosen] = _loosest(stack, roots, nodes, boxes, lines, left.select(chosen))
    return neuron


def _loosest(stack, roots, nodes, boxes, lines, left: Remaining) -> torch.Tensor:
    """The neuron of open sign whose upper line costs the best bound most.

    Lower lines cost little, since their slopes are optimized: with them counted the trees are a hundred
    times larger.
    """
    targets = roots.targets(nodes.root[left.open], left.open, left.polytope, nodes.phases)
    plain = lower_slopes(stack, boxes, lines)
    found = handed_down(nodes.slopes, nodes.multipliers, left.open, left.weights, plain)
    _, met = bound_targets(stack, boxes, lines, targets, found)
    coefficients = [-rows[:, :-1].clamp(max=0) for (rows, _), layer in zip(met, stack.layers) if layer.relu]
    l, u = boxes.l[left.open].double(), boxes.u[left.open].double()
    height = -l * u / (u - l).clamp(min=1e-300)
    return (torch.cat(coefficients, 1) * height).masked_fill((l >= 0) | (u <= 0), -1.0).argmax(1)
