"""Claim and images -> cases, and how many images are safe (section 13)."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from engine.audit.data import Floats, Integers, Polytope, Row, Singles, Truths
from engine.audit.failures import demand
from engine.audit.images.certificate import Claim, Patch
from engine.audit.images.pixels import Images
from engine.audit.walk import outward


class Shown(NamedTuple):
    """What an accepted certificate shows: how many images count, and how many of them are safe."""

    counted: int
    safe: int


class Ends(NamedTuple):
    """The ends of an input, for each byte that its pixel may have: exact, and rounded outward."""

    lower: list[Fraction]
    upper: list[Fraction]
    below: Floats
    above: Floats

    @classmethod
    def of(cls, lower: list[Fraction], upper: list[Fraction]) -> "Ends":
        """Between these numbers [256]."""
        below = np.array([outward(end, -1) for end in lower])
        return cls(lower, upper, below, np.array([outward(end, 1) for end in upper]))

    @property
    def width(self) -> Integers:
        """1 where there is more than one value, 0 where there is one, -1 where there is none."""
        pairs = zip(self.lower, self.upper, strict=True)
        signs: Integers = np.array([(high > low) - (high < low) for low, high in pairs])
        return signs


@dataclass(frozen=True)
class Pictures:
    """What all cases share. fixed: of inputs outside of the patch. patch: of those within it."""

    images: Images
    form: Patch
    fixed: Ends
    patch: Ends
    width: Integers  # of the ends within the patch

    def within(self, position: int) -> Integers:
        """The inputs within the patch at this position."""
        row, column = self.form.positions[position]
        rows = row + np.arange(self.form.height)
        columns = column + np.arange(self.form.width)
        inputs: Integers = (rows[:, None] * self.images.width + columns).ravel()
        return inputs


@dataclass(frozen=True, slots=True)
class PatchCase:
    """Section 13, "Cases": an image with the patch at a position. A Case, made when it is asked."""

    shared: Pictures
    image: int  # its number in the file
    position: int
    unsafe: tuple[Polytope, ...]

    @property
    def lower(self) -> list[Fraction]:
        return self._ends(self.shared.fixed.lower, self.shared.patch.lower)

    @property
    def upper(self) -> list[Fraction]:
        return self._ends(self.shared.fixed.upper, self.shared.patch.upper)

    def _ends(self, fixed: list[Fraction], patch: list[Fraction]) -> list[Fraction]:
        image = self.shared.images.pixels[self.image].tolist()
        ends = [fixed[byte] for byte in image]
        for i in self.shared.within(self.position).tolist():
            ends[i] = patch[image[i]]
        return ends

    def free(self) -> Integers:
        """The free inputs."""
        inputs = self.shared.within(self.position)
        return inputs[self.shared.width[self._bytes(inputs)] > 0]

    def is_box(self) -> bool:
        """True iff lower <= upper."""
        width = self.shared.width[self._bytes(self.shared.within(self.position))]
        return bool((width >= 0).all())

    def box(self) -> tuple[Floats, Floats]:
        """The box, rounded outward."""
        inputs = self.shared.within(self.position)
        lower = self.shared.fixed.below[self.shared.images.pixels[self.image]]
        upper, own = lower.copy(), self._bytes(inputs)  # fixed inputs are numbers of float32
        lower[inputs], upper[inputs] = self.shared.patch.below[own], self.shared.patch.above[own]
        return lower, upper

    def _bytes(self, inputs: Integers) -> Integers:
        own: Integers = self.shared.images.pixels[self.image, inputs]
        return own


def cases_of(claim: Claim, images: Images, n_outputs: int) -> tuple[PatchCase, ...]:
    """The cases, in order. Rejected where the images have not what the claim is about."""
    patch, numbers, labels = claim.patch, claim.images, images.labels.tolist()
    demand(numbers[-1] < len(labels), f"image {numbers[-1]:,}: the file has {len(labels):,}")
    inside = all(
        row + patch.height <= images.height and column + patch.width <= images.width
        for row, column in patch.positions
    )
    demand(inside, f"a patch does not lie within {images.height} x {images.width} pixels")
    shared = _pictures(claim, images)
    unsafe = Unsafe(claim.target, n_outputs)
    cases = tuple(
        PatchCase(shared, numbers[i], j, unsafe.of(labels[numbers[i]])) for i, j in claim.cases
    )
    for case in cases:
        demand(case.is_box(), f"image {case.image:,}: a pixel has no value within its contents")
    return cases


def shown(claim: Claim, images: Images) -> Shown:
    """Section 13, at the end: of the images of the claim, how many count, and are safe."""
    labels = images.labels[claim.images]
    counts: Truths = labels != (-1 if claim.target is None else claim.target)
    there = Counter(i for i, _ in claim.cases)
    everywhere = [there[i] == claim.positions for i in range(len(labels))]
    return Shown(int(counts.sum()), int((counts & np.array(everywhere)).sum()))


def values_of(scaling: str) -> Singles:
    """Section 13, "Inputs": what each byte is as an input; each operation is that of float32."""
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    if scaling == "0..255":
        values = np.float32(255) * values
    if scaling == "-1..1":
        values = np.float32(2) * values - np.float32(1)
    return values.astype(np.float32)


def _pictures(claim: Claim, images: Images) -> Pictures:
    values = [Fraction(value) for value in values_of(claim.scaling).tolist()]
    lower, upper = [claim.patch.low] * len(values), [claim.patch.high] * len(values)
    around = claim.patch.around
    if around is not None:
        lower = [max(claim.patch.low, value - around) for value in values]
        upper = [min(claim.patch.high, value + around) for value in values]
    patch = Ends.of(lower, upper)
    return Pictures(images, claim.patch, Ends.of(values, values), patch, patch.width)


class Unsafe:
    """Polytopes of cases, which those of one label share.

    Rejected where there are no two outputs, or no such class.
    """

    def __init__(self, target: int | None, n_outputs: int) -> None:
        demand(n_outputs >= 2, "the network has fewer than two outputs")
        demand(target is None or target < n_outputs, f"the network has no output {target}")
        self._n_outputs = n_outputs
        self._known: dict[int, tuple[Polytope, ...]] = {}
        self._target = target

    def of(self, label: int) -> tuple[Polytope, ...]:
        """Those of a case about an image of this label."""
        key = label if self._target is None else self._target
        demand(key < self._n_outputs, f"an image is labelled {key}: the network has no such output")
        if key not in self._known:
            self._known[key] = self._polytopes(key)
        return self._known[key]

    def _polytopes(self, key: int) -> tuple[Polytope, ...]:
        """Of the class that is not given, or of the label."""
        others = [c for c in range(self._n_outputs) if c != key]
        if self._target is None:
            return tuple((_not_above(key, c),) for c in others)
        return (tuple(_not_above(c, key) for c in others),)


def _not_above(one: int, other: int) -> Row:
    """y_one - y_other <= 0"""
    return Row({}, {one: Fraction(1), other: Fraction(-1)}, Fraction(0), False)
