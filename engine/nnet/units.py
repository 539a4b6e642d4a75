"""Normalization of a network's inputs and outputs, and the layers that do it exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.errors import InputError
from engine.nnet.decimals import Decimals, nearest
from engine.property import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """z = weight @ h + bias, then max(z, 0) where `relu`; exact numbers, [out, in] and [out]."""

    weight: Decimals
    bias: Decimals
    relu: bool


@dataclass(frozen=True, slots=True)
class Normalization:
    """The network's own inputs are (min(max(x, minima), maxima) - means) / ranges of raw ones, entry by entry.

    Raw outputs are output_range * y + output_mean. All numbers are exact; minima <= maxima, ranges > 0.
    """

    minima: Vector
    maxima: Vector
    means: Vector
    ranges: Vector
    output_mean: Fraction = Fraction(0)
    output_range: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if not len(self.minima) == len(self.maxima) == len(self.means) == len(self.ranges):
            raise InputError("minima, maxima, means and ranges differ in number", advice="give one of each an input")
        demand_order(self.minima, self.maxima)
        if min((*self.ranges, self.output_range)) <= 0:
            raise InputError("a range is not positive", advice="check the normalization")

    @classmethod
    def identity(cls, n_inputs: int, number: type[np.floating] = np.float32) -> "Normalization":
        """The one that changes no input of that number type, and no output."""
        largest = Fraction(float(np.finfo(number).max))
        zeros, ones = (Fraction(0),) * n_inputs, (Fraction(1),) * n_inputs
        return cls((-largest,) * n_inputs, (largest,) * n_inputs, zeros, ones)

    def before(self) -> tuple[Layer, Layer]:
        """The layers that clip and normalize: clipped x is minima + relu(x - minima) - relu(x - maxima), exactly."""
        n = len(self.minima)
        ends = nearest([-end for end in (*self.minima, *self.maxima)])
        clip = Layer(_exactly(np.vstack([np.eye(n), np.eye(n)])), ends, relu=True)
        factors = [1 / one for one in self.ranges]
        weight = np.hstack([_diagonal(factors), _diagonal([-one for one in factors])])
        offsets = [(low - mean) * one for low, mean, one in zip(self.minima, self.means, factors)]
        return clip, Layer(_matrix(weight), nearest(offsets), relu=False)

    def after(self, n_outputs: int) -> Layer:
        """The layer that scales outputs back."""
        weight = _matrix(_diagonal([self.output_range] * n_outputs))
        return Layer(weight, nearest([self.output_mean] * n_outputs), relu=False)


def demand_order(minima: Vector, maxima: Vector) -> None:
    """InputError unless minima <= maxima."""
    if any(low > high for low, high in zip(minima, maxima)):
        raise InputError("a minimum is above its maximum", advice="check the normalization")


def _diagonal(values: Sequence[Fraction]) -> np.ndarray:
    matrix = np.full((len(values), len(values)), Fraction(0), object)
    np.fill_diagonal(matrix, values)
    return matrix


def _matrix(values: np.ndarray) -> Decimals:
    flat = nearest(values.ravel().tolist())
    return Decimals(flat.values.reshape(values.shape), flat.sides.reshape(values.shape))


def _exactly(values: np.ndarray) -> Decimals:
    return Decimals(values, np.zeros(values.shape, np.int8))
