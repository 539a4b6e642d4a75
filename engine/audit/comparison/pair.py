"""Two networks of one shape as one, and where their outputs are exactly equal (section 9 of the format)."""

from fractions import Fraction

import numpy as np

from engine.audit.arithmetic import hidden_parts
from engine.audit.data import Layer, Network, Row, demand


def lowest(outputs: int) -> tuple[tuple[Row, ...], ...]:
    """The polytopes of a case: where the original's output c is lowest, for each c; likewise the changed network's."""
    one = Fraction(1)
    return tuple(
        tuple(
            Row({}, {first + c: one, first + d: -one}, Fraction(0), False)
            for d in range(outputs)
            if d != c
        )
        for first in (0, outputs)
        for c in range(outputs)
    )


class Pair:
    """first, last: the first and the last layer whose numbers differ, the last of all where none does; network: x ->
    (original(x), changed(x)), where what comes before the first difference is there once.

    Rejected where the networks' shapes differ, or their numbers are not their own.
    """

    def __init__(self, original: Network, changed: Network):
        shapes = [
            [(layer.weight.shape, layer.relu) for layer in network.layers]
            for network in (original, changed)
        ]
        demand(shapes[0] == shapes[1], "the networks have different shapes")
        demand(
            not original.rounded and not changed.rounded,
            "numbers of a network are not its own, but the nearest",
        )
        both = list(zip(original.layers, changed.layers))
        found = [
            k
            for k, (a, b) in enumerate(both)
            if (a.weight != b.weight).any() or (a.bias != b.bias).any()
        ]
        self.first, self.last = (found[0], found[-1]) if found else (len(both) - 1,) * 2
        layers = [
            a if k < self.first else _joined(a, b, k == self.first) for k, (a, b) in enumerate(both)
        ]
        self.network = Network(tuple(layers), "")
        self.parts, self._both = hidden_parts(self.network), both

    def unequal(self, u: np.ndarray) -> np.ndarray:
        """Which outputs may differ at nodes with upper bounds u [n, hidden] of the pair's neurons: [n, outputs].

        Layer by layer: `live` are the inputs that may be other than 0 in each network, `differ` those that may differ.
        """
        live = np.ones((2, len(u), self._both[self.first][0].weight.shape[1]), bool)
        if self.first and self._both[self.first - 1][0].relu:
            live &= ~(u[:, self.parts[self.first - 1]] <= 0)  # NaN is no bound
        differ = np.zeros_like(live[0])
        for layers, part in zip(self._both[self.first :], self.parts[self.first :]):
            other, may = layers[0].weight != layers[1].weight, layers[0].bias != layers[1].bias
            for alive, layer in zip(live, layers):
                used = layer.weight != 0  # a term w h, if it is not 0, must be the same in both
                may = may | (alive @ (used & other).T) | ((alive & differ) @ used.T)
            live = np.ones((2, *may.shape), bool)
            if layers[0].relu:
                live = np.stack(np.split(~(u[:, part] <= 0), 2, axis=1))
            differ = may & live.any(0)
        return differ


def _joined(a: Layer, b: Layer, shared: bool) -> Layer:
    """Both layers as one, of the same inputs where they are shared."""
    right, left = (np.zeros((len(x.weight), y.weight.shape[1])) for x, y in ((a, b), (b, a)))
    weight = np.block([[a.weight], [b.weight]] if shared else [[a.weight, right], [left, b.weight]])
    return Layer(weight, np.concatenate([a.bias, b.bias]), a.relu)
