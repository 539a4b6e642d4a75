"""Sigmoid and Tanh: exact tables, rigorous enclosures, and their values in floating point.

Both are one function, s(x) = 1 / (1 + e^-x): with k = SCALE[curve], f(z) = k s(k z) - (k - 1). So f'(z) = k^2 s'(k z),
which is at most k^2 / 4, and f(z) + f(-z) = 2 - k.
"""

from typing import Literal

import numpy as np

Curve = Literal["sigmoid", "tanh"]
#: the curve of a layer; "" where it has none
MaybeCurve = Literal["", "sigmoid", "tanh"]

SCALE: dict[Curve, int] = {"sigmoid": 1, "tanh": 2}


def value(curve: Curve, z: np.ndarray) -> np.ndarray:
    """f(z) in float64, as far as libm is right: for points and pictures, never for a bound."""
    k = SCALE[curve]
    found: np.ndarray = np.tanh(np.asarray(z, np.float64) * (k / 2)) * (k / 2) + (1 - k / 2)
    return found


def derivative(curve: Curve, z: np.ndarray) -> np.ndarray:
    """f'(z) in float64, likewise."""
    k = SCALE[curve]
    found: np.ndarray = (1 - np.tanh(np.asarray(z, np.float64) * (k / 2)) ** 2) * (k * k / 4)
    return found
