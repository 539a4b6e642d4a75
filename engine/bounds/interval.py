"""Interval bounds: every search starts from them; and the largest size that a layer's outputs can have."""

import torch

from engine.bounds.products import Segments
from engine.bounds.relaxation import round_down, round_up
from engine.bounds.rounding import LARGEST
from engine.bounds.stack import Stack, hidden
from engine.deadline import NEVER, Deadline
from engine.errors import InputError


def hidden_intervals(
    stack: Stack, network: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor, deadline: Deadline = NEVER
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bounds l <= z <= u of every ReLU's input on the boxes [lower, upper], by interval arithmetic.

    They are [boxes, hidden], float32 values rounded outward. lower, upper: [boxes, inputs]; network: [boxes], sorted.
    InputError where magnitudes leave the range that rounding.py is about.
    """
    runs = stack.segments(network)
    lows: list[torch.Tensor] = []
    highs: list[torch.Tensor] = []
    low, high = lower, upper
    for k, layer in enumerate(stack.layers):
        deadline.check()
        centre, radius = (low + high) / 2, (high - low) / 2
        size = magnitudes(stack, k, torch.maximum(low.abs(), high.abs()), network, runs, deadline)
        # NaN is not below it either
        small = (size < LARGEST).all(1) & (lower.abs() < LARGEST).all(1) & (upper.abs() < LARGEST).all(1)
        if not bool(small.all()):
            raise InputError(
                f"inputs or outputs of layer {k + 1} may reach 2^100 on the input box",
                where=stack.networks[int(network[~small][0])].name,
                advice="use smaller weights or inputs",
            )
        slack = stack.noise(size, layer.radii(network))
        z = layer.products.forward(centre, runs) + layer.bias[network]
        r = layer.products.sizes(radius, runs, deadline) + slack
        low, high = z - r, z + r
        if layer.relu:
            lows.append(round_down(layer.of_relus(low)))
            highs.append(round_up(layer.of_relus(high)))
            if layer.curve is None:
                low, high = layer.rectify(low), layer.rectify(high)
            else:
                ends = layer.curve.ends(lows[-1], highs[-1])
                low, high = layer.with_hidden(low, ends[0]), layer.with_hidden(high, ends[1])
    return hidden(lows, lower.float()), hidden(highs, lower.float())


def magnitudes(
    stack: Stack, k: int, h: torch.Tensor, network: torch.Tensor, runs: Segments, deadline: Deadline = NEVER
) -> torch.Tensor:
    """M = |W_k| h + |b_k|, to which rounding is relative, for sizes h [boxes, in] of layer k's inputs; b_k being the
    largest bias within its radius."""
    layer = stack.layers[k]
    size, radii = layer.products.sizes(h, runs, deadline) + layer.bias[network].abs(), layer.radii(network)
    return size if radii is None else size + radii
