"""Cases about contents in a few numbers (section 15)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from engine.audit.blocks import LEAST
from engine.audit.data import Floats, Polytope
from engine.audit.failures import demand
from engine.audit.images.cases import Unsafe, values_of
from engine.audit.images.certificate import Claim
from engine.audit.images.mixture import Mixture
from engine.audit.images.pixels import Images


class Equations(NamedTuple):
    """x = weight @ u + bias, as the nearest float64 numbers. exact: whether they are the true ones.

    weight [inputs, numbers], bias [inputs].
    """

    weight: Floats
    bias: Floats
    exact: bool


@dataclass(frozen=True, slots=True)
class MixtureCase:
    """Section 15, "Cases": an image with these contents. A Case, whose inputs are a, b and c.

    inputs: of each byte that a pixel may have.
    """

    mixture: Mixture
    images: Images
    image: int  # its number in the file
    inputs: list[Fraction]
    black: Fraction
    unsafe: tuple[Polytope, ...]

    @property
    def lower(self) -> list[Fraction]:
        return self.mixture.box[0]

    @property
    def upper(self) -> list[Fraction]:
        return self.mixture.box[1]

    def equations(self) -> Equations:
        """Section 15, "The network of a case". Rejected where a number is too small or large."""
        own = [self.inputs[byte] for byte in self.images.pixels[self.image].tolist()]
        rows = [[*row, value] for row, value in zip(self._slopes(own), own, strict=True)]
        numbers = {value for row in rows for value in row if value}
        in_range = all(LEAST <= abs(value) < 2**100 for value in numbers)
        demand(in_range, f"image {self.image:,}: a number of its equations is too small or large")
        nearest = np.array([[float(value) for value in row] for row in rows])
        exact = all(Fraction(float(value)) == value for value in numbers)
        return Equations(np.ascontiguousarray(nearest[:, :-1]), nearest[:, -1], exact)

    def _slopes(self, own: list[Fraction]) -> list[list[Fraction]]:
        """The rows of T. own: the image's inputs."""
        pattern, brightness, contrast = self.mixture.pattern, *self.mixture[2:]
        columns = []
        if pattern is not None:
            columns.append([p - x for p, x in zip(pattern, own, strict=True)])
        if brightness is not None:
            columns.append([Fraction(1)] * len(own))
        if contrast is not None:
            columns.append([x - self.black for x in own])
        return [list(row) for row in zip(*columns, strict=True)]


def mixture_cases(claim: Claim, images: Images, n_outputs: int) -> tuple[MixtureCase, ...]:
    """The cases, in order. Rejected where the images have not what the claim is about."""
    mixture, numbers, labels = claim.family, claim.images, images.labels.tolist()
    assert isinstance(mixture, Mixture)
    demand(numbers[-1] < len(labels), f"image {numbers[-1]:,}: the file has {len(labels):,}")
    pixels = images.height * images.width
    fits = mixture.pattern is None or len(mixture.pattern) == pixels
    demand(fits, f"its pattern has not {pixels:,} numbers, as an image has pixels")
    inputs = [Fraction(value) for value in values_of(claim.scaling).tolist()]
    black = Fraction(-1 if claim.scaling == "-1..1" else 0)
    unsafe = Unsafe(claim.target, n_outputs)
    return tuple(
        MixtureCase(mixture, images, numbers[i], inputs, black, unsafe.of(labels[numbers[i]]))
        for i, _ in claim.cases
    )
