"""Stacks side by side: the blocks of joints, alone or in pairs; networks are one block each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from engine.bounds.crown import Boxes
from engine.bounds.rounding import UNDERFLOW, unit
from engine.bounds.stack import Stack, StackedLayer
from engine.deadline import NEVER, Deadline
from engine.joint import Joint, Model
from engine.network import Network

#: the ratio of u to -l from which on ReLUs have the lower slope 1 (section 17): six hard questions about ACAS Xu's
#: networks take 32,385 boxes with it, 42,249 with 1, 33,271 with 1.25, 34,875 with 2; all 186 54,459, and 66,364 with 1
STEEP = 1.5

#: layers that are passed together: (block of the group, layer), one, or the two of a stage
Step: TypeAlias = tuple[tuple[int, int], ...]


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


@dataclass(frozen=True, slots=True)
class Group:
    """A block alone, or a pair of them, of which differences are bounded (pairs.py).

    places: their numbers among all blocks; steps: their layers from the inputs on; differences: the columns of the
    differences' bounds in Boxes.l and Boxes.u.
    """

    places: tuple[int, ...]
    blocks: tuple[StackBlock, ...]
    steps: tuple[Step, ...]
    differences: slice

    def add(self, parts: Sequence[torch.Tensor], planes: torch.Tensor | None, n_inputs: int) -> torch.Tensor:
        """The sum of planes [..., inputs + 1], if any, and the part of each block [..., its inputs + 1] of them."""
        for block, part in zip(self.blocks, parts):
            planes = block.add(part, planes, n_inputs)
        assert planes is not None
        return planes


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
        self.groups = _groups(self.blocks, first.pairs)
        self.n_differences = self.groups[-1].differences.stop - hidden
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
    """The stack of models of one shape, joints or networks, whose lines are those of their certificates."""
    joints = [model for model in models if isinstance(model, Joint)]
    if joints:
        return JointStack(joints, device=device, semantics=semantics, deadline=deadline)
    networks = [model for model in models if isinstance(model, Network)]
    ratio = STEEP if all(map(is_steep, networks)) else 1.0
    return Stack(networks, device=device, semantics=semantics, deadline=deadline, ratio=ratio)


def is_steep(network: Network) -> bool:
    """True for networks whose lines are those of section 17: all but cones, and those with a Sigmoid or a Tanh."""
    return not network.has_curves and all(layer.radius is None for layer in network.layers)


def blocks(stack: AnyStack) -> list[StackBlock]:
    """The blocks of a stack: of networks, the stack itself."""
    return stack.blocks if isinstance(stack, JointStack) else [StackBlock(stack, slice(None), slice(None), None, True)]


def groups(stack: AnyStack) -> list[Group]:
    """The blocks of a stack, alone or in pairs."""
    return stack.groups if isinstance(stack, JointStack) else _groups(blocks(stack), ())


def _groups(given: list[StackBlock], pairs: tuple[tuple[int, int], ...]) -> list[Group]:
    paired = {i: (i, j) for i, j in pairs}
    seconds = {j for _, j in pairs}
    found = []
    end = sum(block.stack.n_hidden for block in given)
    for i in range(len(given)):
        if i not in seconds:
            places = paired.get(i, (i,))
            members = tuple(given[place] for place in places)
            start, end = end, end + (members[0].stack.n_hidden if len(members) > 1 else 0)
            found.append(Group(places, members, tuple(_steps(members)), slice(start, end)))
    return found


def _steps(members: tuple[StackBlock, ...]) -> Iterator[Step]:
    """The layers in order, those of one stage together: the members' next layers with a ReLU."""
    layers = [list(enumerate(block.stack.layers)) for block in members]
    while any(layers):
        alone = [(i, own) for i, own in enumerate(layers) if own and not own[0][1].relu]
        if alone:
            yield from (((i, own.pop(0)[0]),) for i, own in alone)
        else:
            yield tuple((i, own.pop(0)[0]) for i, own in enumerate(layers))


def side_by_side(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The columns of all blocks; those of one block are not copied."""
    return torch.cat(list(parts), 1) if len(parts) > 1 else parts[0]
