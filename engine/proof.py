"""Proofs as data: searches make them, and certificates are written of them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Boxes that cover a property's cases, with an exclusion of each unsafe polytope on each.

    The arrays are those of docs/certificate-format.md, section 4, which explains them: the tree in
    level order, then the exclusions by (node, polytope) with their rows, slopes and multipliers. of_cone: True where
    they hold of what the free inputs reach (section 12), and need not hold with bounds of the whole network.
    """

    split: np.ndarray
    cut: np.ndarray
    node: np.ndarray
    polytope: np.ndarray
    rows: np.ndarray
    slopes: np.ndarray
    multipliers: np.ndarray
    row: np.ndarray
    row_weight: np.ndarray
    slope: np.ndarray
    slope_value: np.ndarray
    multiplier: np.ndarray
    multiplier_value: np.ndarray
    of_cone: bool = False

    @classmethod
    def of_nothing(cls) -> "Proof":
        """The proof of one case without unsafe polytopes: a leaf, and nothing to be excluded."""
        ends, none = np.full(1, -1, np.int32), np.zeros(0, np.int32)
        arrays = dict.fromkeys(ARRAYS, none) | dict.fromkeys(("cut", "multiplier_value"), np.zeros(0))
        return cls(**arrays | {"split": ends}, of_cone=False)


#: the names of the arrays, in order
ARRAYS = tuple(name for name in Proof.__slots__ if name != "of_cone")
