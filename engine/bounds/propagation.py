"""Bounds of joints, block by block or pair by pair, and of networks, which are one block each."""

from typing import TypeAlias

import torch

from engine.bounds import crown, interval, pairs
from engine.bounds.blocks import AnyStack, JointStack, blocks, groups, side_by_side
from engine.bounds.crown import Boxes
from engine.bounds.relaxation import Lines, round_down, round_up
from engine.deadline import NEVER, Deadline

#: for each block the lines of its layers
BlockLines: TypeAlias = list[list[Lines]]


def tighten(stack: AnyStack, boxes: Boxes) -> BlockLines:
    """Bounds every neuron of open sign by full CROWN, in place, and returns the lines of each block's layers."""
    if not isinstance(stack, JointStack):
        return [crown.tighten(stack, boxes)]
    lines: BlockLines = [[]] * len(stack.blocks)
    for group in stack.groups:
        if len(group.places) == 2:
            lines[group.places[0]], lines[group.places[1]] = pairs.tighten(stack, group, boxes)
        else:
            block = group.blocks[0]
            lines[group.places[0]] = crown.tighten(block.stack, block.boxes(boxes))
    return lines


def substitute(stack: AnyStack, boxes: Boxes, lines: BlockLines, rows: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Planes [..., n, inputs + 1] with plane . (x, 1) <= row on the box, but for the rounding that `concretize` gives
    up.

    rows: [n, outputs + 1] or [sides, n, outputs + 1]; box: [n], ascending.
    """
    planes: torch.Tensor | None = None
    for group in groups(stack):
        own = [block.boxes(boxes) for block in group.blocks]
        parts = pairs.substitute(
            group, own, [lines[i] for i in group.places], [block.rows(rows) for block in group.blocks], box
        )
        planes = group.add(parts, planes, stack.n_inputs)
    assert planes is not None
    return planes


def hidden_intervals(
    stack: AnyStack, network: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor, deadline: Deadline = NEVER
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bounds l <= z <= u of every ReLU's input on boxes, and behind them those of differences, by interval arithmetic
    (interval.py)."""
    found = [
        interval.hidden_intervals(block.stack, network, block.read(lower), block.read(upper), deadline)
        for block in blocks(stack)
    ]
    l, u = (side_by_side(parts) for parts in zip(*found))
    for first, second in (group.places for group in groups(stack) if len(group.places) == 2):
        (lf, uf), (lg, ug) = found[first], found[second]
        l = torch.cat([l, round_down(lg.double() - uf.double())], 1)
        u = torch.cat([u, round_up(ug.double() - lf.double())], 1)
    return l, u


def output_magnitudes(
    stack: AnyStack, network: torch.Tensor, h: torch.Tensor, deadline: Deadline = NEVER
) -> torch.Tensor:
    """The largest sizes [boxes, outputs] that the outputs' terms can have for inputs of sizes h [boxes, inputs]."""
    found = []
    for block in blocks(stack):
        own, runs = block.read(h), stack.segments(network)
        for k in range(len(block.stack.layers)):
            own = interval.magnitudes(block.stack, k, own, network, runs, deadline)
        found.append(own)
    return side_by_side(found)
