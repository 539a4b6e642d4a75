"""Layer by layer, the values of neurons that no free input reaches, and the biases that they make: with all rounding.

With |h - c| <= r for the values h of a layer's inputs that are constant, a row W h + b of weights and a bias lies
within |W| r of W c + b. With u = 2^-53 and n weights other than 0, W c + b is computed, in any order of summation, up
to (n + 2) u (|W| |c| + |b|) (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and numbers of
rounded networks are off by u of themselves, which adds at most u (|W| (|c| + r) + |b|). So with g = 2 (n + 8) u the
true value is within

    |W| ((1 + g) r + g |c|) + g |b|

of the computed one, and within 1 + g times that as it is computed: a sum of numbers >= 0 loses less. Products that
underflow change less than TINY. Values of curves are those of engine/curves/floating.py.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from engine.cone.reach import Reach
from engine.curves.floating import enclosed
from engine.errors import InputError
from engine.network import Network

TINY = 2.0**-1000
LARGEST = 2.0**100  # what the bounds' rounding is about (bounds/rounding.py)


class Products:
    """Products of many vectors with the weights W of each layer of a network, and with |W|."""

    def __init__(self, network: Network):
        self.network = network
        self._terms = [layer.terms for layer in network.layers]

    def affine(self, k: int, c: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(z, radius) [n, out]: layer k's rows W h + b lie within radius of z for all |h - c| <= r, c and r [n, in].

        InputError where a value may reach 2^100: rounding is not bounded there.
        """
        weight, bias = self.network.layers[k].matrix, self.network.layers[k].bias
        g = 2.0**-52 * (self._terms[k] + 8)
        with np.errstate(over="ignore", invalid="ignore"):
            z = (weight @ c.T).T + bias
            radius = ((abs(weight) @ ((1 + g) * r + g * np.abs(c)).T).T + g * np.abs(bias)) * (1 + g) + TINY
            small = (np.abs(z) + radius < LARGEST).all()  # NaN is not below it either
        if not small:
            raise InputError(
                f"inputs or outputs of layer {k + 1} may reach 2^100 on the input box",
                where=self.network.name,
                advice="use smaller weights or inputs",
            )
        return z, radius


def folded(
    reach: Reach, products: Products, values: Sequence[Sequence[Fraction]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each layer the biases [n, reached] of the part that is reached, and radii: the true ones are no farther away.

    values: for each of n cases those of the fixed inputs, in order. A bias holds the network's own one and what all
    neurons that are not reached add to it. InputError where numbers are beyond the rounding analysis.
    """
    c, r = np.zeros((2, len(values), reach.network.n_inputs))
    for i, given in enumerate(values):
        c[i, reach.fixed], r[i, reach.fixed] = zip(*map(_held, given)) if given else ((), ())
    for k, (layer, rows) in enumerate(zip(reach.network.layers, reach.rows)):
        z, radius = products.affine(k, c, r)
        yield z[:, rows], radius[:, rows]
        relu = np.broadcast_to(layer.relu, layer.bias.shape)
        if layer.curve:
            ends = enclosed(layer.curve, z, radius)
        else:
            ends = np.maximum(z, 0), np.where(z < -radius, 0, radius)
        c, r = (np.where(relu, bent, own) for bent, own in zip(ends, (z, radius)))
        c[:, rows] = r[:, rows] = 0


def _held(value: Fraction) -> tuple[float, float]:
    """The nearest float64 number, and a bound of its distance: 0 where it is the value."""
    if abs(value.numerator) >= value.denominator << 100:
        raise InputError("an input of one value only reaches 2^100", advice="use smaller inputs")
    number = float(value)
    is_held = number.as_integer_ratio() == (value.numerator, value.denominator)
    return number, 0.0 if is_held else abs(number) * 2.0**-52 + TINY
