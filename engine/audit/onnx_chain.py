"""The chain of layers that an ONNX file's nodes make, one node after the other (section 3)."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from engine.audit.curves.curve import Curve
from engine.audit.data import Array, Floats, Truths
from engine.audit.failures import need
from engine.audit.sparse import WORDS, Matrix, Sparse, diagonal, each, selection, stacked, words

MAX_WIDTH = 1 << 16  # numbers that a layer takes or gives
MAX_SPARSE = 1 << 24  # numbers of a Sparse
MAX_WORDS = 1 << 27  # in which the weights of all layers are held


@dataclass(frozen=True, eq=False)
class Link:
    """A layer so far, behind those of another link. bias: None where there is none so far.

    depth: how many layers there are up to it; is_scale: True iff it is a Mul or Div; relu, curve:
    as of a Layer. Each node makes arrays of its own: those that are the same object are of the same
    node.
    """

    weight: Matrix
    before: "Link | None"
    depth: int
    is_scale: bool = False
    bias: Floats | None = None
    relu: bool | Truths = False
    curve: Curve | None = None


@dataclass
class Room:
    """How many words the weights of all layers hold that any node has made."""

    words: int = 0

    def take(self, count: int) -> None:
        """Counts words before there are any.

        A few bytes of a file may stand for many: a tensor or a signal that is used again, a window.
        """
        self.words += count
        fits = self.words <= MAX_WORDS
        need(fits, f"its layers have weights of more than {MAX_WORDS:,} numbers of 8 bytes")


class Term(NamedTuple):
    """f relu(s x + t) of each element x of the signal; the sign s is 1 or -1."""

    sign: float
    shifts: Floats
    factors: Floats


class Chain:
    """The layers so far, of which `last` is the last one.

    rounded: True iff numbers are only the nearest ones; obstacle: the first reason against float32
    semantics; zeros_first: True iff zeros were added to the input; ending: "Softmax" or
    "LogSoftmax" where that comes behind the layers.
    """

    def __init__(self) -> None:
        self.last: Link | None = None
        self.rounded = False
        self.obstacle = ""
        self.zeros_first = False
        self.ending = ""
        self.room = Room()

    def fork(self) -> "Chain":
        """A copy: what is added to one is not added to the other. They have one room."""
        return copy(self)

    @property
    def links(self) -> list[Link]:
        """All layers in order."""
        found, link = [], self.last
        while link is not None:
            found.append(link)
            link = link.before
        return found[::-1]

    def multiply(self, weight: Matrix) -> None:
        """Section 3, MatMul, Gemm, Conv, pools and sums: a new layer with these weights."""
        self.room.take(words(weight))
        self._append(weight)

    def select(self, places: Array, size: int) -> None:
        """Section 3, Gather and its like: a new layer that takes these elements, of so many.

        For a place of -1 its row is zeros.
        """
        self.room.take(WORDS * places.size)
        self._append(selection(places.ravel().astype(np.int64), size))

    def scale(self, factors: Array) -> None:
        """Section 3, Mul and Div: a new layer, W = diag(factors)."""
        self.room.take(WORDS * len(factors))
        self._append(diagonal(factors.astype(np.float64)), is_scale=True)

    def shift(self, constant: Array) -> None:
        """Section 3, Add: the b of an open layer; else a layer, or none if all numbers are 0."""
        numbers = constant.astype(np.float64)
        if not self._is_open() and not numbers.any():
            self.zeros_first |= self.last is None
            return
        link = self._product(len(numbers))
        self.last = replace(link, bias=numbers)

    def bend(self, terms: Sequence[Term], rest: Floats) -> None:
        """Section 3, piecewise linear: the layer of all terms' ReLUs, and the one of their sum.

        rest: what is added to the sum. It is there even if it is all 0, so nothing joins it.
        """
        size = len(rest)
        need(len(terms) * size <= MAX_WIDTH, "a layer is too wide")
        self.room.take(2 * WORDS * len(terms) * size)
        signs = stacked([diagonal(np.full(size, float(term.sign))) for term in terms])
        self.lay(signs, np.concatenate([term.shifts for term in terms]), True)
        self.lay(stacked([diagonal(term.factors) for term in terms]).T, rest, False)

    def compare(self, weight: Sparse, relu: Truths) -> None:
        """Section 3, MaxPool, a round: a layer with b = 0 and a ReLU on some of its neurons."""
        self.room.take(words(weight))
        self.lay(weight, np.zeros(len(relu)), relu)

    def lay(
        self, weight: Matrix, bias: Floats, relu: bool | Truths, curve: Curve | None = None
    ) -> None:
        """A new layer that is complete, and whose words are counted already."""
        self.last = replace(self._append(weight), bias=bias, relu=relu, curve=curve)

    def negate(self, size: int) -> None:
        """Section 3, Neg: the weights of an open layer change sign; else a layer, W = -identity."""
        link = self._product(size)
        self.last = replace(link, weight=each(np.negative, link.weight))

    def rectify(self, size: int) -> None:
        """Section 3, Relu: the layer before has a ReLU; before any layer one of W = identity.

        So is one after a layer with a curve (section 14).
        """
        last = self.last if self.last and not self.last.curve else self._identity(size)
        self.last = replace(last, relu=True)

    def curve(self, curve: Curve, size: int) -> None:
        """Section 14: the layer before has the curve, if nothing bends it yet; else a new one."""
        last = self.last if self.last and not np.any(self.last.relu) else self._identity(size)
        self.last = replace(last, relu=True, curve=curve)
        self.refuse_float32(True, "a Sigmoid or a Tanh is executed in no way that is known")

    def close(self, size: int) -> None:
        """Section 3: a network without layers has one, W = identity."""
        if self.last is None:
            self._identity(size)

    def refuse_float32(self, holds: object, why: str) -> None:
        """Records, if `holds` is true, that there are no float32 semantics, because of `why`."""
        self.obstacle = self.obstacle or (why if holds else "")

    def _is_open(self) -> bool:
        """True iff nothing but shape operators came after the last layer's product."""
        last = self.last
        return last is not None and last.bias is None and not np.any(last.relu)

    def _product(self, size: int) -> Link:
        """The last layer, where it is open; else a new one that changes nothing."""
        return self.last if self.last and self._is_open() else self._identity(size)

    def _is_bare(self) -> bool:
        """True iff there is a last layer, without a ReLU, whose b is absent or all 0."""
        last = self.last
        if last is None or np.any(last.relu):
            return False
        return last.bias is None or not last.bias.any()

    def _identity(self, size: int) -> Link:
        """A new layer that changes nothing."""
        self.room.take(WORDS * size)
        return self._append(diagonal(np.ones(size)))

    def _append(self, weight: Matrix, *, is_scale: bool = False) -> Link:
        last = self.last
        merged = last is not None and self._is_bare() and (is_scale or last.is_scale)
        self.refuse_float32(merged, "a Mul or Div may be merged with the product next to it")
        if not isinstance(weight, Sparse):
            weight = np.ascontiguousarray(weight, np.float64)
        self.last = Link(weight, last, 1 if last is None else last.depth + 1, is_scale)
        return self.last
