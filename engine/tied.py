"""Networks behind equations: x = T u + t put first, so that they are functions of a few free inputs u."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.network import Affine, Network
from engine.property import Vector


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tied(Network):
    """The function u -> own(T u + t), of which x = T u + t is the first layer; it has no file of its own.

    own: the network as its file has it. Executed, it is given the nearest of its numbers to x.
    """

    own: Network

    def given(self, free: Vector) -> Vector:
        """T u + t exactly, of the numbers in the first layer."""
        first = self.layers[0]
        weights, bias = first.weight.tolist(), first.bias.tolist()
        terms = (zip(row, free) for row in weights)
        return tuple(Fraction(b) + sum(Fraction(w) * u for w, u in term) for b, term in zip(bias, terms))


def tied(own: Network, weight: np.ndarray, bias: np.ndarray, *, exact: bool) -> Tied:
    """The network behind x = weight u + bias [inputs, free], float64; exact: whether these are the numbers meant, and
    not only the nearest."""
    first = Affine(weight, bias, relu=False, rounded=not exact)
    return Tied(layers=(first, *own.layers), name=own.name, number=np.float64, own=own)
