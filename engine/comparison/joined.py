"""Two networks of one shape side by side, in which the neurons that both share stand once.

So what the networks have in common cancels in a difference of their outputs before anything is bounded. A neuron is
shared if it has the same numbers in both, and reads shared neurons only.
"""

from dataclasses import dataclass

import numpy as np

from engine.comparison.pair import first_difference
from engine.network import Affine, Network


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The neurons that a layer reads: `shared` by both networks, then the original's of `own`, then the changed one's.

    Both are numbers of neurons of the two networks, ascending.
    """

    shared: np.ndarray
    own: np.ndarray

    @classmethod
    def all_shared(cls, width: int) -> "Columns":
        """So many neurons, all of them shared."""
        return cls(np.arange(width), np.arange(0))

    def rows(self, weight: np.ndarray, *, changed: bool) -> np.ndarray:
        """Rows [out, in] of one of the networks, as rows that read these columns."""
        none = np.zeros((len(weight), len(self.own)))
        own = [none, weight[:, self.own]] if changed else [weight[:, self.own], none]
        return np.concatenate([weight[:, self.shared], *own], axis=1)


def joined(original: Network, changed: Network) -> Network:
    """The network x -> (original(x), changed(x)), in real arithmetic; its hidden neurons are as in `both`.

    InputError where the shapes differ.
    """
    layers, columns = [], Columns.all_shared(original.n_inputs)
    for one, other, differ in zip(original.layers, changed.layers, _differing(original, changed)):
        layers.append(both(one, other, columns, differ) if differ.any() else one)
        columns = Columns(np.flatnonzero(~differ), np.flatnonzero(differ))
    return Network(tuple(layers), changed.name)


def places_in_joined(original: Network, changed: Network) -> np.ndarray:
    """The number, among `joined`'s hidden neurons, of each hidden neuron of the pair (pair.py)."""
    first, places, used = first_difference(original, changed), [np.empty(0, np.int64)], 0
    for k, (layer, differ) in enumerate(zip(original.layers, _differing(original, changed))):
        if layer.relu is not False:
            here, own = np.empty((2, len(differ)), np.int64), int(differ.sum())
            here[:, ~differ] = used + np.arange(len(differ) - own)
            used += len(differ) - own
            here[0, differ], here[1, differ] = used + np.arange(own), used + own + np.arange(own)
            used += 2 * own
            places += [here[0]] if k < first else [here[0], here[1]]
    return np.concatenate(places)


def _differing(original: Network, changed: Network) -> list[np.ndarray]:
    """Of each layer: True for neurons that are not shared, as all outputs: bool [out]."""
    first, last = first_difference(original, changed), len(original.layers) - 1
    found = [np.zeros(len(layer.bias), bool) for layer in original.layers[:first]]
    columns = Columns.all_shared(original.layers[first].shape[1])
    for one, other in zip(original.layers[first:last], changed.layers[first:last]):
        found.append(may_differ(one, other, columns))
        columns = Columns(np.flatnonzero(~found[-1]), np.flatnonzero(found[-1]))
    return [*found, np.ones(original.n_outputs, bool)]


def may_differ(one: Affine, other: Affine, columns: Columns) -> np.ndarray:
    """True for neurons that are not shared: [out]."""
    found: np.ndarray = (one.weight != other.weight).any(1) | (one.bias != other.bias)
    for layer in (one, other):
        found |= (layer.weight[:, columns.own] != 0).any(1)
    return found


def both(one: Affine, other: Affine, columns: Columns, differ: np.ndarray) -> Affine:
    """A layer of the two: the neurons that are shared, then the others of the original and of the changed network."""
    before, after = columns.rows(one.weight, changed=False), columns.rows(other.weight, changed=True)
    weight = np.concatenate([before[~differ], before[differ], after[differ]])
    bias = np.concatenate([one.bias[~differ], one.bias[differ], other.bias[differ]])
    relus = np.broadcast_to(one.relu, one.bias.shape)
    return Affine(weight, bias, np.concatenate([relus[~differ], relus[differ], relus[differ]]))
