"""Which way to split a box, and the children."""

import torch

from .pool import Nodes

# |slope| * width^POWER: measured in benchmarks/branching.py; 1 stalls, 2 is close
POWER = 1.5


def split(nodes: Nodes, plane: torch.Tensor) -> tuple[Nodes, Nodes, torch.Tensor]:
    """Two children that cover each box exactly, and which boxes could not be split.

    The box is halved in the input where the worst polytope's plane [n, inputs + 1] changes most, wide
    inputs preferred; where no input has a float64 value strictly between its ends, it is left out.
    """
    middle = nodes.lower + (nodes.upper - nodes.lower) / 2
    splits = (nodes.lower < middle) & (middle < nodes.upper)
    score = plane[:, :-1].abs() * (nodes.upper - nodes.lower) ** POWER
    score = score.masked_fill(~splits, -1.0)
    best, dimension = score.max(1)
    can = best >= 0
    nodes, dimension, middle = nodes.select(can), dimension[can], middle[can]
    n = torch.arange(len(nodes), device=dimension.device)
    depth = nodes.depth + 1
    low, high = nodes.copy(depth=depth), nodes.copy(depth=depth)
    low.upper[n, dimension] = middle[n, dimension]
    high.lower[n, dimension] = middle[n, dimension]
    return low, high, ~can


def split_sign(nodes: Nodes, neuron: torch.Tensor) -> tuple[Nodes, Nodes]:
    """Two children that cover each box exactly: hidden neuron [n] at most 0, or at least 0."""
    n = torch.arange(len(nodes), device=neuron.device)
    depth = nodes.depth + 1
    off, on = nodes.copy(depth=depth), nodes.copy(depth=depth)
    off.u[n, neuron] = off.u[n, neuron].clamp(max=0)
    on.l[n, neuron] = on.l[n, neuron].clamp(min=0)
    off.phases[n, neuron] = -1
    on.phases[n, neuron] = 1
    return off, on
