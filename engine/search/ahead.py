"""Signs to split, chosen by what the boxes below would be bounded by: a look ahead at a few candidates.

What a neuron's upper line costs is the most that its sign may gain, on one side, or the other, or both. A sign that
gains on one side alone leaves the other box as it was. So the best few are tried: both boxes are bounded, roughly, and
the sign counts whose two gains have the largest product (strong branching; of networks: De Palma et al., 2021). It is a
choice alone: no proof depends on how it was made.

It is for networks without curves and boxes of so many inputs that a bound costs much. MNIST-5k, two layers of 256
neurons and 784 inputs within 0.03, one image (529) against the two classes that are open: 18,833 boxes in place of
35,102. On boxes of 10 to 30 inputs (benchmarks/wide.py) there are up to 60% fewer boxes too, but no seconds are won.
"""

from dataclasses import replace

import torch

from engine.bounds.crown import Boxes
from engine.bounds.relaxation import Lines
from engine.bounds.slopes import Multipliers, Targets, bound_targets, coefficient_sizes, gradient
from engine.bounds.stack import Stack
from engine.search.batch import Batch

CANDIDATES = 8  # of each box
FIRST = 0.1  # a new sign's multiplier, as a share of the largest coefficient of its layer: the first step of `ascend`
LEAST_GAIN = 1e-6  # of a side, as a share of what the bound lacks: a product with 0 would tell nothing of the other


def best_sign(batch: Batch, targets: Targets, free: Multipliers, cost: torch.Tensor) -> torch.Tensor:
    """The neuron of each target [n] whose sign gains most on both sides, of those whose lines cost most.

    The stack must be one of networks without curves. free: multipliers that bound the targets well; cost: [n, hidden],
    of each neuron's lines, -1 where its sign is known.
    """
    given, chains = bound_targets(batch.stack, batch.boxes, batch.lines, targets, free)
    most = cost.topk(min(CANDIDATES, cost.shape[1]), dim=1)
    count = most.indices.shape[1]
    target = torch.arange(len(cost), device=cost.device).repeat_interleave(2 * count)
    neuron = most.indices.flatten().repeat_interleave(2)
    on = (torch.arange(len(neuron), device=cost.device) % 2).double()
    # where the bound is reached, and the sign is not the one assumed, its multiplier gains
    assumed = replace(targets, phases=torch.ones_like(targets.phases))
    z = -gradient(batch.stack, batch.boxes, assumed, given, chains).phases[target, neuron]
    first = FIRST * coefficient_sizes(batch.stack, batch.boxes, targets, chains)[target, neuron]
    free = free.select(target)
    free.phases[torch.arange(len(neuron), device=cost.device), neuron] = first * ((z > 0) != (on > 0))
    below = _bounds(batch, targets.select(target), free, neuron, on).view(-1, count, 2)
    lacked = -given.lower.clamp(max=0).view(-1, 1, 1)
    gain = (below.clamp(max=0) + lacked) / lacked.clamp(min=1e-300)
    score = gain.clamp(min=LEAST_GAIN).prod(2).masked_fill(most.values < 0, -1.0)
    return most.indices.gather(1, score.argmax(1, keepdim=True))[:, 0]


def _bounds(batch: Batch, targets: Targets, free: Multipliers, neuron: torch.Tensor, on: torch.Tensor) -> torch.Tensor:
    """Bounds [n] of the targets where neuron [n] is positive, if `on` [n] is 1, or is not, if it is 0. Other neurons'
    bounds stay as they are."""
    stack, given, box = batch.stack, batch.boxes, targets.box
    assert isinstance(stack, Stack)
    n = torch.arange(len(box), device=box.device)
    l, u = given.l[box], given.u[box]
    l[n, neuron] = torch.where(on > 0, l[n, neuron].clamp(min=0), l[n, neuron])
    u[n, neuron] = torch.where(on > 0, u[n, neuron], u[n, neuron].clamp(max=0))
    boxes = Boxes(given.network[box], given.lower[box], given.upper[box], l, u, given.deadline)
    phases = targets.phases.index_put((n, neuron), 2 * on - 1)
    lines = [replace(line.at(box), rounding=line.rounding[box]) for line in batch.lines[0]]
    for layer, part, line in zip(stack.layers, stack.slices, lines):
        row = ((part.start <= neuron) & (neuron < part.stop)).nonzero()[:, 0]
        column = neuron[row] - part.start
        _fix(line, row, column if layer.mixed is None else layer.mixed[column], on[row])
    bound, _ = bound_targets(stack, boxes, [lines], replace(targets, box=n, phases=phases), free)
    return bound.lower


def _fix(lines: Lines, row: torch.Tensor, column: torch.Tensor, on: torch.Tensor) -> None:
    """Makes the lines at these places [n] those of z where `on` is 1, and those of 0 where it is 0; in place."""
    lines.lower[row, column] = on
    lines.change[row, column] = 0.0
    lines.noise[row, column] *= on
    lines.lift[row, column] = 2 * lines.noise[row, column]
