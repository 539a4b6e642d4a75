"""The exact finish: signs of neurons are split where splitting inputs no longer helps.

With every sign fixed the network is affine on the box, the bound is the dual of a linear program in
the multipliers of the signs, and it reaches the exact minimum. This is beta-CROWN (Wang et al.,
NeurIPS 2021): a proof like any other, which only has to be evaluated.
"""

import torch

from engine.bounds.slopes import bound_targets
from engine.bounds.stack import Stack
from engine.search.ahead import best_sign
from engine.search.batch import Batch
from engine.search.branching import MAX_RIVAL_INPUTS, many_inputs, splits
from engine.search.costs import line_costs
from engine.search.exclude import OpenTargets, handed_down
from engine.search.pool import Nodes

#: Where a network has curves, one of many inputs is halved rather than a sign fixed that gains less than this share of
#: what that changes.
#: (MNIST-5k's `mlp` with Sigmoids and 3 x 3 free pixels: 0.01 at four images that take 7 to 9 boxes by inputs, and more
#: than 800 by signs; an `lq` with Sigmoids: 365 boxes with 0.25, 75 with 0.5. Ten inputs and six Tanhs: about 1, and by
#: inputs alone thousands of boxes.)
CURVE_SHARE = 0.5
#: Signs are split in boxes with at most this many of them open, and in long searches at most so many, however deep.
#: (N(5,3) and property 6: where 17 neurons bend in one place, inputs are halved fifty times, and one sign closes a box.
#: The trees of 40 such boxes have 98 boxes with 20, 282 with 14, 298 with none.)
MAX_SPLIT_SIGNS, MAX_SPLIT_SIGNS_LONG = 10, 20


def signs_to_split(
    batch: Batch, targets: OpenTargets, by_sign: torch.Tensor, is_long: torch.Tensor, *, stalled: int
) -> torch.Tensor:
    """The hidden neuron of each open box whose sign is to be split, or -1 for its inputs: [open].

    Signs are split on boxes where they are to be, `by_sign` [boxes], where no input can be split, and where few neurons
    are of open sign: `stalled` splits deep, or anywhere in a long search, `is_long` [boxes]. (In short ones with few
    inputs it does not pay earlier: benchmarks/branching.py.) With all signs fixed, networks with curves are not affine,
    and inputs are split again.
    """
    nodes, neuron = batch.nodes, torch.full_like(targets.box, -1)
    unstable = batch.is_open.sum(1)[targets.box]
    deep = (nodes.depth[targets.box] >= stalled) & (unstable <= MAX_SPLIT_SIGNS)
    deep |= is_long[targets.box] & (unstable <= MAX_SPLIT_SIGNS_LONG)
    late = deep | ~splits(nodes).any(1)[targets.box]
    chosen = (unstable > 0) & (late | by_sign[targets.box])
    if bool(chosen.any()):
        some = targets.select(chosen)
        found, cost = _loosest(batch, some)
        worthwhile = late[chosen] | ~batch.is_curved.any() | (cost >= CURVE_SHARE * _largest_change(nodes, some))
        neuron[chosen] = torch.where(worthwhile, found, -1)
    return neuron


def _largest_change(nodes: Nodes, targets: OpenTargets) -> torch.Tensor:
    """The change of each open box's plane by half the input that changes it most: [open]."""
    width = (nodes.upper - nodes.lower)[targets.box]
    return (targets.plane[:, :-1].abs() * width).amax(1) / 2


def _loosest(batch: Batch, chosen: OpenTargets) -> tuple[torch.Tensor, torch.Tensor]:
    """The neuron of open sign to be split, of those whose lines cost the best bound most, and the most that any of them
    costs: [open]."""
    stack, nodes, boxes, box = batch.stack, batch.nodes, batch.boxes, chosen.box
    targets = batch.roots.targets(nodes.root[box], box, chosen.polytope, nodes.phases)
    found = handed_down(nodes.slopes, nodes.multipliers, box, chosen.weights, batch.plain_slopes)
    _, chains = bound_targets(stack, boxes, batch.lines, targets, found)
    cost = line_costs(stack, chains, found, boxes.l[box], boxes.u[box])
    most = cost.max(1)
    neuron, ahead = most.indices, _looks_ahead(batch, box)
    if bool(ahead.any()):
        neuron[ahead] = best_sign(batch, targets.select(ahead), found.select(ahead), cost[ahead])
    return neuron, most.values


def _looks_ahead(batch: Batch, box: torch.Tensor) -> torch.Tensor:
    """True for these boxes [n] where a bound costs so much that a look ahead pays (ahead.py)."""
    plain = isinstance(batch.stack, Stack) and not bool(batch.is_curved.any())
    return many_inputs(batch.nodes, more_than=MAX_RIVAL_INPUTS)[box] & plain
