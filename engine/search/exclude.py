"""The leaf procedure: which unsafe polytopes are shown not to be reached on a box.

A polytope is excluded on a box when one of its rows, or a convex combination of them, is bounded above
zero there. Every bound is sound with its rounding included (bounds/rounding.py), so what is
excluded here is proved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import torch

from engine.bounds.crown import Boxes, concretize, rows_at_once, substitute
from engine.bounds.relaxation import Lines
from engine.bounds.roots import Roots
from engine.bounds.slopes import Bound, Multipliers, Targets, ascend, lower_slopes
from engine.bounds.stack import Stack
from engine.search.branching import many_inputs
from engine.search.pool import Nodes
from engine.search.rows import starting_weights

WARM_STEPS, WARM_NONE = 128, 255  # slopes are handed down in steps of 1/128; 255: none were found
FINISH_STEPS = 20
TARGETS = 1 << 14  # polytopes looked at together
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


def exclude(
    stack: Stack, roots: Roots, nodes: Nodes, boxes: Boxes, lines: list[Lines], *, steps: int, targets: int = TARGETS
):
    """Marks in `nodes.excluded` what is proved on each box; says what remains, and how the rest was shown.

    First every row by itself with CROWN's slopes; then, where few neurons are of open sign, `steps`
    steps of optimized slopes and row weights, which start from those found for the parent. targets: how many polytopes
    are looked at together, for the memory that they take.
    """
    box, polytope = (~nodes.excluded).nonzero(as_tuple=True)
    parents = nodes.slopes.clone(), nodes.multipliers.clone()
    is_open = (boxes.l < 0) & (boxes.u > 0)
    hopeful = ((is_open.sum(1) <= OPTIMIZE_BELOW) | many_inputs(nodes)) & (steps > 0)
    batch = _Batch(stack, roots, nodes, boxes, lines, parents, is_open, hopeful, lower_slopes(stack, boxes, lines))
    found = [_exclude(batch, *part, steps) for part in zip(box.split(targets), polytope.split(targets))]
    left, shown = zip(*found)
    return _worst(_joined(left)), _joined_shown(shown)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is common to all polytopes of a batch. parents: slopes and multipliers that boxes were handed down;
    hopeful: [boxes], whether optimization may help; plain: CROWN's slopes."""

    stack: Stack
    roots: Roots
    nodes: Nodes
    boxes: Boxes
    lines: list[Lines]
    parents: tuple[torch.Tensor, torch.Tensor]
    is_open: torch.Tensor
    hopeful: torch.Tensor
    plain: torch.Tensor


def _exclude(batch: _Batch, box: torch.Tensor, polytope: torch.Tensor, steps: int) -> tuple[Remaining, Shown]:
    """The same for some polytopes [n] on boxes [n]: the worst that remains on each of these boxes."""
    stack, roots, nodes, boxes = batch.stack, batch.roots, batch.nodes, batch.boxes
    targets = roots.targets(nodes.root[box], box, polytope, nodes.phases)
    error = roots.error[nodes.root[box], polytope]
    rows, planes = _each_row(stack, boxes, batch.lines, targets)
    best, row = rows.max(1)
    best = best - error
    near = ((best <= 0) & batch.hopeful[box]).nonzero()[:, 0]
    none = (near.new_zeros(0, n, dtype=torch.float64) for n in (rows.shape[1], *[batch.plain.shape[1]] * 2))
    free = Multipliers(*none)
    if len(near):
        found = _optimize(batch, targets.select(near), row[near], planes[near], steps)
        best[near] = torch.maximum(best[near], found.lower - error[near])
        free = found.multipliers
    weights = torch.nn.functional.one_hot(row, rows.shape[1]).double()
    weights[near] = free.weights
    proved = (best > 0) & (best < torch.inf)  # what overflowed shows nothing
    nodes.excluded[box[proved], polytope[proved]] = True
    if rows.shape[1] > 1:  # to split for the best row by itself may never help: it need not be one that can prove
        row = _largest_in_the_middle(stack, boxes, targets)
    plane = planes[torch.arange(len(box), device=box.device), row]
    left = _worst(Remaining(box, polytope, best, plane, weights).select(~proved))
    # what is proved near zero was not proved by a row alone
    near, free = near[proved[near]], free.select(proved[near])
    changed = batch.is_open[box[near]] & (free.slopes != batch.plain[box[near]])
    return left, _shown(nodes.id[box], polytope, weights, proved, near, free, changed)


def _worst(left: Remaining) -> Remaining:
    """Of each box's polytopes the one whose bound is least, the first of equals."""
    left = left.select(left.bound.argsort(stable=True))
    left = left.select(left.open.argsort(stable=True))
    first = torch.ones_like(left.open, dtype=torch.bool)
    first[1:] = left.open[1:] != left.open[:-1]
    return left.select(first)


def _joined(parts: Sequence[Remaining]) -> Remaining:
    return Remaining(*(torch.cat([getattr(part, name) for part in parts]) for name in Remaining.__slots__))


def _joined_shown(parts: Sequence[Shown]) -> Shown:
    """All of them as one: what refers to a polytope by its number is numbered on."""
    first = torch.tensor([0, *(len(part.node) for part in parts)]).cumsum(0).tolist()
    columns = []
    for name in Shown.__slots__:
        shifts = first if name.endswith("_of") else repeat(0)
        columns.append(torch.cat([getattr(part, name) + shift for part, shift in zip(parts, shifts)]))
    return Shown(*columns)


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
    return Shown(
        node[proved],
        polytope[proved],
        weights[proved],
        number[near[slopes[0]]],
        slopes[1],
        free.slopes[slopes],
        number[near[multipliers[0]]],
        multipliers[1],
        free.phases[multipliers],
    )


def _each_row(stack: Stack, boxes: Boxes, lines: list[Lines], targets: Targets):
    """Bounds and planes of every row by itself: [targets, rows] and [targets, rows, inputs + 1]."""
    bounds = targets.rows.new_full(targets.absent.shape, -torch.inf)
    planes = bounds.new_zeros(*targets.absent.shape, stack.n_inputs + 1)
    target, row = (~targets.absent).nonzero(as_tuple=True)
    at_once = rows_at_once(stack)
    for target, row in zip(target.split(at_once), row.split(at_once)):
        box = targets.box[target]
        found = substitute(stack, boxes, lines, targets.rows[target, row], box, len(stack.layers))
        found[:, :-1] += targets.inputs[target, row]
        bounds[target, row] = concretize(stack, boxes, found, box)
        planes[target, row] = found
    return bounds, planes


def _optimize(batch: _Batch, targets: Targets, row: torch.Tensor, planes: torch.Tensor, steps: int) -> Bound:
    """The best bounds with free slopes, weights and multipliers, which are left in the nodes for the children."""
    boxes, nodes = batch.boxes, batch.nodes
    by_sign = bool(targets.phases.any())
    if by_sign:
        steps = FINISH_STEPS  # the last sign's multiplier starts from nothing
    weights = starting_weights(boxes, targets.box, planes, targets.absent, row)
    start = handed_down(*batch.parents, targets.box, weights, batch.plain)
    best = ascend(batch.stack, boxes, batch.lines, targets, start, steps=steps)
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
