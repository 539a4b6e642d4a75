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
    first, last = first_difference(original, changed), len(original.layers) - 1
    layers = list(original.layers[:first])
    columns = Columns.all_shared(original.layers[first].shape[1])
    for one, other in zip(original.layers[first:last], changed.layers[first:last]):
        differ = may_differ(one, other, columns)
        layers.append(both(one, other, columns, differ))
        columns = Columns(np.flatnonzero(~differ), np.flatnonzero(differ))
    one, other = original.layers[last], changed.layers[last]
    layers.append(both(one, other, columns, np.ones(len(one.bias), bool)))
    return Network(tuple(layers), changed.name)


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
