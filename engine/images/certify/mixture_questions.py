"""An image with contents in a few numbers -> a network and a property (docs/certificate-format.md, section 15)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from engine.bounds.forward import ForwardBounds
from engine.certificate.encoding import MIXTURE_VERSION, rational_text
from engine.exact import nearest_floats
from engine.images.certify.family import Contents, Patch
from engine.images.certify.mixture import Mixture
from engine.images.certify.mixture_search import search
from engine.images.certify.questions import Key, Questions
from engine.images.classifier import Classifier
from engine.images.imageset import ImageSet
from engine.images.trigger import Trigger
from engine.network import Network
from engine.property import Property
from engine.replay import demand_executable
from engine.search.problem import OnVerdict, Options, Problem
from engine.tied import Tied, tied
from engine.verdict import Counterexample

Doubles = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, kw_only=True)
class MixtureQuestions(Questions):
    """Questions about contents in a few numbers. The patch is the whole image, so that there is one position.

    Each case has its own network: the classifier's behind x = T u + t.
    """

    mixture: Mixture
    point: ClassVar[str] = "numbers"

    def __post_init__(self) -> None:
        super().__post_init__()
        demand_executable(self.network)
        assert self._bounds  # InputError where there are none of this network

    @property
    def text(self) -> str:
        return self.mixture.text

    @property
    def n_inputs(self) -> int:
        return len(self.mixture.box)

    # --- what the search is asked -----------------------------------------------------------------

    def problem(self, image: int, position: int) -> Problem:
        return Problem(self.tied(image), self.property(image, position))

    def search(self, problems: Sequence[Problem], options: Options, on_verdict: OnVerdict) -> None:
        search(self._bounds, problems, options, on_verdict)

    @cached_property
    def _bounds(self) -> ForwardBounds:
        return ForwardBounds(self.network)

    def property(self, image: int, position: int) -> Property:
        lower, upper = zip(*self.mixture.box)
        return self._property_of(image, lower, upper, f"image {self.number(image)}")

    def tied(self, image: int) -> Tied:
        """The network of the case about this image."""
        own = self.values[image].astype(np.float64)
        columns, exact = [], True
        if self.mixture.blend is not None:
            column, exact = _difference(self.pattern, own)
            columns.append(column)
        if self.mixture.brightness is not None:
            columns.append(np.ones_like(own))
        if self.mixture.contrast is not None:
            column, held = _difference(own, np.full_like(own, self.classifier.scaling.ends[0]))
            columns.append(column)
            exact &= held
        return tied(self.network, np.stack(columns, 1), own, exact=exact)

    @cached_property
    def pattern(self) -> Doubles:
        """The picture that is blended in, as the network reads it: numbers of float32."""
        assert self.mixture.blend is not None
        read = self.classifier.inputs(torch.from_numpy(self.mixture.blend.pattern[None]))
        found: Doubles = read.flatten().numpy().astype(np.float64)
        return found

    # --- counterexamples --------------------------------------------------------------------------

    def held(self, key: Key, found: Counterexample) -> dict[str, np.ndarray]:
        given = nearest_floats(self.tied(key[0]).given(found.point), self.network.number)
        return {"input": given, "numbers": np.array(found.inputs)}

    def painted(self, key: Key, found: Counterexample) -> Trigger:
        """Of a blend alone the picture with this share; else the whole image as it becomes, clipped."""
        blend = self.mixture.blend
        if blend is not None and self.n_inputs == 1:
            return Trigger(np.full(self.images.shape, found.inputs[0], np.float32), blend.pattern)
        pixels = self._pixels(self.held(key, found)["input"])
        return Trigger(np.ones_like(pixels), pixels)

    # --- files ------------------------------------------------------------------------------------

    def certified(self) -> dict[str, Any]:
        blend = self.mixture.blend
        pattern = None if blend is None else [rational_text(Fraction(value)) for value in self.pattern.tolist()]
        return {"version": MIXTURE_VERSION, "contents": self._contents(pattern, rational_text)}

    def case(self, place: int, position: int) -> int:
        return place

    def recorded(self) -> dict[str, Any]:
        blend = self.mixture.blend
        digest = None if blend is None else hashlib.sha256(self.pattern.tobytes()).hexdigest()
        return {"contents": self._contents(digest, str)}

    def _contents(self, pattern: Any, text: Any) -> dict[str, Any]:
        """Section 15's `contents`, with this pattern."""
        mixture = self.mixture
        return {
            "blend": None if mixture.blend is None else {"pattern": pattern, "most": text(mixture.blend.most)},
            "brightness": None if mixture.brightness is None else text(mixture.brightness),
            "contrast": None if mixture.contrast is None else text(mixture.contrast),
        }


def mixture_questions(
    classifier: Classifier, network: Network, images: ImageSet, mixture: Mixture, target: int | None
) -> MixtureQuestions:
    """The questions whether any of these contents gives the class; see Questions."""
    _, rows, columns = classifier.shape
    low, high = map(Fraction, classifier.scaling.ends)
    patch, contents = Patch(rows, columns, ((0, 0),)), Contents(low, high, None)
    return MixtureQuestions(classifier, network, images, patch, contents, target, mixture=mixture)


def _difference(one: Doubles, other: Doubles) -> tuple[Doubles, bool]:
    """one - other to the nearest float64, and whether that is exact (Knuth's two-sum)."""
    found = one - other
    back = found + other
    error = (one - back) - (other - (back - found))
    return found, not error.any()
