"""An image and a position of the patch -> a property of the network (docs/certificate-format.md, section 13)."""

import hashlib
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch

from engine.errors import InputError
from engine.images.certify.family import Booleans, Contents, Patch
from engine.images.classifier import Classifier
from engine.images.imageset import Floats, ImageSet, Integers, Scaling
from engine.network import Network
from engine.property import Case, Polytope, Property, Row

Ends = tuple[Fraction, Fraction, Fraction]  # a pixel's value, and the least and the largest one in its place
Key = tuple[int, int]  # the place of an image among those asked about, and the number of a position


@dataclass(frozen=True, eq=False)
class Questions:
    """Whether any trigger of a family gives class `target` to an image, or any class but its label where None.

    network: as the search reads the classifier's file. InputError where the parts do not fit each other.
    """

    classifier: Classifier
    network: Network
    images: ImageSet
    patch: Patch
    contents: Contents
    target: int | None
    _ends: dict[float, Ends] = field(default_factory=dict, init=False, repr=False)
    _unsafe: dict[int, tuple[Polytope, ...]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.classifier.demand_fit(self.images)
        classes = self.network.n_outputs
        if classes < 2:
            raise InputError("it has one output only, and so no classes", where=self.network.name)
        if self.target is not None and not 0 <= self.target < classes:
            raise InputError(
                f"there is no class {self.target}", where="--target", advice=f"say one from 0 to {classes - 1}"
            )
        if not self.asked.any():
            what = "there are no images" if not len(self.images) else f"all are labelled {self.target}, the target"
            raise InputError(what, where=self.images.name, advice="take more images, or others")

    @cached_property
    def asked(self) -> Booleans:
        """Which images count: those of other classes than the target."""
        return np.not_equal(self.images.labels, -1 if self.target is None else self.target)

    @cached_property
    def classes(self) -> Integers:
        """The class of each image as it is."""
        return self.classifier.predict(self.images.images)

    @cached_property
    def wrong(self) -> Booleans:
        """Which of the images that count need no trigger: they have the target, or not their label, as they are."""
        needs_none = self.classes != self.images.labels if self.target is None else self.classes == self.target
        found: Booleans = self.asked & needs_none
        return found

    @cached_property
    def values(self) -> Floats:
        """The images as the network reads them: float32 [n, inputs]."""
        found: Floats = self.classifier.inputs(torch.from_numpy(self.images.images)).flatten(1).numpy()
        return found

    @cached_property
    def places(self) -> Integers:
        """The place of each input in an image [channels, height, width], flattened: [inputs]."""
        size = int(np.prod(self.images.shape))
        numbers = torch.arange(size, dtype=torch.float64).reshape(1, *self.images.shape)
        unscaled = replace(self.classifier, scaling=Scaling.UNIT)
        found: Integers = unscaled.inputs(numbers).flatten().numpy().astype(np.int64)
        return found

    def inside(self, position: int) -> Booleans:
        """Which inputs lie within the patch at the position of this number: [inputs]."""
        found: Booleans = self.patch.mask(position, self.images.shape).ravel()[self.places]
        return found

    def number(self, image: int) -> int:
        """The number by which people know an image: that in its file, or else its place."""
        origin = self.images.origin
        return image if origin is None else int(origin.numbers[image])

    def property(self, image: int, position: int) -> Property:
        """What is to be proved: the target's score is not the largest, or the label's is; ties count against it.

        Equal numbers are the same objects, so that thousands of properties take little memory.
        """
        ends = [self._ends_of(value) for value in self.values[image].tolist()]
        lower, upper = ([value for value, _, _ in ends] for _ in range(2))
        for i in self.inside(position).nonzero()[0].tolist():
            _, lower[i], upper[i] = ends[i]
        row, column = self.patch.positions[position]
        case = Case(tuple(lower), tuple(upper), self._polytopes(int(self.images.labels[image])))
        name = f"image {self.number(image)} at {row},{column}"
        return Property((case,), self.network.n_inputs, self.network.n_outputs, name)

    def _ends_of(self, value: float) -> Ends:
        if value not in self._ends:
            exact = Fraction(value)
            self._ends[value] = exact, *self.contents.ends(exact)
        return self._ends[value]

    def _polytopes(self, label: int) -> tuple[Polytope, ...]:
        """As section 13 has them: y_c - y_T <= 0 for all c but T together; or y_label - y_c <= 0 for each c."""
        known = self.target if self.target is not None else label
        if known not in self._unsafe:
            others = [c for c in range(self.network.n_outputs) if c != known]
            if self.target is not None:
                found: tuple[Polytope, ...] = (Polytope(tuple(self._row(c, known) for c in others)),)
            else:
                found = tuple(Polytope((self._row(known, c),)) for c in others)
            self._unsafe[known] = found
        return self._unsafe[known]

    def _row(self, plus: int, minus: int) -> Row:
        """y_plus - y_minus <= 0."""
        outputs = [Fraction((c == plus) - (c == minus)) for c in range(self.network.n_outputs)]
        return Row(self._no_inputs, tuple(outputs), Fraction(0))

    @cached_property
    def _no_inputs(self) -> tuple[Fraction, ...]:
        return (Fraction(0),) * self.network.n_inputs

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the images and their labels, as they are read."""
        found = hashlib.sha256(repr(self.images.images.shape).encode())
        found.update(np.ascontiguousarray(self.images.images).tobytes())
        found.update(np.ascontiguousarray(self.images.labels).tobytes())
        return found.hexdigest()
