"""The choice of an input to split a box by, and the children."""

import torch

from engine.search.pool import Nodes

WIDTH_POWER = 0.5  # preference of wide inputs, measured in benchmarks/branching.py: 0 stalls, 0.4 to 1 are close
MIN_CHANGE = 1e-30  # stands for smaller ones: of a flat plane the widest input is halved, not always the first
MAX_SPLIT_INPUTS = 8  # up to so many inputs are halved; with more it is found out (ways.py)
MAX_RIVAL_INPUTS = 128  # of more each changes too little: signs alone are split


def many_inputs(nodes: Nodes, *, more_than: int = MAX_SPLIT_INPUTS) -> torch.Tensor:
    """True for boxes with so many inputs of some width that to split signs may take fewer boxes: [n]."""
    return (nodes.lower < nodes.upper).sum(1) > more_than


def splits(nodes: Nodes) -> torch.Tensor:
    """True for inputs whose middle is a float64 value strictly between their ends: [n, inputs]."""
    middle = middles(nodes)
    return (nodes.lower < middle) & (middle < nodes.upper)


def input_to_split(nodes: Nodes, plane: torch.Tensor, reach: torch.Tensor) -> torch.Tensor:
    """The input in which the worst polytope's plane [n, inputs + 1] changes most, wide inputs preferred; the widest
    where it is flat: [n].

    An input's width is measured by the change that it makes: its width times its `reach` [n, inputs] (see
    Stack.reach). So nothing depends on the inputs' units, and powers of two in them change no bit of a score.
    """
    width = nodes.upper - nodes.lower
    score = (plane[:, :-1].abs() * width).clamp(min=MIN_CHANGE) * (width * reach) ** WIDTH_POWER
    return score.masked_fill(~splits(nodes), -1.0).argmax(1)


def split_input(nodes: Nodes, plane: torch.Tensor, reach: torch.Tensor) -> tuple[Nodes, Nodes]:
    """Two children that cover each box exactly: one input halved.

    See input_to_split. Each box must have an input that `splits`.
    """
    dimension = input_to_split(nodes, plane, reach)
    n = torch.arange(len(nodes), device=dimension.device)
    return cut(nodes, dimension, middles(nodes)[n, dimension])


def cut(nodes: Nodes, dimension: torch.Tensor, value: torch.Tensor) -> tuple[Nodes, Nodes]:
    """Two children that cover each box exactly: the input `dimension` [n] at most `value` [n], or at least that."""
    n = torch.arange(len(nodes), device=dimension.device)
    none, depth = torch.full_like(dimension, -1), nodes.depth + 1
    low, high = nodes.copy(split=none, depth=depth), nodes.copy(split=none, depth=depth)
    low.upper[n, dimension] = value
    high.lower[n, dimension] = value
    return low, high


def middles(nodes: Nodes) -> torch.Tensor:
    """The middle of each input: [n, inputs]."""
    return nodes.lower + (nodes.upper - nodes.lower) / 2


def split_sign(nodes: Nodes, neuron: torch.Tensor) -> tuple[Nodes, Nodes]:
    """Two children that cover each box exactly: hidden neuron [n] at most 0, or at least 0."""
    n = torch.arange(len(nodes), device=neuron.device)
    depth = nodes.depth + 1
    off, on = nodes.copy(split=neuron, depth=depth), nodes.copy(split=neuron, depth=depth)
    off.u[n, neuron] = off.u[n, neuron].clamp(max=0)
    on.l[n, neuron] = on.l[n, neuron].clamp(min=0)
    off.phases[n, neuron] = -1
    on.phases[n, neuron] = 1
    return off, on
