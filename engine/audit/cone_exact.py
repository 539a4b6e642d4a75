"""Cones without rounding (sections 12 and 14)."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial

import numpy as np

from engine.audit.bounds import LARGEST, Numbers
from engine.audit.cone import Cone, Folded
from engine.audit.curves.curve import Curve
from engine.audit.curves.values import above, below
from engine.audit.data import Floats, Integers, Network, Truths
from engine.audit.dyadic import Dyadic
from engine.audit.exact import Exact, ExactLayer
from engine.audit.failures import demand

HALF = Dyadic(1, 1)
BITS = 40  # of a curve's value


class ExactCone(Exact):
    """Bounds of a cone in exact arithmetic, of the case that it has entered."""

    def __init__(self, cone: Cone) -> None:
        super().__init__(cone, "real")
        self._radii: list[Dyadic] = []

    def enter(self, folded: Sequence[Folded]) -> None:
        """From here on, bounds are those of the case with these b_k."""
        self.layers = tuple(
            layer._replace(bias=own.bias) for layer, own in zip(self.layers, folded, strict=True)
        )
        self._radii = [own.radius for own in folded]

    def noise(self, size: Numbers, k: int) -> Numbers:
        return super().noise(size, k) + self._radii[k]


class ExactCones:
    """The cones of a network, and what does not change in them, case by case."""

    at_once = 1

    def __init__(self, network: Network) -> None:
        self._layers = [
            ExactLayer(Dyadic.of(layer.weight), Dyadic.of(layer.bias)) for layer in network.layers
        ]
        self._relus = [(layer.has_relu, layer.curve) for layer in network.layers]
        self._unit = Dyadic(int(network.rounded), 53)  # N(1)
        self._rounded = network.rounded

    def bounds(self, cone: Cone) -> ExactCone:
        """Bounds in this cone."""
        return ExactCone(cone)

    def fold(self, cone: Cone, lower: Floats, upper: Floats) -> Iterator[list[Folded]]:
        """The b_k of cases with these roots [cases, inputs], one case after the other.

        Rejected where a number may reach 2^100.
        """
        for low, high in zip(lower, upper, strict=True):
            yield list(self._folded(cone, Dyadic.of(low), Dyadic.of(high)))

    def _folded(self, cone: Cone, low: Dyadic, high: Dyadic) -> Iterator[Folded]:
        """Of each layer, those of the case whose root's ends are these."""
        demand(_are_small(low, high), "an input may reach 2^100")
        before = cone.free
        for k, (layer, bent) in enumerate(zip(self._layers, self._relus, strict=True)):
            low, high = _without(low, before), _without(high, before)
            before = cone.reached[k]
            center, radius = self._value(layer, low, high)
            low, high = center - radius, center + radius
            demand(_are_small(low, high), f"numbers of layer {k + 1} may reach 2^100")
            yield Folded(center[before], radius[before])
            low, high = _bent(_without(low, before), _without(high, before), *bent)

    def _value(self, layer: ExactLayer, low: Dyadic, high: Dyadic) -> tuple[Dyadic, Dyadic]:
        """(p + q) / 2 and (q - p) / 2 of W h + b, where h is between low and high.

        p and q are widened by N(|W| |h| + |b|), as in section 5.
        """
        middle, radius, widths = low, layer.bias * 0, high - low
        if widths.numbers.any():
            middle, radius = (low + high) * HALF, np.abs(layer.weight) @ (widths * HALF)
        if self._rounded:
            sizes = np.maximum(np.abs(low), np.abs(high))
            radius = radius + self._unit * (np.abs(layer.weight) @ sizes + np.abs(layer.bias))
        return layer.weight @ middle + layer.bias, radius


def _are_small(low: Dyadic, high: Dyadic) -> bool:
    """True iff they are below 2^100 in size."""
    sizes = np.maximum(np.abs(low), np.abs(high))
    return bool((sizes < LARGEST).all())


def _without(values: Dyadic, reached: Integers) -> Dyadic:
    """With 0 in place of what is reached."""
    numbers = values.numbers.copy()
    numbers[reached] = 0
    return Dyadic(numbers, values.bits)


def _bent(low: Dyadic, high: Dyadic, there: Truths, curve: Curve | None) -> tuple[Dyadic, Dyadic]:
    """The ends of h where z is between these: with a ReLU or a curve there, else the same.

    With a curve they are the multiples of 2^-40 next to f at the ends, below and above.
    """
    if curve is None:
        return _cut(low, there), _cut(high, there)
    below_of, above_of = partial(below, curve, bits=BITS), partial(above, curve, bits=BITS)
    return _curved(low, there, below_of), _curved(high, there, above_of)


def _cut(values: Dyadic, cut: Truths) -> Dyadic:
    """max(value, 0) where there is a ReLU."""
    return Dyadic(np.where(cut, np.maximum(values.numbers, 0), values.numbers), values.bits)


def _curved(values: Dyadic, there: Truths, end: Callable[[Fraction], int]) -> Dyadic:
    """end(value) / 2^40 where there is a curve."""
    own = values.numbers * 0
    for j in np.flatnonzero(there):
        own[j] = end(Fraction(values.numbers[j], 1 << values.bits))
    h: Dyadic = values * ~there + Dyadic(own, BITS)
    return h
