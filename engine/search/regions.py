"""The parts of its boxes where a property is proved, and where points violate it: for pictures."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from engine.attack import descend
from engine.bounds.blocks import AnyStack
from engine.bounds.roots import Roots, make_roots
from engine.bounds.stack import Stack
from engine.network import Network
from engine.property import Property
from engine.search.branching import splits
from engine.search.levels import levels
from engine.search.pool import Nodes

MAX_BOXES = 20_000  # that are bounded
STEPS = 5  # of slope optimization for a box


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Boxes [n, 2, inputs] (lower and upper ends) that cover the property's cases and meet in faces only.

    proved: no input of the box is unsafe, by the leaf procedure; violated: a point of it is unsafe, or on the edge
    of what is, in float64 (which is no verdict); open: neither was found.
    """

    proved: np.ndarray
    violated: np.ndarray
    open: np.ndarray


@torch.no_grad()
def regions(network: Network, property: Property, *, max_boxes: int = MAX_BOXES) -> Regions:
    """Splits boxes level by level until all is proved, or the next level would take more than `max_boxes` in all."""
    stack = Stack([network])
    roots = make_roots(stack, [0] * len(property.cases), list(property.cases))
    proved: list[np.ndarray] = []
    spent = 0
    for batch, targets in levels(stack, roots, torch.arange(len(property.cases)), steps=STEPS):
        done = torch.ones(len(batch), dtype=torch.bool)
        done[targets.box] = False
        proved.append(_ends(batch.nodes.select(done)))
        spent += len(batch)
        nodes = batch.nodes.select(targets.box)
        if not bool(splits(nodes).any(1).all()) or spent + 2 * len(nodes) > max_boxes:
            break
    violated = _violated(stack, roots, nodes)
    return Regions(np.concatenate(proved), _ends(nodes.select(violated)), _ends(nodes.select(~violated)))


def _ends(nodes: Nodes) -> np.ndarray:
    return torch.stack([nodes.lower, nodes.upper], 1).numpy()


def _violated(stack: AnyStack, roots: Roots, nodes: Nodes) -> torch.Tensor:
    """True for boxes with an unsafe point among their corners and middles: [n]."""
    found = torch.zeros(len(nodes), dtype=torch.bool)
    for fractions in product((0.5, 0.0, 1.0), repeat=stack.n_inputs):
        x = nodes.lower + (nodes.upper - nodes.lower) * torch.tensor(fractions, dtype=torch.float64)
        _, value = descend(stack, roots, nodes.root, x, torch.zeros_like(x), steps=0)
        found |= value <= 0
    return found
