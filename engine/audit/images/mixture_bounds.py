"""Bounds over a few inputs, from the inputs on (section 15, "Bounds"), in both arithmetics.

Lines are those of mixture_lines.py.

**Floating point.** Let u = 2^-53, n and L be those of section 15, and U that of section 8. In each
step a line, on the box, is off by what rounding changes in its numbers, times the sizes of what
they are multiplied with. U times that size and 2^-900 is more, as U >= 8 (n + 8) (L + 4) u:

    z_k     (low + up) / 2 and (up - low) / 2 are off by u (|low| + |up|) <= 2 u H; products of n
            terms and their sum by (n + 2) u M; numbers of W and b that are only the nearest ones by
            u M; and M itself by (n + m + 5) u M: in all less than (2n + 15) u M < U M
    p, q    sums of 2m + 1 terms: (2m + 2) u |line|, m <= 3
    chord   c line + t: one rounding of each coefficient, and three of the constant, which is at
            most |line| + |t|, where |t| <= 2 |line|: 9 u |line|
    rows    A W and A b are sums of n products: (n + 2) u (|A| M + |r|); then as z_k and p

What underflows is off by far less than 2^-900, as sizes stay below 2^100; larger ones show nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from engine.audit.bounds import LARGEST, LARGEST_UNIT, Exclusions, Numbers
from engine.audit.data import Floats, Layer, Network, Objects, Singles, Truths
from engine.audit.dyadic import Dyadic
from engine.audit.failures import demand
from engine.audit.images.mixture_cases import Equations, MixtureCase
from engine.audit.images.mixture_lines import (
    Box,
    Lines,
    Noise,
    ends,
    larger,
    plus,
    size,
    wider,
)
from engine.audit.nodes import Nodes

UNDERFLOW = 2.0**-900
STEPS = 1024  # slopes of chords are multiples of 1 / STEPS
KNOWN = 256  # cases whose equations are kept


class Weights(NamedTuple):
    """Of a layer: W, W and |W| transposed, b, and which neurons have a ReLU."""

    weight: Numbers
    turned: Numbers
    sizes: Numbers
    bias: Numbers
    has_relu: Truths


class Forward(ABC):
    """Bounds of one network behind the equations of cases, of which each root has its own.

    It has what a Proof asks of bounds; no neuron can be split.
    """

    hidden = columns = 0

    def __init__(self, network: Network, cases: Sequence[MixtureCase]) -> None:
        curved = any(layer.curve for layer in network.layers)
        demand(not curved, "a certificate of version 6 is about no network with a Sigmoid or Tanh")
        self._rounded, self._half = network.rounded, self.of(np.array(0.5))
        self._layers = [self._weights(layer) for layer in network.layers]
        self._cases, self._equations = cases, lru_cache(KNOWN)(self._equations_of)
        depth, width = len(network.layers) + 1, network.width
        #: U of section 8
        self.unit = 8 * (depth + 4) * (width + 8) * 2.0**-53
        small = self.unit <= LARGEST_UNIT
        demand(small, f"layers of width {width} are beyond the analysis of rounding")

    def _equations_of(self, number: int) -> Equations:
        """Those of the case of this number."""
        return self._cases[number].equations()

    def _weights(self, layer: Layer) -> Weights:
        turned = self.of(layer.weight.T)
        weight = self.of(layer.weight)
        return Weights(weight, turned, np.abs(turned), self.of(layer.bias), layer.has_relu)

    # --- what a Proof asks ------------------------------------------------------------------------

    def root(self, lower: Floats, upper: Floats) -> Singles:
        """No neuron has bounds that are kept. Rejected where an end is not below 2^100."""
        small = (np.maximum(np.abs(lower), np.abs(upper)) < LARGEST).all()
        demand(small, "an end of a root may reach 2^100")
        return np.zeros((2, 0), np.float32)

    def tighten(self, nodes: Nodes) -> None:
        """Only nodes of exclusions are bounded, each by itself: there is nothing to do before."""
        return

    def margins(self, nodes: Nodes, lines: None, claimed: Exclusions) -> Floats | Objects:
        """Section 15, "An exclusion": the least value of its row at its node, or less."""
        found: list[Fraction | float] = [0.0] * len(claimed.node)
        outputs = len(self._layers[-1].has_relu)
        for place in np.unique(claimed.node):
            box = self._box(nodes.lower[place], nodes.upper[place])
            equations = self._equations(int(nodes.case[place]))
            noise = self.noise(rounded=self._rounded or not equations.exact)
            last = self._last(equations, box, noise)
            for i in np.flatnonzero(claimed.node == place):
                given = self.of_row(claimed.rows[i, : outputs + 1])
                found[i] = self.single(self._least(given, last, box, noise))
        return np.array(found)

    # --- lines ------------------------------------------------------------------------------------

    def _box(self, lower: Floats, upper: Floats) -> Box:
        size = np.maximum(np.abs(lower), np.abs(upper))
        return Box(self.of(lower), self.of(upper), self.of(size))

    def _last(self, equations: Equations, box: Box, noise: Noise) -> Lines:
        """The lines of what the rows of exclusions are made of: h_{L-1}, or h_L with ReLUs."""
        x = self.of(np.vstack([equations.weight.T, equations.bias]))
        lines = wider(Lines(x, x), noise.of(size(x, box)))
        layers = self._layers if self._layers[-1].has_relu.any() else self._layers[:-1]
        for layer in layers:
            z = self._through(layer, lines, box, noise)
            lines = self._rectified(z, layer.has_relu, box, noise)
        return lines

    def _through(self, layer: Weights, lines: Lines, box: Box, noise: Noise) -> Lines:
        """Those of z = W h + b."""
        middle = (lines.low + lines.up) * self._half @ layer.turned
        radius = (lines.up - lines.low) * self._half @ layer.sizes
        z = Lines(plus(middle - radius, layer.bias), plus(middle + radius, layer.bias))
        return wider(z, noise.of(self._sizes(layer, lines, box)))

    def _sizes(self, layer: Weights, lines: Lines, box: Box) -> Numbers:
        """M of the layer."""
        found = (larger(lines, box)[None] @ layer.sizes)[0] + np.abs(layer.bias)
        demand((found < LARGEST).all(), "numbers of a layer may reach 2^100")
        return found

    def _rectified(self, lines: Lines, has_relu: Truths, box: Box, noise: Noise) -> Lines:
        """Those of h, where some of z have a ReLU."""
        if not has_relu.any():
            return lines
        least, most = ends(lines.low, box, noise)
        keep = (-(least + most) < 0) | ~has_relu
        least, most = ends(lines.up, box, noise)
        is_open = (least < 0) & (-most < 0) & has_relu
        c = np.where((-most < 0) | ~has_relu, self._chord(least, most, is_open), 0)
        t = np.maximum(-least * c, most * (1 - c)) + noise.loss(size(lines.up, box))
        return Lines(lines.low * keep, plus(lines.up * c, t * is_open))

    def _chord(self, least: Numbers, most: Numbers, is_open: Truths) -> Floats:
        """A chord's slope, to the nearest multiple of 1 / STEPS, if least < 0 < most; else 1."""
        top, bottom = self.floats(most), self.floats(most - least)
        share = np.divide(top, bottom, out=np.ones(len(top)), where=is_open & (bottom > 0))
        rounded: Floats = np.rint(share * STEPS) / STEPS
        return rounded

    def _least(self, given: Numbers, last: Lines, box: Box, noise: Noise) -> Numbers:
        """The least value of a row of outputs, and constant, on the box."""
        weights, constant, layer = given[:-1], given[-1:], self._layers[-1]
        sizes = larger(last, box)
        if not layer.has_relu.any():
            sizes = self._sizes(layer, last, box)
        whole = np.abs(weights) @ sizes + np.abs(constant)
        if not layer.has_relu.any():
            constant = constant + weights @ layer.bias
            weights = (weights[None] @ layer.weight)[0]
        line = last.low @ np.maximum(weights, 0) + last.up @ np.minimum(weights, 0)
        least, _ = ends(plus(line[:, None], constant), box, noise)
        return least - noise.of(whole) - noise.loss(whole)

    # --- arithmetic -------------------------------------------------------------------------------

    @abstractmethod
    def of(self, values: Numbers) -> Numbers:
        """Floating-point numbers as those of this arithmetic."""

    @abstractmethod
    def of_row(self, row: Objects) -> Numbers:
        """Integers in 1024ths as numbers of this arithmetic."""

    @abstractmethod
    def floats(self, values: Numbers) -> Floats:
        """The nearest float64 numbers, about."""

    @abstractmethod
    def single(self, value: Numbers) -> Fraction | float:
        """The number in an array of one; where it is none, one that shows nothing."""

    @abstractmethod
    def noise(self, *, rounded: bool) -> Noise:
        """What is given up in a network that is rounded, or not."""


class FloatingForward(Forward):
    """In float64, with all that rounding can change."""

    def of(self, values: Numbers) -> Numbers:
        """As Forward has it."""
        return values

    def of_row(self, row: Objects) -> Numbers:
        """As Forward has it."""
        return row.astype(np.float64) / STEPS

    def floats(self, values: Numbers) -> Floats:
        """As Forward has it."""
        found: Floats = values
        return found

    def single(self, value: Numbers) -> float:
        """As Forward has it."""
        (found,) = value
        return float(found) if np.isfinite(found) else -np.inf

    def noise(self, *, rounded: bool) -> Noise:
        return Noise(self.unit, self.unit, UNDERFLOW)


class ExactForward(Forward):
    """Without rounding."""

    def of(self, values: Numbers) -> Numbers:
        """As Forward has it."""
        return Dyadic.of(values)

    def of_row(self, row: Objects) -> Numbers:
        """As Forward has it."""
        return Dyadic([int(value) for value in row], 10)

    def floats(self, values: Numbers) -> Floats:
        """As Forward has it."""
        limit = 1 << values.bits + 200
        found: Floats = (np.clip(values.numbers, -limit, limit) / (1 << values.bits)).astype(float)
        return found

    def single(self, value: Numbers) -> Fraction:
        """As Forward has it."""
        (number,) = value.numbers
        return Fraction(int(number), 1 << value.bits)

    def noise(self, *, rounded: bool) -> Noise:
        return Noise(Dyadic(int(rounded), 53), Dyadic(0, 0), Dyadic(0, 0))


ARITHMETIC: dict[str, type[Forward]] = {"float64": FloatingForward, "exact": ExactForward}
