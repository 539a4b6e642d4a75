"""The signal: the network's input after some of the graph's nodes, as a chain of affine pieces."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.curves import Curve, MaybeCurve
from engine.errors import InputError
from engine.network import Affine, Relus
from engine.onnx_file.constant import Constant
from engine.onnx_file.sparse import MAX_NUMBERS, Sparse, demand_rows, diagonal, selection

Shape = tuple[int, ...]  # a batch of any size counts as 1
NamedShape = tuple[int | None, ...]  # as declared; None: a batch of any size
Ints = tuple[int, ...]
Attribute = int | float | str | Ints  # of a node
MAX_WEIGHTS = 1 << 27  # of all pieces with all their zeros: a few bytes may stand for many, as of a tensor used again


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One affine layer whose every number stands at one place of the file, or is a literal.

    relu, curve: as in Affine. If `rounded`, float64 does not hold the numbers, and each is the nearest one.
    """

    weight: Constant | Sparse
    bias: Constant | None
    relu: Relus
    rounded: bool = False
    curve: MaybeCurve = ""

    def affine(self) -> Affine:
        bias = np.zeros(self.weight.shape[0]) if self.bias is None else np.ascontiguousarray(self.bias.values)
        if isinstance(self.weight, Sparse):
            return Affine(self.weight.matrix, bias, self.relu, self.rounded, curve=self.curve)
        weight = np.ascontiguousarray(self.weight.values, dtype=np.float64)
        return Affine(weight, bias, self.relu, self.rounded, curve=self.curve)


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """factor * relu(sign * x + shift), entry by entry: sign is 1 or -1, shift and factor have a number for each."""

    sign: float
    shift: np.ndarray
    factor: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """`pieces` applied to the input's elements in row-major order, then `weight` and `bias` if any.

    Nothing is ever fused: a second bias or matrix opens the next piece, so no number is rounded and
    each can be written back. Only what changes nothing (adding zeros, ReLU after ReLU) vanishes.
    entrywise: `weight` holds factors for each element; mergeable: somewhere such factors stand directly before or
    after another weight, with nothing but zeros added between.
    ending: "Softmax" or "LogSoftmax" where that comes behind all, as it may at the network's end only.
    """

    shape: Shape
    kind: int
    pieces: tuple[Piece, ...] = ()
    weight: Constant | Sparse | None = None
    bias: Constant | None = None
    rounded: bool = False
    entrywise: bool = False
    mergeable: bool = False
    ending: str = ""

    @property
    def untouched(self) -> bool:
        """True iff this still is the input, in whatever shape."""
        return self.weight is None and not self.pieces

    @property
    def size(self) -> int:
        return size_of(self.shape)

    def reshaped(self, shape: Shape) -> "Signal":
        """Returns the same elements in the same order."""
        return replace(self, shape=shape)

    def times(
        self, weight: Constant | Sparse, shape: Shape, *, rounded: bool = False, entrywise: bool = False
    ) -> "Signal":
        """Returns weight @ self, weight [out, in]."""
        self._demand_room(weight)
        if isinstance(weight, Sparse) and weight.is_small:
            weight = weight.written_out()
        bare = self.weight is not None and (self.bias is None or not self.bias.values.any())
        mergeable = self.mergeable or (bare and (entrywise or self.entrywise))
        return replace(
            self.closed(relu=False),
            weight=weight,
            shape=shape,
            rounded=rounded,
            entrywise=entrywise,
            mergeable=mergeable,
        )

    def selected(self, places: np.ndarray, shape: Shape) -> "Signal":
        """Returns the elements at these places [out]; a place of -1 stands for 0."""
        if np.array_equal(places, np.arange(self.size)):
            return replace(self, shape=shape)
        return self.times(selection(places, self.size, self.kind), shape)

    def scaled(self, factors: Constant, *, rounded: bool = False) -> "Signal":
        """Returns factors * self, factors [size]. It is a layer of its own, even where all factors are 1."""
        return self.times(diagonal(factors), self.shape, rounded=rounded, entrywise=True)

    def plus(self, bias: Constant, shape: Shape) -> "Signal":
        """Returns self + bias, bias [out]."""
        free = self.weight is not None and self.bias is None
        if not free and not bias.values.any():
            return replace(self, shape=shape)
        base = self if free else self.times(self._identity(), self.shape)
        return replace(base, bias=bias, shape=shape)

    def negated(self) -> "Signal":
        if self.weight is None or self.bias is not None:
            return self.times(self._identity().scaled(-1.0), self.shape)
        return replace(self, weight=self.weight.scaled(-1.0))

    def rectified(self) -> "Signal":
        """Returns max(self, 0): the layer before has a ReLU on all neurons, whichever had one; but none with a
        curve."""
        if self.weight is not None:
            return self.closed(relu=True)
        if self.pieces and not self.pieces[-1].curve:
            return replace(self, pieces=(*self.pieces[:-1], replace(self.pieces[-1], relu=True)))
        return self.times(self._identity(), self.shape).closed(relu=True)

    def curved(self, curve: Curve) -> "Signal":
        """Returns curve(self): the layer before has it on all neurons, unless it has ReLUs or a curve already."""
        if self.weight is not None:
            return self.closed(relu=True, curve=curve)
        if self.pieces and self.pieces[-1].relu is False:
            return replace(self, pieces=(*self.pieces[:-1], replace(self.pieces[-1], relu=True, curve=curve)))
        return self.times(self._identity(), self.shape).closed(relu=True, curve=curve)

    def bent(self, terms: Sequence[Term], rest: np.ndarray) -> "Signal":
        """Returns rest + the sum of the terms: a layer of ReLUs, and one that adds up. Both are layers of their own.

        rest: a number for each element. None of these numbers is written back to the file.
        """
        count, size = len(terms) * self.size, self.size
        demand_rows(count)
        row, column = np.arange(count), np.tile(np.arange(size), len(terms))
        signs = np.repeat([term.sign for term in terms], size)
        shifts = Constant(np.concatenate([term.shift for term in terms]) + 0.0, self.kind)  # no -0.0
        factors = np.concatenate([term.factor for term in terms]) + 0.0
        bend = Sparse(row, column, Constant(signs, self.kind), (count, size))
        relus = self.times(bend, (count,)).plus(shifts, (count,)).closed(relu=True)
        total = Sparse(column, row, Constant(factors, self.kind), (size, count))
        return relus.times(total, self.shape).plus(Constant(rest, self.kind), self.shape)

    def closed(self, *, relu: Relus, curve: MaybeCurve = "") -> "Signal":
        """Returns the same with the open piece, if there is one, ended."""
        if self.weight is None:
            return self
        piece = Piece(self.weight, self.bias, relu, self.rounded, curve)
        return replace(self, pieces=(*self.pieces, piece), weight=None, bias=None, rounded=False, entrywise=False)

    def chain(self) -> tuple[Piece, ...]:
        """Returns all pieces, at least one."""
        whole = self.times(self._identity(), self.shape) if self.untouched else self
        return whole.closed(relu=False).pieces

    def _identity(self) -> Sparse:
        return selection(np.arange(self.size), self.size, self.kind)

    @property
    def held(self) -> int:
        """The numbers of 8 bytes in which the weights of its layers are held."""
        weights = [piece.weight for piece in self.closed(relu=False).pieces]
        return sum(2 * part.room if isinstance(part, Sparse) else part.values.size for part in weights)

    def _demand_room(self, weight: Constant | Sparse) -> None:
        """Raises InputError where one more weight matrix is too many."""
        weights = [piece.weight for piece in self.closed(relu=False).pieces] + [weight]
        if sum(part.room for part in weights if isinstance(part, Sparse)) > MAX_NUMBERS:
            what = f"its sparse layers have more than {MAX_NUMBERS:,} numbers and rows in all"
            raise InputError(what, advice="use a smaller network")
        self.demand_dense(math.prod(weight.shape) if not isinstance(weight, Sparse) or weight.is_small else 0)

    def demand_dense(self, count: int) -> None:
        """Raises InputError where so many more weights that are held with their zeros are too many."""
        weights = [piece.weight for piece in self.closed(relu=False).pieces]
        held = sum(math.prod(part.shape) for part in weights if not isinstance(part, Sparse) or part.is_small)
        if held + count > MAX_WEIGHTS:
            raise InputError(
                f"its layers have more than {MAX_WEIGHTS:,} weights in all", advice="use a smaller network"
            )


Value = Constant | Signal  # what a name of the graph stands for


def size_of(shape: Shape) -> int:
    """Returns the number of elements."""
    return math.prod(shape)


def shape_text(shape: NamedShape) -> str:
    """Returns the shape as errors show it; None stands for a batch of any size."""
    return "[" + ", ".join("batch" if d is None else str(d) for d in shape) + "]"
