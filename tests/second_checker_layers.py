"""The second checker's layers, and what it says where something does not hold."""

import math
from collections import namedtuple
from fractions import Fraction
from functools import cached_property
from operator import mul

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


def float32(value):
    """The nearest float32 number, ties to even."""
    if not value:
        return ZERO
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < Fraction(2) ** exponent
    unit = Fraction(2) ** max(exponent - 23, -149)
    return round(value / unit) * unit


def dot(left, right):
    """sum of left_i right_i."""
    pairs = [(a, b) for a, b in zip(left, right) if a is not ZERO and b is not ZERO]
    (p, left), (q, right) = common([a for a, _ in pairs]), common([b for _, b in pairs])
    return Fraction(sum(map(mul, left, right)), p * q)


def common(values):
    """Their common denominator, and the values times it."""
    p = math.lcm(*{value.denominator for value in values})
    return p, [value.numerator * (p // value.denominator) for value in values]


def apply(layer, values):
    (q, rows), (p, values) = layer.whole, common(values)
    return [Fraction(sum(w * values[j] for j, w in r.items()), p * q) + b for r, b in zip(rows, layer.bias)]


def scaled(form, factor):
    return {name: factor * a for name, a in form.items()}


def total(forms):
    forms = list(forms)
    return {name: sum(form.get(name, ZERO) for form in forms) for name in set().union(*forms)}
