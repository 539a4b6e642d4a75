"""Interval bounds: where every search starts, and how large a layer's outputs can be."""

import torch

from engine.bounds.relaxation import round_down, round_up
from engine.bounds.rounding import LARGEST
from engine.bounds.stack import Stack, hidden, matmul, matmul_sizes
from engine.deadline import NEVER, Deadline
from engine.errors import InputError


def hidden_intervals(
    stack: Stack, network: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor, deadline: Deadline = NEVER
):
    """l <= z <= u for every ReLU's input on the boxes [lower, upper], by interval arithmetic.

    lower, upper: [boxes, inputs]; network: [boxes], sorted.
    Returns l, u [boxes, hidden], float32 values rounded outward. Raises InputError where magnitudes
    leave the range that rounding.py is about.
    """
    runs = stack.segments(network)
    found = [], []
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
        slack = stack.noise(size)
        z = matmul(centre, layer.weight.mT, runs) + layer.bias[network]
        r = matmul_sizes(radius, layer.weight, runs, deadline) + slack
        low, high = z - r, z + r
        if layer.relu:
            found[0].append(round_down(low))
            found[1].append(round_up(high))
            low, high = low.clamp(min=0), high.clamp(min=0)
    return hidden(found[0], lower.float()), hidden(found[1], lower.float())


def magnitudes(
    stack: Stack, k: int, h: torch.Tensor, network: torch.Tensor, runs, deadline: Deadline = NEVER
) -> torch.Tensor:
    """M = |W_k| h + |b_k| for sizes h [boxes, in] of layer k's inputs: what rounding is relative to."""
    layer = stack.layers[k]
    return matmul_sizes(h, layer.weight, runs, deadline) + layer.bias[network].abs()
