"""The second checker's layers, and what it says where something does not hold."""

import math
from collections import namedtuple
from fractions import Fraction
from functools import cached_property

ZERO, ONE = Fraction(0), Fraction(1)


class Rejected(Exception):
    """The certificate is well formed, but does not show its claim."""


def must(condition, error=Rejected):
    if not condition:
        raise error


class Layer(namedtuple("Layer", "weights bias relu radii curve", defaults=(None, None))):
    """relu: whether it has one, or of each neuron whether it has; curve: what these have in its place, if it is none;
    radii: of b, where it is not known exactly."""

    @property
    def relus(self):
        return self.relu if isinstance(self.relu, list) else [self.relu] * len(self.bias)

    @property
    def spread(self):
        return self.radii or [ZERO] * len(self.bias)

    @cached_property
    def whole(self):
        """A common denominator of W, and each row's {column: number times it}, without zeros."""
        common = math.lcm(*{w.denominator for row in self.weights for w in row if w is not ZERO})
        return common, [
            {j: w.numerator * (common // w.denominator) for j, w in enumerate(row) if w is not ZERO and w}
            for row in self.weights
        ]


def identity(size):
    return Layer([[ONE if i == j else ZERO for j in range(size)] for i in range(size)], [ZERO] * size, False)


def exact(array):
    return [Fraction(number) if number else ZERO for number in map(float, array.flatten())]
