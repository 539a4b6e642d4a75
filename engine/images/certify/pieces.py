"""Boxes of a few numbers as a tree, and the proof that its leaves are."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.bounds.forward import Doubles
from engine.proof import LEAF, Proof

WHOLE = 1024  # the weight of a row that is alone


@dataclass(slots=True, eq=False)
class Piece:
    """A box: whole, halved in an input at a cut, or proved.

    halves: below and above the cut. proved: of each polytope the row by which it is excluded.
    """

    lower: Doubles
    upper: Doubles
    input: int = LEAF
    cut: float = 0.0
    halves: tuple["Piece", ...] = ()
    proved: tuple[int, ...] = ()

    @property
    def middle(self) -> Doubles:
        found: Doubles = (self.lower + self.upper) / 2
        return found

    def halve(self, i: int) -> tuple["Piece", ...]:
        """Its halves in input i, which has float64 numbers between its ends."""
        below, above = self.upper.copy(), self.lower.copy()
        self.input, self.cut = i, float(self.middle[i])
        below[i] = above[i] = self.cut
        self.halves = Piece(self.lower, below), Piece(above, self.upper)
        return self.halves


def proof_of(root: Piece) -> Proof:
    """The proof whose only case is this box, all leaves of which are proved."""
    nodes: list[Piece] = [root]
    for piece in nodes:  # it grows: level order, as section 4 has it
        nodes.extend(piece.halves)
    leaves = [(number, piece) for number, piece in enumerate(nodes) if not piece.halves]
    shown = [(number, polytope, row) for number, piece in leaves for polytope, row in enumerate(piece.proved)]
    node, polytope, row = (_integers(column) for column in zip(*shown, strict=True))
    none, ones = np.zeros(len(shown), np.int32), np.ones(len(shown), np.int32)
    empty = none[:0]
    return Proof(
        split=_integers(piece.input for piece in nodes),
        cut=np.array([piece.cut for piece in nodes if piece.halves], np.float64),
        node=node,
        polytope=polytope,
        rows=ones,
        slopes=none,
        multipliers=none,
        row=row,
        row_weight=ones * WHOLE,
        slope=empty,
        slope_value=empty,
        multiplier=empty,
        multiplier_value=np.zeros(0),
    )


def _integers(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), np.int32)
