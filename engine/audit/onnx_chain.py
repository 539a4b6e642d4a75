"""The chain of layers that an ONNX file's nodes make, one node after the other (section 3)."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from engine.audit.data import Array, Floats, Truths, need

MAX_WIDTH = 1 << 15  # numbers that a layer takes or gives
MAX_IDENTITY = 1 << 13  # numbers that a layer changes one by one
MAX_WEIGHTS = 1 << 27  # of all layers together


@dataclass
class Link:
    """A layer that is being made. bias: None where there is none so far.

    is_scale: True iff it is a Mul or Div. relu: as of a Layer.
    """

    weight: Floats
    is_scale: bool
    bias: Floats | None = None
    relu: bool | Truths = False


class Term(NamedTuple):
    """f relu(s x + t) of each element x of the signal; the sign s is 1 or -1."""

    sign: float
    shifts: Floats
    factors: Floats


class Chain:
    """The layers so far.

    rounded: True iff numbers are only the nearest ones; obstacle: the first reason against float32
    semantics; zeros_first: True iff zeros were added to the input.
    """

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.rounded = False
        self.obstacle = ""
        self.zeros_first = False
        self._weights = 0

    def fork(self) -> "Chain":
        """A copy: what is added to one is not added to the other."""
        other = copy(self)
        other.links = [replace(link) for link in self.links]
        return other

    def multiply(self, weight: Floats) -> None:
        """Section 3, MatMul, Gemm, Conv, pools and sums: a new layer with these weights."""
        self._make_room(weight.size)
        self._append(weight)

    def select(self, places: Array, size: int) -> None:
        """Section 3, Gather and its like: a new layer that takes these elements, of so many.

        For a place of -1 its row is zeros.
        """
        self._make_room(places.size * size)
        self._append((places.reshape(-1, 1) == np.arange(size)).astype(np.float64))

    def scale(self, factors: Array) -> None:
        """Section 3, Mul and Div: a new layer, W = diag(factors)."""
        self._make_square(len(factors))
        self._append(np.diag(factors.astype(np.float64)), is_scale=True)

    def shift(self, constant: Array) -> None:
        """Section 3, Add: the b of an open layer; else a layer, or none if all numbers are 0."""
        numbers = constant.astype(np.float64)
        last = self._open()
        if last is None and not numbers.any():
            self.zeros_first |= not self.links
            return
        last = last or self._identity(len(numbers))
        last.bias = numbers

    def bend(self, terms: Sequence[Term], rest: Floats) -> None:
        """Section 3, piecewise linear: the layer of all terms' ReLUs, and the one of their sum.

        rest: what is added to the sum. It is there even if it is all 0, so nothing joins it.
        """
        size = len(rest)
        need(len(terms) * size <= MAX_IDENTITY, "a layer is too wide")
        self._make_room(2 * len(terms) * size**2)
        bent = self._append(np.vstack([term.sign * np.eye(size) for term in terms]))
        bent.bias = np.concatenate([term.shifts for term in terms])
        bent.relu = True
        self._append(np.hstack([np.diag(term.factors) for term in terms])).bias = rest

    def compare(self, weight: Floats, relu: Truths) -> None:
        """Section 3, MaxPool, a round: a layer with b = 0 and a ReLU on some of its neurons."""
        self._make_room(weight.size)
        round_ = self._append(weight)
        round_.bias, round_.relu = np.zeros(len(weight)), relu

    def negate(self, size: int) -> None:
        """Section 3, Neg: the weights of an open layer change sign; else a layer, W = -identity."""
        last = self._open() or self._identity(size)
        last.weight = -last.weight

    def rectify(self, size: int) -> None:
        """Section 3, Relu: the layer before has a ReLU; before any layer one of W = identity."""
        last = self.links[-1] if self.links else self._identity(size)
        last.relu = True

    def close(self, size: int) -> None:
        """Section 3: a network without layers has one, W = identity."""
        if not self.links:
            self._identity(size)

    def refuse_float32(self, holds: object, why: str) -> None:
        """Records, if `holds` is true, that there are no float32 semantics, because of `why`."""
        self.obstacle = self.obstacle or (why if holds else "")

    def _open(self) -> Link | None:
        """The last layer, where nothing but shape operators came after its product."""
        last = self.links[-1] if self.links else None
        return last if last and last.bias is None and not np.any(last.relu) else None

    def _is_bare(self) -> bool:
        """True iff there is a last layer, without a ReLU, whose b is absent or all 0."""
        if not self.links or np.any(self.links[-1].relu):
            return False
        bias = self.links[-1].bias
        return bias is None or not bias.any()

    def _identity(self, size: int) -> Link:
        """A new layer that changes nothing."""
        self._make_square(size)
        return self._append(np.eye(size))

    def _append(self, weight: Floats, *, is_scale: bool = False) -> Link:
        merged = self._is_bare() and (is_scale or self.links[-1].is_scale)
        self.refuse_float32(merged, "a Mul or Div may be merged with the product next to it")
        self.links.append(Link(np.ascontiguousarray(weight, np.float64), is_scale))
        return self.links[-1]

    def _make_square(self, size: int) -> None:
        need(size <= MAX_IDENTITY, "a layer that changes numbers one by one is too wide")
        self._make_room(size**2)

    def _make_room(self, weights: int) -> None:
        """Counts weights before there are any.

        A few bytes of a file may stand for many: a tensor that is used again, a diagonal.
        """
        self._weights += weights
        room = self._weights <= MAX_WEIGHTS
        need(room, f"its layers have more than {MAX_WEIGHTS:,} weights")
