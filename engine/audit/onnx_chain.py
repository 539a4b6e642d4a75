"""The chain of layers that an ONNX file's nodes make, one node after the other (section 3)."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from engine.audit.data import Array, Floats, Truths, need
from engine.audit.sparse import WORDS, Matrix, Sparse, diagonal, each, selection, stacked, words

MAX_WIDTH = 1 << 16  # numbers that a layer takes or gives
MAX_SPARSE = 1 << 24  # numbers of a Sparse
MAX_WORDS = 1 << 27  # in which the weights of all layers are held


@dataclass
class Link:
    """A layer that is being made. bias: None where there is none so far.

    is_scale: True iff it is a Mul or Div. relu: as of a Layer.
    """

    weight: Matrix
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
        self._words = 0

    def fork(self) -> "Chain":
        """A copy: what is added to one is not added to the other."""
        other = copy(self)
        other.links = [replace(link) for link in self.links]
        return other

    def multiply(self, weight: Matrix) -> None:
        """Section 3, MatMul, Gemm, Conv, pools and sums: a new layer with these weights."""
        self._make_room(words(weight))
        self._append(weight)

    def select(self, places: Array, size: int) -> None:
        """Section 3, Gather and its like: a new layer that takes these elements, of so many.

        For a place of -1 its row is zeros.
        """
        self._make_room(WORDS * places.size)
        self._append(selection(places.ravel().astype(np.int64), size))

    def scale(self, factors: Array) -> None:
        """Section 3, Mul and Div: a new layer, W = diag(factors)."""
        self._make_room(WORDS * len(factors))
        self._append(diagonal(factors.astype(np.float64)), is_scale=True)

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
        need(len(terms) * size <= MAX_WIDTH, "a layer is too wide")
        self._make_room(2 * WORDS * len(terms) * size)
        bent = self._append(stacked([diagonal(np.full(size, float(term.sign))) for term in terms]))
        bent.bias = np.concatenate([term.shifts for term in terms])
        bent.relu = True
        self._append(stacked([diagonal(term.factors) for term in terms]).T).bias = rest

    def compare(self, weight: Sparse, relu: Truths) -> None:
        """Section 3, MaxPool, a round: a layer with b = 0 and a ReLU on some of its neurons."""
        self._make_room(words(weight))
        round_ = self._append(weight)
        round_.bias, round_.relu = np.zeros(len(relu)), relu

    def negate(self, size: int) -> None:
        """Section 3, Neg: the weights of an open layer change sign; else a layer, W = -identity."""
        last = self._open() or self._identity(size)
        last.weight = each(np.negative, last.weight)

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
        self._make_room(WORDS * size)
        return self._append(diagonal(np.ones(size)))

    def _append(self, weight: Matrix, *, is_scale: bool = False) -> Link:
        merged = self._is_bare() and (is_scale or self.links[-1].is_scale)
        self.refuse_float32(merged, "a Mul or Div may be merged with the product next to it")
        if not isinstance(weight, Sparse):
            weight = np.ascontiguousarray(weight, np.float64)
        self.links.append(Link(weight, is_scale))
        return self.links[-1]

    def _make_room(self, count: int) -> None:
        """Counts the words in which weights are held.

        A few bytes of a file may stand for many: a tensor that is used again, a window.
        """
        self._words += count
        room = self._words <= MAX_WORDS
        need(room, f"its layers have weights of more than {MAX_WORDS:,} numbers of 8 bytes")
