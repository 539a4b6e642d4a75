"""Two networks of one shape side by side, where neurons that both share stand once (section 18)."""

from fractions import Fraction

import numpy as np

from engine.audit.comparison.pair import Pair
from engine.audit.comparison.structure import compared
from engine.audit.data import (
    Floats,
    Integers,
    Layer,
    Network,
    Polytope,
    Row,
    Singles,
    Truths,
)
from engine.audit.failures import demand
from engine.audit.sparse import Matrix, Sparse

MAX_WRITTEN = 2**22  # numbers of a matrix that is written out with its zeros


class Joined:
    """Section 18, "The network": x -> (original(x), changed(x)), as `network`.

    places: of each hidden neuron of section 9's pair, its number in this network.

    Rejected where the networks' shapes differ, or their numbers are not their own.
    """

    def __init__(self, original: Network, changed: Network) -> None:
        self._pair = Pair(original, changed)
        layers, places, first = [], [], 0
        shared = np.ones(original.n_inputs, bool)
        for k, (one, other) in enumerate(zip(original.layers, changed.layers, strict=True)):
            weights = _written(one.weight), _written(other.weight)
            if k < len(original.layers) - 1:
                here = _are_shared(one, other, weights, shared)
            else:
                here = np.zeros(len(one.bias), bool)
            layers.append(_layer(one, other, weights, shared, here))
            of_original, of_changed = _numbers(here, one.has_relu, first)
            places += [of_original] if k < self._pair.first else [of_original, of_changed]
            first += int(layers[-1].has_relu.sum())
            shared = here
        self.network = Network(tuple(layers), "")
        self.places = np.concatenate(places)

    def unequal(self, u: Singles) -> Truths:
        """Section 9, "Equal outputs": which may differ at leaves [n, outputs].

        u: upper bounds of this network's neurons [n, hidden].
        """
        return self._pair.unequal(u[:, self.places])


def possible(original: Network, changed: Network) -> list[tuple[int, int]]:
    """Section 18, "Polytopes": the pairs that section 16 does not rule out, in order."""
    found = compared(original, changed)
    places = range(original.n_outputs)
    left, entered = ~found.down, ~found.up  # raised or free, and lowered or free
    return [
        (before, after)
        for before in places
        for after in places
        if before != after and (left[before] or entered[after])
    ]


def outside(pairs: list[tuple[int, int]], gap: Fraction, outputs: int) -> tuple[Polytope, ...]:
    """Section 18, "Polytopes": of each of these pairs."""
    return tuple(_outside(*pair, gap, outputs) for pair in pairs)


def _outside(before: int, after: int, gap: Fraction, outputs: int) -> Polytope:
    """The rows of (a, b), here `before` and `after`."""
    plus, minus = Fraction(1), Fraction(-1)
    change = {before: plus, after: minus, outputs + after: plus, outputs + before: minus}
    rows = [Row({}, change, gap, True)]
    rows += [
        Row({}, {before: plus, other: minus}, gap, True)
        for other in range(outputs)
        if other != before
    ]
    rows += [
        Row({}, {outputs + after: plus, outputs + other: minus}, Fraction(0), False)
        for other in range(outputs)
        if other != after
    ]
    return tuple(rows)


# --- one layer ------------------------------------------------------------------------------------


def _numbers(here: Truths, has_relu: Truths, first: int) -> tuple[Integers, Integers]:
    """The numbers, from `first` on, of the original's and of the other's neurons with a ReLU.

    here: which neurons are shared.
    """
    order = [np.flatnonzero(here), np.flatnonzero(~here), np.flatnonzero(~here)]
    bent = np.concatenate([has_relu[some] for some in order])
    numbers = first + np.cumsum(bent) - 1  # in the order of the joined layer
    shared, own, others = np.split(numbers, np.cumsum([len(some) for some in order])[:2])
    found = np.empty((2, len(here)), np.int64)
    found[:, here], found[0, ~here], found[1, ~here] = shared, own, others
    return found[0, has_relu], found[1, has_relu]


def _written(weight: Matrix) -> Floats:
    """The matrix with all its zeros. Rejected where only its other numbers are held, and many."""
    if isinstance(weight, Sparse):
        size = weight.shape[0] * weight.shape[1]
        demand(size <= MAX_WRITTEN, f"a layer of windows has more than {MAX_WRITTEN:,} numbers")
    return np.asarray(weight)


def _are_shared(one: Layer, other: Layer, weights: tuple[Floats, Floats], shared: Truths) -> Truths:
    """Which neurons have the same numbers, and read only inputs that are shared."""
    same: Truths = (weights[0] == weights[1]).all(1) & (one.bias == other.bias)
    reads_own = (weights[0][:, ~shared] != 0).any(1)
    found: Truths = same & ~reads_own
    return found


def _layer(
    one: Layer, other: Layer, weights: tuple[Floats, Floats], shared: Truths, here: Truths
) -> Layer:
    """Both layers: the shared neurons, `here`, then the others of the original, then the other's.

    shared: which of the inputs are.
    """
    before, after = weights
    none = np.zeros((len(before), int((~shared).sum())))
    of_original = np.hstack([before[:, shared], before[:, ~shared], none])
    of_changed = np.hstack([after[:, shared], none, after[:, ~shared]])
    parts = [(of_original, one, here), (of_original, one, ~here), (of_changed, other, ~here)]
    return Layer(
        np.concatenate([rows[some] for rows, _, some in parts]),
        np.concatenate([layer.bias[some] for _, layer, some in parts]),
        np.concatenate([layer.has_relu[some] for _, layer, some in parts]),
    )
