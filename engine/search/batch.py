"""Boxes of the search tree that are bounded together, and all that is known of them."""

from dataclasses import dataclass
from functools import cached_property

import torch

from engine.bounds.blocks import AnyStack, JointStack, blocks
from engine.bounds.crown import Boxes, is_open
from engine.bounds.propagation import BlockLines, tighten
from engine.bounds.roots import Roots
from engine.bounds.slopes import coupled, lower_slopes
from engine.deadline import NEVER, Deadline
from engine.search.pool import Nodes


@dataclass(frozen=True)
class Batch:
    """Bounded boxes of the search tree, sorted by network.

    stack: the networks; roots: the cases, by nodes.root; nodes, boxes: the same boxes, which share their bounds of the
    hidden neurons; lines: of each layer of each block.
    """

    stack: AnyStack
    roots: Roots
    nodes: Nodes
    boxes: Boxes
    lines: BlockLines

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def deadline(self) -> Deadline:
        return self.boxes.deadline

    @cached_property
    def is_open(self) -> torch.Tensor:
        """True for hidden neurons of open sign: [boxes, hidden]."""
        n = self.stack.n_hidden
        return is_open(self.boxes.l[:, :n], self.boxes.u[:, :n])

    @cached_property
    def is_curved(self) -> torch.Tensor:
        """True for hidden neurons with a curve: [hidden]."""
        return torch.cat([block.stack.curved for block in blocks(self.stack)])

    @cached_property
    def is_affine(self) -> torch.Tensor:
        """True for boxes on which the network is affine, as no sign is open and it has no curve: [boxes]."""
        return ~(self.is_open.any(1) | self.is_curved.any())

    @cached_property
    def is_coupled(self) -> torch.Tensor:
        """True for hidden neurons whose lines are those of a difference (bounds/pairs.py): [boxes, hidden]."""
        return coupled(self.stack, self.boxes, self.lines)

    @cached_property
    def plain_slopes(self) -> torch.Tensor:
        """CROWN's lower slopes: [boxes, hidden]."""
        return lower_slopes(self.stack, self.boxes, self.lines)


def bounded(stack: AnyStack, roots: Roots, nodes: Nodes, deadline: Deadline = NEVER) -> Batch:
    """The nodes as a batch, their bounds of hidden neurons tightened in place. Raises OutOfTime after the deadline."""
    split = None if isinstance(stack, JointStack) else nodes.split  # blocks number their neurons anew
    boxes = Boxes(roots.network[nodes.root], nodes.lower, nodes.upper, nodes.l, nodes.u, deadline, split)
    return Batch(stack, roots, nodes, boxes, tighten(stack, boxes))
