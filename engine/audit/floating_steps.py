"""Rows through the weights of a layer in float64 (section 6, step 2), by how these are held."""

from typing import Protocol

import numpy as np

from engine.audit.data import Floats, Integers, Layer
from engine.audit.sparse import Sparse

MOST_FULL = 2**20  # numbers of a Sparse that is written out, as products are faster then


class Step(Protocol):
    """A layer z = W h + b, for rows (B, r) [.., m, neurons + 1], the last for a row's constant."""

    def enter(self, bias: Floats) -> None:
        """From here on, this is b."""

    def rows(self, neurons: Integers) -> Floats:
        """(W, b) at these neurons: their z as rows over h."""

    def through(self, rows: Floats) -> Floats:
        """(B W, B . b + r): rows over z -> rows over h."""


class FullStep:
    """A Step by the matrix [[W, b], [0, 1]]."""

    def __init__(self, weight: Floats, bias: Floats) -> None:
        end = [np.zeros((1, weight.shape[1])), np.ones((1, 1))]
        self._matrix = np.block([[weight, bias[:, None]], end])

    def enter(self, bias: Floats) -> None:
        """As Step: b is this from here on."""
        self._matrix[:-1, -1] = bias

    def rows(self, neurons: Integers) -> Floats:
        """As Step: (W, b) at these neurons."""
        found: Floats = self._matrix[neurons]
        return found

    def through(self, rows: Floats) -> Floats:
        """As Step: (B W, B . b + r)."""
        found: Floats = rows @ self._matrix
        return found


class SparseStep:
    """A Step whose W is Sparse."""

    def __init__(self, weight: Sparse, bias: Floats) -> None:
        self._weight, self._bias = weight, bias

    def enter(self, bias: Floats) -> None:
        """As Step: b is this from here on."""
        self._bias = bias

    def rows(self, neurons: Integers) -> Floats:
        """As Step: (W, b) at these neurons."""
        return np.column_stack([np.asarray(self._weight[neurons]), self._bias[neurons]])

    def through(self, rows: Floats) -> Floats:
        """As Step: (B W, B . b + r)."""
        coefficients = rows[..., :-1]
        constant = np.vecdot(coefficients, self._bias) + rows[..., -1]
        return np.concatenate([coefficients @ self._weight, constant[..., None]], axis=-1)


def written_out(layer: Layer) -> Layer:
    """The same layer. A small Sparse is an array then."""
    weight = layer.weight
    if isinstance(weight, Sparse) and weight.shape[0] * weight.shape[1] > MOST_FULL:
        return layer
    return layer._replace(weight=np.ascontiguousarray(weight))


def step_of(layer: Layer) -> Step:
    """The step through a layer's weights."""
    weight = layer.weight
    if isinstance(weight, Sparse):
        return SparseStep(weight, layer.bias)
    return FullStep(weight, layer.bias)
