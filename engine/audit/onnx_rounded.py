"""Factors of layers that may be no float64 numbers: 1 / c, and scale / sqrt(variance + epsilon).

Section 3 of the format takes the nearest float64 number for each; the network is *rounded* then.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from engine.audit.data import Floats
from engine.audit.failures import need
from engine.audit.onnx_chain import Chain

LEAST_FACTOR = 2.0**-1022  # from here on, the nearest number is within 2^-53 of it, relatively


def nearest_quotients(chain: Chain, divisors: Iterable[float]) -> Floats:
    """The float64 numbers nearest to 1 / divisor; none is 0."""
    found = []
    for divisor in divisors:
        exact = 1 / Fraction(float(divisor))
        nearest = float(exact)
        found.append(_checked(chain, nearest, Fraction(nearest) == exact))
    return np.array(found)


def nearest_roots(chain: Chain, squares: Iterable[tuple[float, Fraction]]) -> Floats:
    """The float64 numbers nearest to the square's root, with the sign of the number beside it."""
    found = []
    for signed, square in squares:
        nearest = math.copysign(_nearest_root(square), signed)
        found.append(_checked(chain, nearest, Fraction(nearest) ** 2 == square))
    return np.array(found)


def _checked(chain: Chain, factor: float, is_exact: bool) -> float:
    """The factor, which is large enough; the network is rounded where it is not exact."""
    need(is_exact or LEAST_FACTOR <= abs(factor), "a factor is too small for float64")
    chain.rounded |= not is_exact
    return factor


def _nearest_root(square: Fraction) -> float:
    """The float64 number nearest to the root.

    It is found near it, and compared with what lies half-way to its neighbours.
    """
    scale = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    near = math.ldexp(math.sqrt(square / Fraction(4) ** scale), scale)
    while (below := math.nextafter(near, 0)) < near and _middle(below, near) ** 2 > square:
        near = below
    while _middle(near, above := math.nextafter(near, math.inf)) ** 2 < square:
        near = above
    return near


def _middle(one: float, other: float) -> Fraction:
    return (Fraction(one) + Fraction(other)) / 2
