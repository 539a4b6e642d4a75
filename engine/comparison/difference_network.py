"""The difference of two networks' outputs as a network of its own, in which neurons that both share stand once.

So its bounds are of the difference itself: what the networks have in common cancels before anything is bounded.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from engine.comparison.joined import Columns, both, may_differ
from engine.comparison.pair import first_difference
from engine.network import Affine, Network


@dataclass(frozen=True, slots=True, eq=False)
class DifferenceNetwork:
    """`network`(x)[i] + rest[i] = changed(x)[outputs[i]] - original(x)[outputs[i]] for all x, in real arithmetic.

    outputs: those that are not the same function by their numbers alone, ascending; rest: what float64 does not hold
    of a difference of biases.
    """

    network: Network
    outputs: tuple[int, ...]
    rest: tuple[Fraction, ...]


def difference_network(original: Network, changed: Network) -> DifferenceNetwork:
    """The difference of two networks of ReLUs, of one shape, whose numbers are their own.

    InputError where the shapes differ. Without any output that may differ the network has none.
    """
    if len(original.layers) == 1:  # without a hidden layer there is nothing that could stand twice
        original, changed = map(_with_hidden_layer, (original, changed))
    first, last = first_difference(original, changed), len(original.layers) - 1
    layers = list(original.layers[:first])
    columns = Columns.all_shared(original.layers[first].shape[1])
    if first == last:  # its rows are subtracted: what that would round is kept apart
        layers[-1], columns = _with_twins(original, changed)
    for k in range(first, last):
        one, other = original.layers[k], changed.layers[k]
        differ = may_differ(one, other, columns)
        if k == last - 1:
            differ |= _inexact(original.layers[last].weight, changed.layers[last].weight)
        layers.append(both(one, other, columns, differ))
        columns = Columns(np.flatnonzero(~differ), np.flatnonzero(differ))
    return _subtracted(layers, original.layers[last], changed.layers[last], columns)


def _with_hidden_layer(network: Network) -> Network:
    """The same function, behind a layer that changes nothing."""
    n = network.n_inputs
    return replace(network, layers=(Affine(np.eye(n), np.zeros(n), relu=False), *network.layers))


def _inexact(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """True for columns in which a difference of weights is no float64: [in]."""
    found = np.zeros(one.shape[1], bool)
    for i, j in zip(*np.nonzero(one != other)):
        found[j] |= _rest(one[i, j], other[i, j]) != 0
    return found


def _rest(one: float, other: float) -> Fraction:
    """What float64 does not hold of other - one."""
    difference = other - one
    exact = Fraction(float(other)) - Fraction(float(one))
    return exact - Fraction(float(difference))


def _with_twins(original: Network, changed: Network) -> tuple[Affine, Columns]:
    """The last hidden layer, which is the same in both, with neurons twice whose weights' difference is no float64."""
    last = len(original.layers) - 1
    twice = _inexact(original.layers[last].weight, changed.layers[last].weight)
    hidden = original.layers[last - 1]
    whole = Columns.all_shared(hidden.shape[1])
    return both(hidden, hidden, whole, twice), Columns(np.flatnonzero(~twice), np.flatnonzero(twice))


def _subtracted(layers: list[Affine], one: Affine, other: Affine, columns: Columns) -> DifferenceNetwork:
    """The last layer: of shared neurons the difference of weights, of others both, with their signs."""
    differ = np.flatnonzero(may_differ(one, other, columns))
    before, after = one.weight[differ], other.weight[differ]
    weight = np.concatenate(
        [after[:, columns.shared] - before[:, columns.shared], -before[:, columns.own], after[:, columns.own]], axis=1
    )
    bias = other.bias[differ] - one.bias[differ]
    rest = tuple(_rest(one.bias[j], other.bias[j]) for j in differ)
    network = Network((*layers, Affine(weight, bias, relu=False)), "difference")
    return DifferenceNetwork(network, tuple(map(int, differ)), rest)
