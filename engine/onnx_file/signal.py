"""The signal: the network's input after some of the graph's nodes, as a chain of affine pieces."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import InputError
from engine.network import Affine, Relus
from engine.onnx_file.constant import Constant, diagonal

Shape = tuple[int, ...]  # a batch of any size counts as 1
NamedShape = tuple[int | None, ...]  # as declared; None: a batch of any size
Ints = tuple[int, ...]
Attribute = int | float | str | Ints  # of a node
MAX_WEIGHTS = 1 << 27  # of all pieces: a few bytes of a file may stand for many, as of a tensor that is used again
MAX_IDENTITY = 8192  # inputs of a piece that has no weight matrix in the file (512 MiB)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One affine layer whose every number stands at one place of the file, or is a literal.

    relu: as in Affine. If `rounded`, float64 does not hold the numbers, and each is the nearest one.
    """

    weight: Constant
    bias: Constant | None
    relu: Relus
    rounded: bool = False

    def affine(self) -> Affine:
        weight = np.ascontiguousarray(self.weight.values, dtype=np.float64)
        bias = np.zeros(len(weight)) if self.bias is None else np.ascontiguousarray(self.bias.values)
        return Affine(weight, bias, self.relu, self.rounded)


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
    """

    shape: Shape
    kind: int
    pieces: tuple[Piece, ...] = ()
    weight: Constant | None = None
    bias: Constant | None = None
    rounded: bool = False
    entrywise: bool = False
    mergeable: bool = False

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

    def times(self, weight: Constant, shape: Shape, *, rounded: bool = False, entrywise: bool = False) -> "Signal":
        """Returns weight @ self, weight [out, in]."""
        self.demand_room(weight.values.size)
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
        self.demand_room(places.size * self.size)
        weight = (places[:, None] == np.arange(self.size)).astype(np.float64)
        return self.times(Constant(weight, self.kind), shape)

    def scaled(self, factors: Constant, *, rounded: bool = False) -> "Signal":
        """Returns factors * self, factors [size]. It is a layer of its own, even where all factors are 1."""
        self._demand_few()
        self.demand_room(self.size**2)
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
        """Returns max(self, 0): the layer before has a ReLU on all neurons, whichever had one."""
        if self.weight is not None:
            return self.closed(relu=True)
        if self.pieces:
            return replace(self, pieces=(*self.pieces[:-1], replace(self.pieces[-1], relu=True)))
        return self.times(self._identity(), self.shape).closed(relu=True)

    def bent(self, terms: Sequence[Term], rest: np.ndarray) -> "Signal":
        """Returns rest + the sum of the terms: a layer of ReLUs, and one that adds up. Both are layers of their own.

        rest: a number for each element. None of these numbers is written back to the file.
        """
        count = len(terms) * self.size
        self._demand_few(count)
        self.demand_room(2 * count * self.size)
        signs = np.vstack([term.sign * np.eye(self.size) for term in terms]) + 0.0  # no -0.0
        shifts = Constant(np.concatenate([term.shift for term in terms]) + 0.0, self.kind)
        relus = self.times(Constant(signs, self.kind), (count,)).plus(shifts, (count,)).closed(relu=True)
        factors = np.hstack([np.diag(term.factor) for term in terms]) + 0.0
        return relus.times(Constant(factors, self.kind), self.shape).plus(Constant(rest, self.kind), self.shape)

    def closed(self, *, relu: Relus) -> "Signal":
        """Returns the same with the open piece, if there is one, ended."""
        if self.weight is None:
            return self
        piece = Piece(self.weight, self.bias, relu, self.rounded)
        return replace(self, pieces=(*self.pieces, piece), weight=None, bias=None, rounded=False, entrywise=False)

    def chain(self) -> tuple[Piece, ...]:
        """Returns all pieces, at least one."""
        pieces = self.closed(relu=False).pieces
        return pieces or (Piece(self._identity(), None, False),)

    def _identity(self) -> Constant:
        self._demand_few()
        self.demand_room(self.size**2)
        return Constant(np.eye(self.size), self.kind)

    @property
    def held(self) -> int:
        """How many weights its layers have."""
        return sum(piece.weight.values.size for piece in self.closed(relu=False).pieces)

    def demand_room(self, weights: int) -> None:
        """Raises InputError where so many more are too many."""
        demand_weights(self.held + weights)

    def _demand_few(self, count: int = 0) -> None:
        """Raises InputError where the elements, or so many neurons that stand for them, are too many."""
        if max(count, self.size) > MAX_IDENTITY:
            what = f"it works on {self.size} values one by one" + f", by {count} ReLUs" * bool(count)
            raise InputError(
                f"{what}, and at most {MAX_IDENTITY} are supported",
                advice="put it into the layer before or after",
            )


Value = Constant | Signal  # what a name of the graph stands for


def demand_weights(count: int) -> None:
    """Raises InputError where so many weights of all layers are too many."""
    if count > MAX_WEIGHTS:
        raise InputError(f"its layers have more than {MAX_WEIGHTS:,} weights in all", advice="use a smaller network")


def size_of(shape: Shape) -> int:
    """Returns the number of elements."""
    return math.prod(shape)


def shape_text(shape: NamedShape) -> str:
    """Returns the shape as errors show it; None stands for a batch of any size."""
    return "[" + ", ".join("batch" if d is None else str(d) for d in shape) + "]"
