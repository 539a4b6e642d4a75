"""Stacks side by side: the bounds of joints, block by block, and of networks, which are one block each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from engine.bounds import crown, interval
from engine.bounds.crown import Boxes
from engine.bounds.relaxation import Lines
from engine.bounds.rounding import UNDERFLOW, unit
from engine.bounds.stack import Stack, StackedLayer
from engine.deadline import NEVER, Deadline
from engine.joint import Joint, Model
from engine.network import Network

#: for each block the lines of its layers
BlockLines: TypeAlias = list[list[Lines]]


@dataclass(frozen=True, slots=True)
class StackBlock:
    """One block of every joint of a stack: its networks, and its place among hidden neurons, outputs and inputs.

    inputs: the free inputs that it reads, None for all; is_first: True for the block that carries rows' constants.
    """

    stack: Stack
    hidden: slice
    outputs: slice
    inputs: torch.Tensor | None
    is_first: bool

    def read(self, points: torch.Tensor) -> torch.Tensor:
        """The inputs that it reads [..., its inputs] of points [..., inputs]."""
        return points if self.inputs is None else points[..., self.inputs]

    def boxes(self, boxes: Boxes) -> Boxes:
        """The boxes as it sees them; l and u are views, in which bounds can be improved."""
        if self.inputs is None:
            return boxes
        lower, upper = self.read(boxes.lower), self.read(boxes.upper)
        return replace(boxes, lower=lower, upper=upper, l=boxes.l[:, self.hidden], u=boxes.u[:, self.hidden])

    def rows(self, rows: torch.Tensor) -> torch.Tensor:
        """The part over its outputs of rows [..., outputs + 1], whose constant the first block has."""
        if self.inputs is None:
            return rows
        constant = rows[..., -1:] if self.is_first else torch.zeros_like(rows[..., -1:])
        return torch.cat([rows[..., self.outputs], constant], -1)

    def add(self, part: torch.Tensor, planes: torch.Tensor | None, n_inputs: int) -> torch.Tensor:
        """The sum of planes [..., inputs + 1], if any, and its own part [..., its inputs + 1] of them."""
        if self.inputs is None:
            return part
        if planes is None:
            planes = part.new_zeros(*part.shape[:-1], n_inputs + 1)
        index = torch.cat([self.inputs, self.inputs.new_tensor([n_inputs])])
        return planes.index_add(-1, index, part)


class JointStack:
    """The blocks of several joints of one shape, under one semantics: a Stack of joints."""

    def __init__(
        self,
        joints: list[Joint],
        *,
        device: torch.device | str = "cpu",
        semantics: str = "real",
        deadline: Deadline = NEVER,
    ):
        """Raises OutOfTime soon after the deadline."""
        first = joints[0]
        self.networks = joints
        self.device, self.semantics = torch.device(device), semantics
        self.n_inputs, self.n_outputs = first.n_inputs, first.n_outputs
        self.width, self.depth = first.width, first.depth
        self.blocks: list[StackBlock] = []
        hidden, outputs = 0, 0
        for k, block in enumerate(first.blocks):
            stack = Stack(
                [joint.blocks[k].network for joint in joints],
                device=device,
                semantics=semantics,
                deadline=deadline,
                extent=(self.width, self.depth),
            )
            inputs = torch.tensor(block.inputs, dtype=torch.long, device=self.device)
            ends = hidden + stack.n_hidden, outputs + stack.n_outputs
            self.blocks.append(StackBlock(stack, slice(hidden, ends[0]), slice(outputs, ends[1]), inputs, k == 0))
            hidden, outputs = ends
        self.n_hidden = hidden
        #: the sum of the blocks' reaches of each input
        self.reach = torch.zeros(len(joints), self.n_inputs, dtype=torch.float64, device=self.device)
        for of in self.blocks:
            self.reach.index_add_(1, of.inputs, of.stack.reach)  # type: ignore[arg-type]
        self._rounding = unit(self.width, self.depth, "real")

    @property
    def layers(self) -> list[StackedLayer]:
        """The layers of all blocks, for what they cost."""
        return [layer for block in self.blocks for layer in block.stack.layers]

    segments = staticmethod(Stack.segments)

    def lost(self, magnitude: torch.Tensor) -> torch.Tensor:
        """A bound of the loss in computing a bound itself, of terms of this total magnitude."""
        return magnitude * self._rounding + UNDERFLOW

    def evaluate(self, points: torch.Tensor, network: torch.Tensor) -> torch.Tensor:
        """Outputs [n, outputs] in float64 (not rigorous) at points [n, inputs]; network: [n], sorted."""
        return torch.cat([block.stack.evaluate(block.read(points), network) for block in self.blocks], 1)


AnyStack: TypeAlias = Stack | JointStack


def make_stack(
    models: Sequence[Model], *, device: torch.device | str, semantics: str, deadline: Deadline = NEVER
) -> AnyStack:
    """The stack of models of one shape, joints or networks."""
    joints = [model for model in models if isinstance(model, Joint)]
    if joints:
        return JointStack(joints, device=device, semantics=semantics, deadline=deadline)
    networks = [model for model in models if isinstance(model, Network)]
    return Stack(networks, device=device, semantics=semantics, deadline=deadline)


def blocks(stack: AnyStack) -> list[StackBlock]:
    """The blocks of a stack: of networks, the stack itself."""
    return stack.blocks if isinstance(stack, JointStack) else [StackBlock(stack, slice(None), slice(None), None, True)]


def tighten(stack: AnyStack, boxes: Boxes) -> BlockLines:
    """Bounds every neuron of open sign by full CROWN, in place, and returns the lines of each block's layers."""
    return [crown.tighten(block.stack, block.boxes(boxes)) for block in blocks(stack)]


def substitute(stack: AnyStack, boxes: Boxes, lines: BlockLines, rows: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Planes [..., n, inputs + 1] with plane . (x, 1) <= row on the box, but for the rounding that `concretize` gives
    up.

    rows: [n, outputs + 1] or [sides, n, outputs + 1]; box: [n], ascending.
    """
    planes: torch.Tensor | None = None
    for block, own in zip(blocks(stack), lines):
        depth = len(block.stack.layers)
        part = crown.substitute(block.stack, block.boxes(boxes), own, block.rows(rows), box, depth)
        planes = block.add(part, planes, stack.n_inputs)
    assert planes is not None
    return planes


def hidden_intervals(
    stack: AnyStack, network: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor, deadline: Deadline = NEVER
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bounds l <= z <= u of every ReLU's input on boxes, by interval arithmetic (interval.py)."""
    found = [
        interval.hidden_intervals(block.stack, network, block.read(lower), block.read(upper), deadline)
        for block in blocks(stack)
    ]
    l, u = map(side_by_side, zip(*found))
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


def side_by_side(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The columns of all blocks; those of one block are not copied."""
    return torch.cat(list(parts), 1) if len(parts) > 1 else parts[0]
