"""What two networks' weights alone say of their outputs, at every input: a theorem from the shape of the edit.

The values of every neuron are compared, layer by layer, in real arithmetic. Only numbers are compared with each other
and with 0: nothing is computed, and so nothing is rounded. docs/certificate-format.md, section 16, has the rules.
"""

from dataclasses import dataclass
from enum import Enum
from itertools import permutations

import numpy as np

from engine.comparison.decision import Decision
from engine.comparison.pair import first_difference
from engine.network import Affine, Matrix, Network


class Claim(Enum):
    """How an output of the changed network stands to the original's, at every input."""

    EQUAL = "equal"
    RAISED = "raised"  # nowhere smaller
    LOWERED = "lowered"  # nowhere larger
    FREE = "free"  # nothing is known


@dataclass(frozen=True, slots=True)
class Structure:
    """The claim of each output. It holds at every input, inside the networks' domain and outside."""

    outputs: tuple[Claim, ...]

    def among(self, *claims: Claim) -> tuple[int, ...]:
        """The outputs with one of these claims, ascending."""
        return tuple(j for j, claim in enumerate(self.outputs) if claim in claims)

    @property
    def all_equal(self) -> bool:
        """True iff the networks are the same function."""
        return set(self.outputs) <= {Claim.EQUAL}

    @property
    def says_something(self) -> bool:
        """True iff something is known of some output."""
        return set(self.outputs) != {Claim.FREE}

    def left(self, decision: Decision) -> tuple[int, ...]:
        """The outputs that may lose against unchanged ones: raised ones, where the lowest output is the decision."""
        return self.among(Claim.LOWERED if decision is Decision.HIGHEST else Claim.RAISED, Claim.FREE)

    def entered(self, decision: Decision) -> tuple[int, ...]:
        """The outputs that may win against unchanged ones: lowered ones, where the lowest output is the decision."""
        return self.among(Claim.RAISED if decision is Decision.HIGHEST else Claim.LOWERED, Claim.FREE)

    def changes(self, decision: Decision) -> tuple[tuple[int, int], ...]:
        """The pairs (before, after) of different decisions that some input may have.

        The decision is the lowest output, or the highest, the first of equals. Where it becomes b and was a, a is one
        of `left` or b one of `entered`: else g_a <= f_a <= f_b <= g_b <= g_a (of the lowest), so that all are equal,
        and the first of the two is the decision of both.
        """
        left, entered = self.left(decision), self.entered(decision)
        return tuple((a, b) for a, b in permutations(range(len(self.outputs)), 2) if a in left or b in entered)

    def is_theorem(self, decision: Decision) -> bool:
        """True iff every output is compared, and some change of the decision is ruled out by that."""
        n = len(self.outputs)
        return Claim.FREE not in self.outputs and (n == 1 or len(self.changes(decision)) < n * (n - 1))


def structure(original: Network, changed: Network) -> Structure | None:
    """What the weights say of each output; None where they are not the networks' own numbers but the nearest, and of
    networks with a Sigmoid, a Tanh, or a Softmax at the end.

    InputError where the shapes differ.
    """
    first = first_difference(original, changed)
    if any(network.rounded or network.has_curves or network.ending for network in (original, changed)):
        return None
    yes, no = (np.full(original.layers[first].shape[1], value) for value in (True, False))
    known = _Known(yes, yes, _sign_known(original, first), no, no)  # all is equal before the first difference
    for one, other in zip(original.layers[first:], changed.layers[first:]):
        known = _through(known, one, other)
    return Structure(tuple(map(_claim, known.raised, known.lowered)))


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is known of a layer's values h of the original and h' of the changed network, at every input: bool [width].

    raised: h' >= h; lowered: h' <= h; positive: neither is ever below 0; idle, idle_after: h = 0; h' = 0.
    """

    raised: np.ndarray
    lowered: np.ndarray
    positive: np.ndarray
    idle: np.ndarray
    idle_after: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """The weights before and after, of all terms of a layer's sums of which one may not be 0: [terms]."""

    row: np.ndarray
    column: np.ndarray
    before: np.ndarray
    after: np.ndarray


def _sign_known(network: Network, layer: int) -> np.ndarray:
    """True for the inputs of a layer that a ReLU made: [inputs]."""
    return _relus(network.layers[layer - 1]) if layer else np.zeros(network.n_inputs, bool)


def _relus(layer: Affine) -> np.ndarray:
    return np.broadcast_to(layer.relu, layer.bias.shape)


def _through(known: _Known, one: Affine, other: Affine) -> _Known:
    """What is known behind a layer, of what is known before it; `other` is the changed network's."""
    terms, relus = _terms(known, one.matrix, other.matrix), _relus(one)
    raised = _rows(terms, ~_rising(known, terms, 1.0), other.bias >= one.bias)
    lowered = _rows(terms, ~_rising(known, terms, -1.0), other.bias <= one.bias)
    idle = relus & _rows(terms, _may_be_positive(known, terms, terms.before), one.bias <= 0)
    idle_after = relus & _rows(terms, _may_be_positive(known, terms, terms.after), other.bias <= 0)
    return _Known(raised | idle, lowered | idle_after, relus, idle, idle_after)


def _rising(known: _Known, terms: _Terms, sign: float) -> np.ndarray:
    """True for terms with after h' >= before h, or with sign -1 after h' <= before h, whatever the values are."""
    w, v = sign * terms.before, sign * terms.after
    raised, lowered = known.raised[terms.column], known.lowered[terms.column]
    grows = (v >= 0) & (w <= 0) | raised & (v >= w) & (w >= 0) | lowered & (v >= w) & (v <= 0)
    stays = (v == w) & (raised & lowered | raised & (w >= 0) | lowered & (w <= 0))
    rising: np.ndarray = np.where(known.positive[terms.column], grows, stays)
    return rising


def _may_be_positive(known: _Known, terms: _Terms, weight: np.ndarray) -> np.ndarray:
    """True for terms that may be above 0 with this weight."""
    positive: np.ndarray = np.where(known.positive[terms.column], weight > 0, weight != 0)
    return positive


def _rows(terms: _Terms, obstacle: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """The rows of which no term is an obstacle, where the biases allow it: [out]."""
    found = biases.copy()
    found[terms.row[obstacle]] = False
    return found


def _terms(known: _Known, one: Matrix, other: Matrix) -> _Terms:
    """Weights of what is always 0 count as 0."""
    row, column = _places(one, other)
    before = np.where(known.idle[column], 0.0, _at(one, row, column))
    after = np.where(known.idle_after[column], 0.0, _at(other, row, column))
    return _Terms(row, column, before, after)


def _places(one: Matrix, other: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of all weights of which one is not 0."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        row, column = np.nonzero((one != 0) | (other != 0))
        return row, column
    parts = [np.stack(matrix.nonzero()) for matrix in (one, other)]
    row, column = np.unique(np.concatenate(parts, axis=1), axis=1)
    return row, column


def _at(matrix: Matrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[row, column], dtype=np.float64)


def _claim(raised: bool, lowered: bool) -> Claim:
    if raised and lowered:
        return Claim.EQUAL
    return Claim.RAISED if raised else Claim.LOWERED if lowered else Claim.FREE
