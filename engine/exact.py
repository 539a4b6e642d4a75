"""Networks in exact rational arithmetic, and the float32 numbers inside exact intervals."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from engine.deadline import NEVER, Deadline
from engine.errors import InputError
from engine.network import Affine, Network
from engine.property import Vector


LARGEST = np.finfo(np.float32).max
WEIGHTS = 1 << 16  # that are integers at a time: a network of millions takes minutes, and much memory


def evaluate(network: Network, point: Sequence[Fraction | float], deadline: Deadline = NEVER) -> Vector:
    """The network's outputs at a point, exactly: real arithmetic on the weights as they are.

    Numbers are integers over one denominator for the whole vector; weights are integers over a power of
    two for some neurons, so that no fraction is ever reduced on the way. OutOfTime soon after the deadline.
    """
    x = [_fraction(value) for value in point]
    if len(x) != network.n_inputs:
        what = f"the point has {len(x)} numbers for {network.n_inputs} inputs"
        raise InputError(what, advice="give one number for each input")
    denominator = lcm(*(value.denominator for value in x))
    h = np.array([value.numerator * (denominator // value.denominator) for value in x], dtype=object)
    for layer in network.layers:
        parts = []
        for some in _some_neurons(layer):
            deadline.check()
            numbers, bits = scaled_integers(np.column_stack([layer.weight[some], layer.bias[some]]))
            parts.append((numbers[:, :-1] @ h + numbers[:, -1] * denominator, bits))
        most = max(bits for _, bits in parts)
        h = np.concatenate([part << (most - bits) for part, bits in parts])
        h = np.maximum(h, 0) if layer.relu else h
        denominator <<= most
    return tuple(Fraction(value, denominator) for value in h)


def _some_neurons(layer: Affine) -> list[slice]:
    size = max(1, WEIGHTS // (layer.weight.shape[1] + 1))
    return [slice(i, i + size) for i in range(0, len(layer.bias), size)]


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


def float32_inside(lower: Sequence[Fraction], upper: Sequence[Fraction],
                   deadline: Deadline = NEVER) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): the least float32 >= lower and the greatest <= upper, exactly, for each coordinate.

    Where an interval holds no finite float32 number, low > high there: np.flatnonzero(low > high)
    names such coordinates.
    """
    low, high = [], []
    for a, b in zip(lower, upper, strict=True):
        deadline.check()
        low.append(_least_float32(_fraction(a)))
        high.append(-_least_float32(-_fraction(b)))
    return np.array(low, dtype=np.float32) + 0, np.array(high, dtype=np.float32) + 0  # + 0: no -0.0


def _least_float32(value: Fraction) -> np.float32:
    """The least finite float32 >= value, or infinity."""
    numerator, denominator = value.numerator, value.denominator  # integers are compared soonest
    if numerator > int(LARGEST) * denominator:
        return np.float32(np.inf)
    if numerator < -int(LARGEST) * denominator:
        return -LARGEST
    # Rounding twice is monotone, so the result is one of value's two float32 neighbours.
    nearest = np.float32(numerator / denominator)
    above, scale = float(nearest).as_integer_ratio()
    return nearest if above * denominator >= numerator * scale else np.nextafter(nearest, np.float32(np.inf))


def _fraction(value: Fraction | float) -> Fraction:
    """An integer, float, numpy float, Fraction or Decimal, exactly."""
    if isinstance(value, Fraction):
        return value
    try:
        return Fraction(*value.as_integer_ratio())
    except (ValueError, OverflowError):
        raise InputError(f"{value} is no exact number", advice="use finite numbers") from None
