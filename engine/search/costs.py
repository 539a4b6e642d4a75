"""The costs of lines to a bound: what it may gain at most where signs of neurons are split, or inputs."""

import torch

from engine.bounds.blocks import AnyStack, blocks
from engine.bounds.slopes import Chains, Multipliers
from engine.bounds.stack import StackedLayer

LOWER = 2.0**-10  # the weight of lower lines' costs


def line_costs(stack: AnyStack, chains: Chains, free: Multipliers, l: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The cost of each hidden neuron's upper line to the bounds that the chains make, -1 where its sign is known; with
    a curve, whose lines cost more than they would with a sign, that of both: [n, hidden].

    l, u: [n, hidden], the neurons' bounds; free: the multipliers of the bounds.

    A ReLU's lower line costs little, since its slope is optimized: with all of them counted the trees are a hundred
    times larger. It decides where upper lines cost nothing: which of these is split is left to chance otherwise.
    """
    l, u = l[:, : stack.n_hidden].double(), u[:, : stack.n_hidden].double()
    costs = []
    for block, chain in zip(blocks(stack), chains):
        below, above, slopes = (columns[:, block.hidden] for columns in (l, u, free.slopes))
        costs += [
            _cost(layer, layer.of_relus(rows[:, :-1]), below[:, part], above[:, part], slopes[:, part])
            for (rows, _), layer, part in zip(chain, block.stack.layers, block.stack.slices)
            if layer.relu
        ]
    return torch.cat(costs, 1).masked_fill((l >= 0) | (u <= 0), -1.0)


def _cost(
    layer: StackedLayer, rows: torch.Tensor, l: torch.Tensor, u: torch.Tensor, slopes: torch.Tensor
) -> torch.Tensor:
    """The cost of each neuron's lines [n, hidden] to rows of these coefficients over its outputs."""
    if layer.curve is not None:
        halves = torch.maximum(layer.curve.gap(l, u.clamp(max=0)), layer.curve.gap(l.clamp(min=0), u))
        return rows.abs() * (layer.curve.gap(l, u) - halves)
    upper = -rows.clamp(max=0) * (-l * u / (u - l).clamp(min=1e-300))
    return upper.addcmul(rows.clamp(min=0), torch.minimum(-slopes * l, (1 - slopes) * u), value=LOWER)
