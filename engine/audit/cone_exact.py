"""Cones without rounding (section 12). Only weights that are not 0 are multiplied."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from engine.audit.bounds import LARGEST, Numbers
from engine.audit.cone import Cone, Folded
from engine.audit.data import Floats, Integers, Layer, Network, Objects, Truths, demand
from engine.audit.dyadic import Dyadic
from engine.audit.exact import Exact

HALF = Dyadic(1, 1)


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


class Sparse(NamedTuple):
    """A layer by its weights that are not 0, in order of columns: their rows, columns and numbers.

    has_relu: True for each neuron with a ReLU.
    """

    row: Integers
    column: Integers
    weight: Dyadic
    bias: Dyadic
    has_relu: Truths

    @classmethod
    def of(cls, layer: Layer) -> "Sparse":
        """The same layer."""
        column, row = np.nonzero(layer.weight.T)
        numbers = Dyadic.of(layer.weight[row, column])
        return cls(row, column, numbers, Dyadic.of(layer.bias), layer.has_relu)

    def times(self, h: Dyadic) -> Dyadic:
        """W h."""
        return self._sums(self.weight.numbers, h)

    def times_size(self, h: Dyadic) -> Dyadic:
        """|W| h."""
        return self._sums(np.abs(self.weight.numbers), h)

    def _sums(self, numbers: Objects, h: Dyadic) -> Dyadic:
        used = np.flatnonzero(h.numbers.astype(bool)[self.column])
        total = np.zeros(len(self.has_relu), dtype=object)
        np.add.at(total, self.row[used], numbers[used] * h.numbers[self.column[used]])
        return Dyadic(total, self.weight.bits + h.bits)


class ExactCones:
    """The cones of a network, and what does not change in them, case by case."""

    at_once = 1

    def __init__(self, network: Network) -> None:
        self._layers = [Sparse.of(layer) for layer in network.layers]
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
        for k, layer in enumerate(self._layers):
            low, high = _without(low, before), _without(high, before)
            before = cone.reached[k]
            center, radius = self._value(layer, low, high)
            low, high = center - radius, center + radius
            demand(_are_small(low, high), f"numbers of layer {k + 1} may reach 2^100")
            yield Folded(center[before], radius[before])
            low, high = _cut(low, layer.has_relu), _cut(high, layer.has_relu)

    def _value(self, layer: Sparse, low: Dyadic, high: Dyadic) -> tuple[Dyadic, Dyadic]:
        """(p + q) / 2 and (q - p) / 2 of W h + b, where h is between low and high.

        p and q are widened by N(|W| |h| + |b|), as in section 5.
        """
        widths = high - low
        radius = layer.times_size(widths * HALF) if widths.numbers.any() else _zeros(layer)
        if self._rounded:
            size = layer.times_size(np.maximum(np.abs(low), np.abs(high))) + np.abs(layer.bias)
            radius = radius + self._unit * size
        middle = (low + high) * HALF if widths.numbers.any() else low
        return layer.times(middle) + layer.bias, radius


def _zeros(layer: Sparse) -> Dyadic:
    return Dyadic(np.zeros(len(layer.has_relu), dtype=object), 0)


def _are_small(low: Dyadic, high: Dyadic) -> bool:
    """True iff they are below 2^100 in size."""
    sizes = np.maximum(np.abs(low), np.abs(high))
    return bool((sizes < LARGEST).all())


def _without(values: Dyadic, reached: Integers) -> Dyadic:
    """With 0 in place of what is reached."""
    numbers = values.numbers.copy()
    numbers[reached] = 0
    return Dyadic(numbers, values.bits)


def _cut(values: Dyadic, cut: Truths) -> Dyadic:
    """max(value, 0) where there is a ReLU."""
    return Dyadic(np.where(cut, np.maximum(values.numbers, 0), values.numbers), values.bits)
