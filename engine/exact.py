"""Networks in exact rational arithmetic, and the float32 numbers inside exact intervals."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from engine.errors import InputError
from engine.network import Network
from engine.property import Vector


def evaluate(network: Network, point: Sequence[Fraction | float]) -> Vector:
    """The network's outputs at a point, exactly: real arithmetic on the weights as they are.

    Where the network is rounded, its outputs are not these, but within `radii` of them. Numbers are integers over one
    denominator for the whole vector; weights are integers over a power of two for each layer, so that no fraction is
    ever reduced on the way.
    """
    x = [_fraction(value) for value in point]
    if len(x) != network.n_inputs:
        what = f"the point has {len(x)} numbers for {network.n_inputs} inputs"
        raise InputError(what, advice="give one number for each input")
    denominator = lcm(*(value.denominator for value in x))
    h = np.array([value.numerator * (denominator // value.denominator) for value in x], dtype=object)
    for layer in network.layers:
        numbers, bits = scaled_integers(np.column_stack([layer.weight, layer.bias]))
        h = numbers[:, :-1] @ h + numbers[:, -1] * denominator
        h = np.maximum(h, 0) if layer.relu else h
        denominator <<= bits
    return tuple(Fraction(value, denominator) for value in h)


def radii(network: Network, point: Sequence[Fraction | float]) -> Vector:
    """How far the network's outputs at a point may be from what `evaluate` gives: 0 unless it is rounded.

    With |W' - W| <= 2^-53 |W|, |b' - b| <= 2^-53 |b| and h' within r of h, W' h' + b' is within
    |W| r + 2^-53 (|W| (|h| + r) + |b|) of W h + b. That the maximum with 0 brings no two numbers further apart does
    the rest. The rule is applied to all layers of a rounded network.
    """
    if not network.rounded:
        return (Fraction(0),) * network.n_outputs
    h, r = np.array([_fraction(value) for value in point], dtype=object), np.array(Fraction(0))
    for layer in network.layers:
        weight, bias = (np.vectorize(Fraction, otypes=[object])(part) for part in (layer.weight, layer.bias))
        spread = np.abs(weight) @ (r + 0 * h)
        r = spread + (np.abs(weight) @ np.abs(h) + spread + np.abs(bias)) / 2**53
        h = weight @ h + bias
        h = np.maximum(h, 0) if layer.relu else h
    return tuple(r)


def scaled_integers(values: np.ndarray) -> tuple[np.ndarray, int]:
    """(numbers, bits) with values == numbers / 2**bits exactly: Python integers, bits >= 0 and least."""
    mantissas, exponents = np.frexp(np.asarray(values, dtype=np.float64))
    if not np.isfinite(mantissas).all():
        raise InputError("NaN and infinity are no exact numbers", advice="use finite weights")
    odd = np.ldexp(mantissas, 53).astype(np.int64)
    zeros = np.frexp(odd & -odd)[1] - 1  # trailing zero bits; meaningless where the value is 0
    odd >>= np.maximum(zeros, 0)
    places = np.where(odd == 0, 0, exponents - 53 + zeros)
    bits = max(0, -int(places.min(initial=0)))
    return odd.astype(object) << (places + bits).astype(object), bits


def float32_inside(lower: Sequence[Fraction], upper: Sequence[Fraction]) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): the least float32 >= lower and the greatest <= upper, exactly, for each coordinate.

    Where an interval holds no finite float32 number, low > high there: np.flatnonzero(low > high)
    names such coordinates.
    """
    low = [_least_float32(_fraction(value)) for value in lower]
    high = [-_least_float32(-_fraction(value)) for value in upper]
    return np.array(low, dtype=np.float32) + 0, np.array(high, dtype=np.float32) + 0  # + 0: no -0.0


def _least_float32(value: Fraction) -> np.float32:
    """The least finite float32 >= value, or infinity."""
    largest = np.finfo(np.float32).max
    if value > Fraction(float(largest)):
        return np.float32(np.inf)
    if value < -Fraction(float(largest)):
        return -largest
    # Rounding twice is monotone, so the result is one of value's two float32 neighbours.
    nearest = np.float32(float(value))
    return nearest if Fraction(float(nearest)) >= value else np.nextafter(nearest, np.float32(np.inf))


def _fraction(value: Fraction | float) -> Fraction:
    """An integer, float, numpy float, Fraction or Decimal, exactly."""
    try:
        return Fraction(*value.as_integer_ratio())
    except (ValueError, OverflowError):
        raise InputError(f"{value} is no exact number", advice="use finite numbers") from None
