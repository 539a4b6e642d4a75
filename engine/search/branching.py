"""Which way to split a box, and the children."""

import torch

from engine.search.pool import Nodes

POWER = 0.5  # how much wide inputs are preferred: measured in benchmarks/branching.py; 0 stalls, 0.4 to 1 are close
FLAT = 1e-30  # in place of a smaller change: of a plane without any the widest input is halved, not always the first
MANY = 8  # inputs: to halve each of more than these takes more boxes than to fix the signs of the neurons


def many_inputs(nodes: Nodes) -> torch.Tensor:
    """Whether each box has so many inputs of some width that signs are split rather than inputs: [n]."""
    return (nodes.lower < nodes.upper).sum(1) > MANY


def splits(nodes: Nodes) -> torch.Tensor:
    """Whether each input has a float64 value strictly between its ends, the middle: [n, inputs]."""
    middle = _middle(nodes)
    return (nodes.lower < middle) & (middle < nodes.upper)


def input_to_split(nodes: Nodes, plane: torch.Tensor, reach: torch.Tensor) -> torch.Tensor:
    """The input in which the worst polytope's plane [n, inputs + 1] changes most, wide inputs preferred; the widest
    where it is flat: [n].

    How wide an input is, is measured by what it moves: its width times its `reach` [n, inputs] (see
    Stack.reach). So nothing depends on the inputs' units, and powers of two in them change no bit of a score.
    """
    width = nodes.upper - nodes.lower
    score = (plane[:, :-1].abs() * width).clamp(min=FLAT) * (width * reach) ** POWER
    return score.masked_fill(~splits(nodes), -1.0).argmax(1)


def split_input(nodes: Nodes, plane: torch.Tensor, reach: torch.Tensor) -> tuple[Nodes, Nodes]:
    """Two children that cover each box exactly: one input halved.

    See input_to_split. Each box must have an input that `splits`.
    """
    dimension = input_to_split(nodes, plane, reach)
    n = torch.arange(len(nodes), device=dimension.device)
    middle = _middle(nodes)[n, dimension]
    depth = nodes.depth + 1
    low, high = nodes.copy(depth=depth), nodes.copy(depth=depth)
    low.upper[n, dimension] = middle
    high.lower[n, dimension] = middle
    return low, high


def _middle(nodes: Nodes) -> torch.Tensor:
    return nodes.lower + (nodes.upper - nodes.lower) / 2


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
