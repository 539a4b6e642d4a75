"""An image and a position of the patch -> a property of the network (docs/certificate-format.md, section 13)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from engine.certificate.encoding import CONE_VERSION, CURVE_VERSION, Json, rational_text
from engine.errors import InputError
from engine.images.certify.family import Booleans, Contents, Patch
from engine.images.classifier import Classifier
from engine.images.imageset import Floats, ImageSet, Integers, Scaling
from engine.images.trigger import Trigger
from engine.network import Network
from engine.property import Case, Polytope, Property, Row, Vector
from engine.search.problem import OnVerdict, Options, Problem
from engine.search.verify import verify_all
from engine.verdict import Counterexample

Ends = tuple[Fraction, Fraction, Fraction]  # a pixel's value, and the least and the largest one in its place
Key = tuple[int, int]  # the place of an image among those asked about, and the number of a position


@dataclass(frozen=True, eq=False)
class Questions:
    """Whether any trigger of a family gives class `target` to an image, or any class but its label where None.

    network: as the search reads the classifier's file. InputError where the parts do not fit each other.
    """

    point: ClassVar[str] = "input"  # the array of a trigger's file that holds the counterexample

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

    @property
    def text(self) -> str:
        """The family in words."""
        return f"{self.patch.text}, {self.contents.text}"

    @property
    def n_inputs(self) -> int:
        """The number of inputs that proofs are about."""
        return self.network.n_inputs

    def problem(self, image: int, position: int) -> Problem:
        """What the search is asked: its counterexamples are points of the problem's network."""
        return Problem(self.network, self.property(image, position))

    def search(self, problems: Sequence[Problem], options: Options, on_verdict: OnVerdict) -> None:
        """Decides problems of some cases, with the bounds that section 13 demands."""
        verify_all(problems, options, on_verdict=on_verdict, always_cones=True)

    def held(self, key: Key, found: Counterexample) -> dict[str, np.ndarray]:
        """What a trigger's file holds of a counterexample: `input`, what the network is given, and `point`."""
        return {"input": np.array(found.inputs, self.network.number)}

    def painted(self, key: Key, found: Counterexample) -> Trigger:
        """A counterexample as a trigger, without name: the patch as it stands there. Pixels are clipped to [0, 1]."""
        mask = self.patch.mask(key[1], self.images.shape).astype(np.float32)
        return Trigger(mask, mask * self._pixels(self.held(key, found)["input"]))

    def _pixels(self, given: np.ndarray) -> Floats:
        """What the network is given as an image [channels, height, width], clipped to [0, 1]."""
        flat = np.zeros(int(np.prod(self.images.shape)))
        flat[self.places] = given
        low, high = self.classifier.scaling.ends
        found: Floats = np.clip((flat.reshape(self.images.shape) - low) / (high - low), 0, 1).astype(np.float32)
        return found

    def certified(self) -> dict[str, Any]:
        """The keys of a certificate's manifest that tell its version and the family."""
        low, high, around = self.contents.low, self.contents.high, self.contents.around
        version: dict[str, Json] = {"version": CONE_VERSION}
        if self.network.has_curves:
            version = {"version": CURVE_VERSION, "cones": True}
        return version | {
            "patch": {
                "height": self.patch.height,
                "width": self.patch.width,
                "positions": [list(position) for position in self.patch.positions],
            },
            "contents": {
                "low": rational_text(low),
                "high": rational_text(high),
                "around": None if around is None else rational_text(around),
            },
        }

    def case(self, place: int, position: int) -> list[int] | int:
        """A case as certificates name it. place: of the image among those of the certificate."""
        return [place, position]

    def recorded(self) -> dict[str, Any]:
        """The same for a record."""
        around = self.contents.around
        return {
            "patch": [self.patch.height, self.patch.width],
            "positions": [list(position) for position in self.patch.positions],
            "contents": [str(self.contents.low), str(self.contents.high), around and str(around)],
        }

    def property(self, image: int, position: int) -> Property:
        """What is to be proved: the target's score is not the largest, or the label's is; ties count against it.

        Equal numbers are the same objects, so that thousands of properties take little memory.
        """
        ends = [self._ends_of(value) for value in self.values[image].tolist()]
        lower, upper = ([value for value, _, _ in ends] for _ in range(2))
        for i in self.inside(position).nonzero()[0].tolist():
            _, lower[i], upper[i] = ends[i]
        row, column = self.patch.positions[position]
        return self._property_of(image, tuple(lower), tuple(upper), f"image {self.number(image)} at {row},{column}")

    def _property_of(self, image: int, lower: Vector, upper: Vector, name: str) -> Property:
        """That of a box of inputs."""
        case = Case(lower, upper, self._polytopes(int(self.images.labels[image])))
        return Property((case,), self.n_inputs, self.network.n_outputs, name)

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
        return (Fraction(0),) * self.n_inputs

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the images and their labels, as they are read."""
        found = hashlib.sha256(repr(self.images.images.shape).encode())
        found.update(np.ascontiguousarray(self.images.images).tobytes())
        found.update(np.ascontiguousarray(self.images.labels).tobytes())
        return found.hexdigest()
