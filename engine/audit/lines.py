"""The numbers of section 5 that both arithmetics share: `down`, a ReLU's values and its lines."""

from typing import Any, TypeVar

import numpy as np

from engine.audit.data import Floats, Singles, Truths

ValuesT = TypeVar("ValuesT", bound=Any)  # Floats, or Dyadic numbers or Fractions likewise


def down(v: Floats) -> Singles:
    """A float32 number <= v, and <= every real number whose nearest float64 is v (section 5)."""
    return (v - 0.75 * np.abs(v) * 2.0**-23 - 2.0**-149).astype(np.float32)


def rectified(z: ValuesT, relu: bool | Truths) -> ValuesT:
    """max(z, 0) where there is a ReLU, else z, exactly in all arithmetics. z is finite."""
    h: ValuesT = z - np.minimum(z, 0) * relu
    return h


def relu_lines(l: Singles, u: Singles, ratio: float = 1) -> tuple[Floats, Floats, Floats]:
    """a, c, t of a ReLU on l <= z <= u (sections 5, the table, 11: ratio 2, and 17).

    They are exact, because l and u hold few bits.
    """
    low, high = np.minimum(l, 0, dtype=np.float64), np.maximum(u, 0, dtype=np.float64)
    c: Floats = np.rint(1024 * (high / np.maximum(high - low, 2.0**-149))) / 1024
    a = (u > -ratio * l.astype(np.float64)).astype(np.float64)
    t: Floats = np.maximum(-c * low, (1 - c) * high)
    return a, c, t
