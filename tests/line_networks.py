"""Networks of one input, analysed exactly: between neighbouring breakpoints all neurons and outputs are affine.

What it says of pairs of networks shares nothing with the engine but the weights.
"""

from fractions import Fraction
from itertools import pairwise

import numpy as np

from engine.network import Network

Values = tuple[Fraction, ...]


def trace(network: Network, x: Fraction) -> tuple[list[Values], Values]:
    """The inputs of all ReLUs, layer by layer, and the outputs, at a point."""
    h, hidden = (x,), []
    for layer in network.layers:
        rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        h = tuple(sum((Fraction(w) * v for w, v in zip(row, h)), Fraction(b)) for row, b in rows)
        if layer.relu:
            hidden.append(h)
            h = tuple(max(v, Fraction(0)) for v in h)
    return hidden, h


def breakpoints(networks: list[Network], low: Fraction, high: Fraction) -> list[Fraction]:
    """The ends and all points where a neuron of a network changes its sign, ascending."""
    found = {low, high}
    for network in networks:
        for k in range(sum(layer.relu for layer in network.layers)):
            ends = sorted(found)
            values = [trace(network, x)[0][k] for x in ends]
            for (a, b), (u, v) in zip(pairwise(ends), pairwise(values)):
                found |= {a + (b - a) * p / (p - q) for p, q in zip(u, v) if p * q < 0}
    return sorted(found)


def largest_difference(f: Network, g: Network, low: Fraction, high: Fraction) -> Fraction:
    """The largest difference of two outputs on [low, high]."""
    points = breakpoints([f, g], low, high)
    return max(abs(b - a) for x in points for a, b in zip(trace(f, x)[1], trace(g, x)[1]))


def largest_fall(f: Network, output: int, low: Fraction, high: Fraction) -> Fraction:
    """The most that an output falls from one input to a larger one."""
    values = [trace(f, x)[1][output] for x in breakpoints([f], low, high)]
    return max(a - b for i, a in enumerate(values) for b in values[i:])


def critical_gap(f: Network, g: Network, low: Fraction, high: Fraction) -> Fraction:
    """The largest distance of f's two lowest outputs where g's lowest output is another; -1 where it never is."""
    best = Fraction(-1)
    for a, b in pairwise(breakpoints([f, g], low, high)):
        for x in _crossings(f, g, a, b):
            y, v = trace(f, x)[1], trace(g, x)[1]
            i = min(range(len(y)), key=y.__getitem__)
            if any(v[j] < v[i] for j in range(len(v))):
                best = max(best, sorted(y)[1] - y[i])
            elif any(v[j] == v[i] for j in range(len(v)) if j != i):  # the end of such an interval: a supremum
                best = max(best, sorted(y)[1] - y[i]) if _other_beside(f, g, x, a, b) else best
    return best


def _crossings(f: Network, g: Network, a: Fraction, b: Fraction) -> list[Fraction]:
    """The ends of a piece, and where two outputs of one network cross in it."""
    found = {a, b}
    for network in (f, g):
        u, v = trace(network, a)[1], trace(network, b)[1]
        gaps = [(u[i] - u[j], v[i] - v[j]) for i in range(len(u)) for j in range(i)]
        found |= {a + (b - a) * p / (p - q) for p, q in gaps if p * q < 0}
    return sorted(found)


def _other_beside(f: Network, g: Network, x: Fraction, a: Fraction, b: Fraction) -> bool:
    """True where decisions differ just beside x in the piece [a, b]."""
    step = (b - a) / 10**9
    for near in (x - step, x + step):
        if a <= near <= b:
            y, v = trace(f, near)[1], trace(g, near)[1]
            if int(np.argmin(y)) != int(np.argmin(v)):
                return True
    return False
