"""The leaf procedure: proves of unsafe polytopes that no input of a box reaches them.

A polytope is excluded on a box when one of its rows, or a convex combination of them, is bounded above
zero there. Every bound is sound with its rounding included (bounds/rounding.py): an exclusion is a proof.
"""

from dataclasses import dataclass

import torch

from engine.bounds.blocks import AnyStack
from engine.bounds.columns import Columns, joined
from engine.bounds.crown import Boxes, concretize, rows_at_once
from engine.bounds.propagation import substitute
from engine.bounds.slopes import Bound, Multipliers, Targets, ascend
from engine.search.batch import Batch
from engine.search.branching import many_inputs
from engine.search.exclusions import Exclusions, joined_exclusions, proved_exclusions
from engine.search.longer import optimized_longer
from engine.search.rows import starting_weights

WARM_STEPS, WARM_NONE = 128, 255  # slopes are handed down in steps of 1/128; 255: none were found
FINISH_STEPS = 20  # of optimization, where signs are assumed
WIDE_STEPS = 8  # the same on boxes with many inputs: 20 steps save them few boxes, and cost twice the time
MAX_TARGETS = 1 << 14  # polytopes bounded together
MAX_OPEN_SIGNS = 64  # boxes with more neurons of open sign are better split first


@dataclass(frozen=True, slots=True)
class OpenTargets(Columns):
    """Boxes [open] of a batch on which not all polytopes are excluded, and on each the worst open polytope.

    box: [open], ascending; polytope: [open]; bound: [open], the best found; plane: [open, inputs + 1], a linear lower
    bound of the row that is largest in the box's middle; weights: [open, rows], those of the rows in the bound.
    """

    box: torch.Tensor
    polytope: torch.Tensor
    bound: torch.Tensor
    plane: torch.Tensor
    weights: torch.Tensor

    def __len__(self) -> int:
        return len(self.box)


def exclude(batch: Batch, *, steps: int, max_targets: int = MAX_TARGETS) -> tuple[OpenTargets, Exclusions]:
    """Excludes polytopes on the batch's boxes, and marks them in `nodes.excluded`: returns the rest, and the proofs.

    First every row by itself with CROWN's slopes; then, where few neurons are of open sign, `steps`
    steps of optimized slopes and row weights, which start from those found for the parent. max_targets: polytopes that
    are bounded together, for the memory that they take.
    """
    nodes = batch.nodes
    box, polytope = (~nodes.excluded).nonzero(as_tuple=True)
    worthwhile = ((batch.is_open.sum(1) <= MAX_OPEN_SIGNS) | many_inputs(nodes)) & (steps > 0) & _has_choices(batch)
    start = _Start(nodes.slopes.clone(), nodes.multipliers.clone(), worthwhile)
    parts = zip(torch.split(box, max_targets), torch.split(polytope, max_targets))
    found = [_exclude(batch, start, *part, steps) for part in parts]
    open_targets, exclusions = zip(*found)
    return _worst(joined(open_targets)), joined_exclusions(exclusions)


def _has_choices(batch: Batch) -> torch.Tensor:
    """True for boxes on which bounds have anything to be optimized: [boxes]. Slopes of curves are fixed."""
    fixed = batch.is_curved.all() & (batch.roots.rows.shape[2] == 1)
    return (batch.nodes.phases != 0).any(1) | ~fixed


@dataclass(frozen=True, slots=True)
class _Start:
    """Slopes and multipliers [boxes, hidden] that optimization starts from; worthwhile: [boxes], True where it may
    help."""

    slopes: torch.Tensor
    multipliers: torch.Tensor
    worthwhile: torch.Tensor


def _exclude(
    batch: Batch, start: _Start, box: torch.Tensor, polytope: torch.Tensor, steps: int
) -> tuple[OpenTargets, Exclusions]:
    """The same for some polytopes [n] on boxes [n]: the worst that stays open on each of these boxes."""
    stack, roots, nodes, boxes = batch.stack, batch.roots, batch.nodes, batch.boxes
    targets = roots.targets(nodes.root[box], box, polytope, nodes.phases)
    error = roots.error[nodes.root[box], polytope]
    rows, planes = _each_row(batch, targets)
    best, row = rows.max(1)
    best = best - error
    near = ((best <= 0) & start.worthwhile[box]).nonzero()[:, 0]
    none = (near.new_zeros(0, n, dtype=torch.float64) for n in (rows.shape[1], *[stack.n_hidden] * 2))
    free = Multipliers(*none)
    if len(near):
        found = _optimize(batch, start, targets.select(near), row[near], planes[near], steps)
        best[near] = torch.maximum(best[near], found.lower - error[near])
        free = found.multipliers
    weights = torch.nn.functional.one_hot(row, rows.shape[1]).double()
    weights[near] = free.weights
    proved = (best > 0) & (best < torch.inf)  # an overflow proves nothing
    nodes.excluded[box[proved], polytope[proved]] = True
    if rows.shape[1] > 1:  # to split for the best row by itself may never help: it need not be one that can prove
        row = _largest_in_the_middle(stack, boxes, targets)
    plane = planes[torch.arange(len(box), device=box.device), row]
    open_targets = _worst(OpenTargets(box, polytope, best, plane, weights).select(~proved))
    # of the optimized targets those that are proved, which no row alone proves
    near, free = near[proved[near]], free.select(proved[near])
    adjustable = (batch.is_open & ~batch.is_coupled & ~batch.is_curved)[box[near]]
    changed = adjustable & (free.slopes != batch.plain_slopes[box[near]])
    return open_targets, proved_exclusions(nodes.id[box], polytope, weights, proved, near, free, changed)


def _worst(targets: OpenTargets) -> OpenTargets:
    """Of each box's polytopes the one whose bound is least, the first of equals."""
    targets = targets.select(targets.bound.argsort(stable=True))
    targets = targets.select(targets.box.argsort(stable=True))
    first = torch.ones_like(targets.box, dtype=torch.bool)
    first[1:] = targets.box[1:] != targets.box[:-1]
    return targets.select(first)


def _largest_in_the_middle(stack: AnyStack, boxes: Boxes, targets: Targets) -> torch.Tensor:
    """The row of each target that is largest in the middle of its box, so that boxes around it are proved by it."""
    x = ((boxes.lower + boxes.upper) / 2)[targets.box]
    y = torch.nn.functional.pad(stack.evaluate(x, boxes.network[targets.box]), (0, 1), value=1.0)
    values = (targets.rows @ y.unsqueeze(2) + targets.inputs @ x.unsqueeze(2)).squeeze(2)
    return values.masked_fill(targets.absent, -torch.inf).argmax(1)


def _each_row(batch: Batch, targets: Targets) -> tuple[torch.Tensor, torch.Tensor]:
    """Bounds and planes of every row by itself: [targets, rows] and [targets, rows, inputs + 1]."""
    stack, boxes = batch.stack, batch.boxes
    bounds = targets.rows.new_full(targets.absent.shape, -torch.inf)
    planes = bounds.new_zeros(*targets.absent.shape, stack.n_inputs + 1)
    present = (~targets.absent).nonzero(as_tuple=True)
    at_once = rows_at_once(stack)
    for target, row in zip(*(torch.split(index, at_once) for index in present)):
        box = targets.box[target]
        found = substitute(stack, boxes, batch.lines, targets.rows[target, row], box)
        found[:, :-1] += targets.inputs[target, row]
        bounds[target, row] = concretize(stack, boxes, found, box)
        planes[target, row] = found
    return bounds, planes


def _optimize(
    batch: Batch, start: _Start, targets: Targets, row: torch.Tensor, planes: torch.Tensor, steps: int
) -> Bound:
    """The best bounds with free slopes, weights and multipliers, which are left in the nodes for the children."""
    boxes, nodes = batch.boxes, batch.nodes
    by_sign = bool(targets.phases.any())
    if by_sign:
        # the last sign's multiplier starts from nothing
        steps = WIDE_STEPS if bool(many_inputs(nodes)[targets.box].all()) else FINISH_STEPS
    weights = starting_weights(boxes, targets.box, planes, targets.absent, row)
    free = handed_down(start.slopes, start.multipliers, targets.box, weights, batch.plain_slopes)
    best = ascend(batch.stack, boxes, batch.lines, targets, free, steps=steps)
    if by_sign:
        best = optimized_longer(batch, targets, best)
    # a box's last target is its children's start: of several writes to one place CUDA keeps any
    last = torch.ones_like(targets.box, dtype=torch.bool)
    last[:-1] = targets.box[1:] != targets.box[:-1]
    box, found = targets.box[last], best.multipliers.select(last)
    nodes.slopes[box] = (found.slopes * WARM_STEPS).round().to(torch.uint8)
    if by_sign:
        nodes.multipliers[box] = found.phases.bfloat16()
    return best


def handed_down(
    slopes: torch.Tensor, multipliers: torch.Tensor, box: torch.Tensor, weights: torch.Tensor, plain: torch.Tensor
) -> Multipliers:
    """These weights [n, rows] on boxes [n], with the slopes and multipliers of nodes (pool.py): those found last.

    Slopes are CROWN's, `plain`, where none were found.
    """
    slopes = slopes[box].double() / WARM_STEPS
    return Multipliers(weights, torch.where(slopes > 1, plain[box], slopes), multipliers[box].double())
