"""Interval bounds: where every search starts, and how large a layer's outputs can be."""

import torch

from .relaxation import round_down, round_up
from .stack import Stack, matmul


def hidden_intervals(stack: Stack, network: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor):
    """l <= z <= u for every ReLU's input on the boxes [lower, upper], by interval arithmetic.

    lower, upper: [boxes, inputs]; network: [boxes], sorted.
    Returns l, u [boxes, hidden], float32 values rounded outward.
    """
    runs = stack.segments(network)
    found = [], []
    low, high = lower, upper
    for k, layer in enumerate(stack.layers):
        centre, radius = (low + high) / 2, (high - low) / 2
        slack = stack.noise(magnitudes(stack, k, torch.maximum(low.abs(), high.abs()), network, runs))
        z = matmul(centre, layer.weight.mT, runs) + layer.bias[network]
        r = matmul(radius, layer.weight.abs().mT, runs) + slack
        low, high = z - r, z + r
        if layer.relu:
            found[0].append(round_down(low))
            found[1].append(round_up(high))
            low, high = low.clamp(min=0), high.clamp(min=0)
    return torch.cat(found[0], 1), torch.cat(found[1], 1)


def magnitudes(stack: Stack, k: int, h: torch.Tensor, network: torch.Tensor, runs) -> torch.Tensor:
    """M = |W_k| h + |b_k| for sizes h [boxes, in] of layer k's inputs: what rounding is relative to."""
    layer = stack.layers[k]
    return matmul(h, layer.weight.abs().mT, runs) + layer.bias[network].abs()
