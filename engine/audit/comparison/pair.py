"""Two networks of one shape as one, and where their outputs are exactly equal (section 9)."""

from fractions import Fraction

import numpy as np

from engine.audit.data import Floats, Layer, Network, Polytope, Row, Singles, Truths
from engine.audit.failures import demand
from engine.audit.places import hidden_parts, relus_of, spread
from engine.audit.sparse import Matrix, below_each_other, each, held, side_by_side, unlike


def lowest(outputs: int) -> tuple[Polytope, ...]:
    """Section 9, "Polytopes": where each output of the original is lowest; then of the changed."""
    return tuple(
        tuple(_not_above(first + c, first + d) for d in range(outputs) if d != c)
        for first in (0, outputs)
        for c in range(outputs)
    )


def _not_above(one: int, other: int) -> Row:
    """y_one - y_other <= 0"""
    return Row({}, {one: Fraction(1), other: Fraction(-1)}, Fraction(0), False)


class Pair:
    """Section 9, "The pair": x -> (original(x), changed(x)) as one network.

    first, last: the first and the last layer whose numbers differ, the last of all where none does
    (p - 1 and q - 1 of the text). What comes before the first is in `network` once.

    Rejected where the networks' shapes differ, or their numbers are not their own.
    """

    def __init__(self, original: Network, changed: Network) -> None:
        demand(shapes(original) == shapes(changed), "the networks have different shapes")
        own = not original.rounded and not changed.rounded
        demand(own, "numbers of a network are not its own, but the nearest")
        both = list(zip(original.layers, changed.layers, strict=True))
        differing = [k for k, layers in enumerate(both) if _differ(*layers)] or [len(both) - 1]
        self.first, self.last = differing[0], differing[-1]
        layers = [layer for layer, _ in both[: self.first]]
        layers += [_side_by_side(*both[self.first], shared=True)]
        layers += [_side_by_side(*each, shared=False) for each in both[self.first + 1 :]]
        self.network = Network(tuple(layers), "")
        self.parts, self._relus = hidden_parts(self.network), relus_of(self.network)
        self._both = both

    def unequal(self, u: Singles) -> Truths:
        """Section 9, "Equal outputs": which outputs may differ at leaves [n, outputs].

        u: upper bounds of the pair's neurons [n, hidden].
        """
        live = self._live_before(u)
        differ: Truths = np.zeros_like(live[0])
        for k in range(self.first, len(self._both)):
            original, changed = self._both[k]
            before = original.bias != changed.bias  # may differ before the ReLU
            weights = original.weight, changed.weight
            for live_here, weight, other in zip(live, weights, weights[::-1]):
                # a term w h, if it is not 0, must be the same in both
                own = _reaches(live_here, unlike(weight, other))
                before = before | own | _reaches(live_here & differ, weight)
            live = np.stack(np.split(self._live_after(k, u), 2, axis=1))
            differ = before & live.any(0)
        return differ

    def _live_before(self, u: Singles) -> Truths:
        """True for live inputs of the first layer that differs, in each network [2, n, inputs]."""
        live = np.ones((2, len(u), self._both[self.first][0].weight.shape[1]), bool)
        if self.first:
            live &= self._live_after(self.first - 1, u)
        return live

    def _live_after(self, k: int, u: Singles) -> Truths:
        """True for live neurons of the pair's layer k: without a ReLU, or where u may be above 0.

        It may be where u is NaN, which is no bound.
        """
        live: Truths = ~(spread(u[:, self.parts[k]], self._relus[k], 1) <= 0)
        return live


def shapes(network: Network) -> list[tuple[tuple[int, ...], list[bool]]]:
    """The sizes of its layers, and which neurons have a ReLU."""
    return [(layer.weight.shape, layer.has_relu.tolist()) for layer in network.layers]


def _differ(one: Layer, other: Layer) -> bool:
    """True iff their numbers do."""
    weights = unlike(one.weight, other.weight), unlike(other.weight, one.weight)
    return any(held(weight).any() for weight in weights) or bool((one.bias != other.bias).any())


def _reaches(inputs: Truths, weight: Matrix) -> Truths:
    """Which neurons have a weight that is not 0 at one of these inputs [n, inputs]."""
    found: Truths = inputs.astype(np.float64) @ each(_is_not_zero, weight).T > 0
    return found


def _is_not_zero(numbers: Floats) -> Floats:
    """1 for each number that is not 0."""
    found: Floats = (numbers != 0).astype(np.float64)
    return found


def _side_by_side(one: Layer, other: Layer, *, shared: bool) -> Layer:
    """Both layers as one. Where inputs are not shared, the one's come before the other's."""
    join = below_each_other if shared else side_by_side
    weight = join(one.weight, other.weight)
    has_relu = np.concatenate([one.has_relu, other.has_relu])
    return Layer(weight, np.concatenate([one.bias, other.bias]), has_relu)
