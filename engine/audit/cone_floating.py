"""Cones in float64 (sections 8, 12 and 14).

**Radii.** Let u = 2^-53, n the width of the network, and v = 4 (n + 8) u. What is not reached has
one value h, which is known as m with |h - m| <= r: of an input between its ends a, b, m is (a + b)
/ 2, rounded, and r = b - a. A neuron's sum over what is not reached, W h + b, is then computed as
c = W m + b. The two differ by at most

    |W| r                           as h is within r of m
    (n + 1) u (|W| |m| + |b|)       as a sum of n + 1 products errs, in any order, second orders
                                    apart
    u (|W| (|m| + r) + |b|)         as weights and biases may be only nearest to a network's own

which is below R = (1 + 2u) |W| r + v / 2 (|W| |m| + |b|). What is computed for it is (|W| (r + v
|m|) + v |b|) (1 + v): all of its terms are >= 0, so it errs by a factor of at least 1 - (n + 6) u,
for which 1 + v makes up. Products that underflow are off by n 2^-1074 together, far less than the
2^-900 that is added. A ReLU brings h and m no farther apart; where c + r <= 0, h = 0. A curve f
brings them apart by at most f'(0) r, and by at most 2, and m is `near` of f(c), within 2^-51: of
the 2^-50 that is added instead, the other half makes up for the rounding of that sum, below 4.

**Bounds.** So a cone's z_k is within R of W_k h_{k-1} + c, over what is reached. In the analysis of
arithmetic.py, c is b_k, and s and N(M) have rho beside U M. That adds rho_j to M_j + t_j in each
w_k: its terms then err by at most U / 8 times (|A_j| + m_j) rho_j more. rho is 2 R, that is, |A_j|
R + m_j R more than is needed are given up, and U <= 2^-10: they make up for that.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from engine.audit.arithmetic import UNDERFLOW, Floating
from engine.audit.bounds import LARGEST, Numbers
from engine.audit.cone import Cone, Folded
from engine.audit.curves.values import ERROR, near
from engine.audit.data import Floats, Layer, Network
from engine.audit.failures import demand


class FloatingCone(Floating):
    """Bounds of a cone in float64, of the case that it has entered."""

    def __init__(self, cone: Cone) -> None:
        super().__init__(cone, "real")
        self._radii: list[Floats] = []

    def enter(self, folded: Sequence[Folded]) -> None:
        """From here on, bounds are those of the case with these b_k. Nothing else is copied."""
        self.layers = tuple(
            layer._replace(bias=own.bias) for layer, own in zip(self.layers, folded, strict=True)
        )
        self._radii = [own.radius for own in folded]
        for step, own in zip(self.steps, folded, strict=True):
            step.enter(own.bias)

    def noise(self, size: Numbers, k: int) -> Numbers:
        return super().noise(size, k) + self._radii[k]


class FloatingCones:
    """The cones of a network, and what does not change in them, case by case."""

    at_once = 2**20  # numbers of inputs or neurons that are folded at once

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sizes = [np.abs(layer.weight.T) for layer in network.layers]
        self._v = 4 * (network.width + 8) * 2.0**-53

    def bounds(self, cone: Cone) -> FloatingCone:
        """Bounds in this cone."""
        return FloatingCone(cone)

    def fold(self, cone: Cone, lower: Floats, upper: Floats) -> Iterator[list[Folded]]:
        """The b_k of cases with these roots [cases, inputs], one case after the other.

        Rejected where a number may reach 2^100.
        """
        layers = list(self._folded(cone, lower, upper))
        for case in range(len(lower)):
            yield [Folded(biases[case], radii[case]) for biases, radii in layers]

    def _folded(self, cone: Cone, lower: Floats, upper: Floats) -> Iterator[Folded]:
        """Of each layer, those of all cases [cases, reached]."""
        middle, radius = (lower + upper) / 2, upper - lower
        small = (np.maximum(np.abs(lower), np.abs(upper)) < LARGEST).all()
        demand(small, "an input may reach 2^100")
        before, v = cone.free, self._v
        for k, layer in enumerate(self._network.layers):
            middle[:, before] = radius[:, before] = 0
            before = cone.reached[k]
            center = middle @ layer.weight.T + layer.bias
            spread = (radius + v * np.abs(middle)) @ self._sizes[k] + v * np.abs(layer.bias)
            radius = spread * (1 + v) + UNDERFLOW
            small = (np.abs(center) + radius < LARGEST).all()
            demand(small, f"numbers of layer {k + 1} may reach 2^100")
            yield Folded(center[:, before], 2 * radius[:, before])
            middle, radius = _bent(layer, center, radius)


def _bent(layer: Layer, center: Floats, radius: Floats) -> tuple[Floats, Floats]:
    """m and r of what a layer gives, where its z is within these radii of these centers."""
    there = layer.has_relu
    if layer.curve:
        middle = np.where(there, near(layer.curve, center), center)
        most = np.minimum(layer.curve.steepest * radius, 2) + 2 * ERROR
        return middle, np.where(there, most, radius)
    is_zero = center + radius <= 0
    middle = np.where(there, np.maximum(center, 0), center)
    return middle, np.where(there & is_zero, 0, radius)
