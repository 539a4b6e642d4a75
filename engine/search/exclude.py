"""The leaf procedure: which unsafe polytopes are shown not to be reached on a box.

A polytope is excluded on a box when one of its rows, or a convex combination of them, is bounded above
zero there. Every bound is sound with its rounding included (bounds/rounding.py), so what is
excluded here is proved.
"""

from dataclasses import dataclass

import torch

from ..bounds.crown import Boxes, concretize, substitute
from ..bounds.relaxation import Lines
from ..bounds.roots import Roots
from ..bounds.slopes import Bound, Multipliers, Targets, ascend, lower_slopes
from ..bounds.stack import Stack
from .branching import many_inputs
from .pool import Nodes
from .rows import starting_weights

WARM_STEPS, WARM_NONE = 128, 255  # slopes are handed down in steps of 1/128; 255: none were found
FINISH_STEPS = 20
OPTIMIZE_BELOW = 64  # more neurons of open sign than this are better split first


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left: boxes `open` [left], and on each the worst open polytope.

    `plane`: [left, inputs + 1], a linear lower bound of the row that is largest in the box's middle; `bound`:
    [left], the best found; `weights`: [left, rows], those of the rows in it.
    """

    open: torch.Tensor
    polytope: torch.Tensor
    bound: torch.Tensor
    plane: torch.Tensor
    weights: torch.Tensor

    def select(self, keep: torch.Tensor) -> "Remaining":
        return Remaining(*(getattr(self, name)[keep] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Shown:
    """How polytopes were excluded: enough to show it again.

    node: [n], ids of nodes; polytope: [n]; weights: [n, rows]. slope_of: [m], for which of the n the
    neuron slope [m] has the lower slope slope_value [m] instead of CROWN's; multiplier_of,
    multiplier, multiplier_value: likewise the multipliers of assumed signs.
    """

    node: torch.Tensor
    polytope: torch.Tensor
    weights: torch.Tensor
    slope_of: torch.Tensor
    slope: torch.Tensor
    slope_value: torch.Tensor
    multiplier_of: torch.Tensor
    multiplier: torch.Tensor
    multiplier_value: torch.Tensor


def exclude(stack: Stack, roots: Roots, nodes: Nodes, boxes: Boxes, lines: list[Lines], *, steps: int):
    """Marks in `nodes.excluded` what is proved on each box; says what remains, and how the rest was shown.

    First every row by itself with CROWN's slopes; then, where few neurons are of open sign, `steps`
    steps of optimized slopes and row weights, which start from those found for the parent.
    """
    box, polytope = (~nodes.excluded).nonzero(as_tuple=True)
    targets = roots.targets(nodes.root[box], box, polytope, nodes.phases)
    error = roots.error[nodes.root[box], polytope]
    rows, planes = _each_row(stack, boxes, lines, targets)
    best, row = rows.max(1)
    best = best - error
    plain = lower_slopes(stack, boxes, lines)
    is_open = (boxes.l < 0) & (boxes.u > 0)
    hopeful = (best <= 0) & ((is_open.sum(1) <= OPTIMIZE_BELOW) | many_inputs(nodes))[box]
    near = hopeful.nonzero()[:, 0] if steps else box[:0]
    free = Multipliers(*(near.new_zeros(0, n, dtype=torch.float64) for n in (rows.shape[1], *[plain.shape[1]] * 2)))
    if len(near):
        found = _optimize(stack, nodes, boxes, lines, targets.select(near), row[near], planes[near], plain, steps)
        best[near] = torch.maximum(best[near], found.lower - error[near])
        free = found.multipliers
    weights = torch.nn.functional.one_hot(row, rows.shape[1]).double()
    weights[near] = free.weights
    proved = (best > 0) & (best < torch.inf)  # what overflowed shows nothing
    nodes.excluded[box[proved], polytope[proved]] = True
    plane = planes[torch.arange(len(box), device=box.device), row]
    if rows.shape[1] > 1:  # to split for the best row by itself may never help: it need not be one that can prove
        middle = _largest_in_the_middle(stack, boxes, targets)
        plane = planes[torch.arange(len(box), device=box.device), middle]
    left = _worst(nodes, box, polytope, best.masked_fill(proved, torch.inf), plane, weights)
    # what is proved near zero was not proved by a row alone
    near, free = near[proved[near]], free.select(proved[near])
    changed = is_open[box[near]] & (free.slopes != plain[box[near]])
    return left, _shown(nodes.id[box], polytope, weights, proved, near, free, changed)


def _largest_in_the_middle(stack: Stack, boxes: Boxes, targets: Targets) -> torch.Tensor:
    """The row of each target that is largest in the middle of its box, so that boxes around it are proved by it."""
    x = ((boxes.lower + boxes.upper) / 2)[targets.box]
    y = torch.nn.functional.pad(stack.evaluate(x, boxes.network[targets.box]), (0, 1), value=1.0)
    values = (targets.rows @ y.unsqueeze(2) + targets.inputs @ x.unsqueeze(2)).squeeze(2)
    return values.masked_fill(targets.absent, -torch.inf).argmax(1)


def _shown(node, polytope, weights, proved, near, free: Multipliers, changed) -> Shown:
    """What is proved of the targets; `near` are those with free multipliers."""
    number = proved.cumsum(0) - 1
    slopes, multipliers = changed.nonzero(as_tuple=True), (free.phases > 0).nonzero(as_tuple=True)
    return Shown(node[proved], polytope[proved], weights[proved],
                 number[near[slopes[0]]], slopes[1], free.slopes[slopes],
                 number[near[multipliers[0]]], multipliers[1], free.phases[multipliers])


def _each_row(stack, boxes, lines, targets: Targets):
    """Bounds and planes of every row by itself: [targets, rows] and [targets, rows, inputs + 1]."""
    target, row = (~targets.absent).nonzero(as_tuple=True)
    box = targets.box[target]
    found = substitute(stack, boxes, lines, targets.rows[target, row], box, len(stack.layers))
    found[:, :-1] += targets.inputs[target, row]
    bounds = found.new_full(targets.absent.shape, -torch.inf)
    bounds[target, row] = concretize(stack, boxes, found, box)
    planes = found.new_zeros(*targets.absent.shape, stack.n_inputs + 1)
    planes[target, row] = found
    return bounds, planes


def _optimize(stack, nodes: Nodes, boxes, lines, targets: Targets, row, planes, plain, steps: int) -> Bound:
    """The best bounds with free slopes, weights and multipliers, which are left in `nodes` for the children."""
    by_sign = bool(targets.phases.any())
    if by_sign:
        steps = FINISH_STEPS  # the last sign's multiplier starts from nothing
    weights = starting_weights(boxes, targets.box, planes, targets.absent, row)
    start = handed_down(nodes, targets.box, weights, plain)
    best = ascend(stack, boxes, lines, targets, start, steps=steps)
    # a box's last target is its children's start: of several writes to one place CUDA keeps any
    last = torch.ones_like(targets.box, dtype=torch.bool)
    last[:-1] = targets.box[1:] != targets.box[:-1]
    box, found = targets.box[last], best.multipliers.select(last)
    nodes.slopes[box] = (found.slopes * WARM_STEPS).round().to(torch.uint8)
    if by_sign:
        nodes.multipliers[box] = found.phases.bfloat16()
    return best


def handed_down(nodes: Nodes, box: torch.Tensor, weights: torch.Tensor, plain: torch.Tensor) -> Multipliers:
    """These weights [n, rows] on boxes [n] of `nodes`, with what was found last for the box or its parent.

    Slopes are CROWN's, `plain`, where none were found.
    """
    slopes = nodes.slopes[box].double() / WARM_STEPS
    return Multipliers(weights, torch.where(slopes > 1, plain[box], slopes), nodes.multipliers[box].double())


def _worst(nodes: Nodes, box, polytope, bound, plane, weights) -> Remaining:
    """For each box with an open polytope, the one whose bound is least."""
    bounds = bound.new_full(nodes.excluded.shape, torch.inf)
    bounds[box, polytope] = bound
    target = torch.zeros(nodes.excluded.shape, dtype=torch.long, device=box.device)
    target[box, polytope] = torch.arange(len(box), device=box.device)
    left = (~nodes.excluded.all(1)).nonzero()[:, 0]
    least, worst = bounds[left].min(1)
    target = target[left, worst]
    return Remaining(left, worst, least, plane[target], weights[target])
