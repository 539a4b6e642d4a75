"""Where in its boxes a property is proved, and where points violate it: for pictures."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from engine.attack import descend
from engine.bounds.crown import Boxes, tighten
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.network import Network
from engine.property import Property
from engine.search.branching import split_input, splits
from engine.search.exclude import exclude
from engine.search.frontier import root_nodes

MOST = 20_000  # boxes bounded
STEPS = 5


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
def regions(network: Network, property: Property, *, most: int = MOST) -> Regions:
    """Splits boxes level by level until all is proved, or the next level would take more than `most` boxes in all."""
    stack = Stack([network])
    roots = make_roots(stack, [0] * len(property.cases), list(property.cases))
    nodes, proved, spent = root_nodes(roots, torch.arange(len(property.cases))), [], 0
    while True:
        boxes = Boxes(roots.network[nodes.root], nodes.lower, nodes.upper, nodes.l, nodes.u)
        left, _ = exclude(stack, roots, nodes, boxes, tighten(stack, boxes), steps=STEPS)
        done = torch.ones(len(nodes), dtype=torch.bool)
        done[left.open] = False
        proved.append(_ends(nodes.select(done)))
        spent += len(nodes)
        nodes = nodes.select(left.open)
        can = splits(nodes).any(1)
        if not len(nodes) or not bool(can.all()) or spent + 2 * len(nodes) > most:
            violated = _violated(stack, roots, nodes)
            return Regions(np.concatenate(proved), _ends(nodes.select(violated)), _ends(nodes.select(~violated)))
        pair = split_input(nodes, left.plane, roots.reach[nodes.root])
        nodes = type(nodes)(*map(torch.cat, zip(*(half.columns() for half in pair))))


def _ends(nodes) -> np.ndarray:
    return torch.stack([nodes.lower, nodes.upper], 1).numpy()


def _violated(stack: Stack, roots, nodes) -> torch.Tensor:
    """Whether a point of the box is unsafe, of its corners and middles: [n]."""
    found = torch.zeros(len(nodes), dtype=torch.bool)
    for fractions in product((0.5, 0.0, 1.0), repeat=stack.n_inputs):
        x = nodes.lower + (nodes.upper - nodes.lower) * torch.tensor(fractions, dtype=torch.float64)
        _, value = descend(stack, roots, nodes.root, x, torch.zeros_like(x), steps=0)
        found |= value <= 0
    return found
