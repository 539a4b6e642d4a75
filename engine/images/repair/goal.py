"""The bound that a repair is to end with, proved."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.images.certify.family import Contents, Patch
from engine.images.certify.worst import STEPS, worst_contents
from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """No trigger of a family may succeed on more than the share `most` of the images that count, and that is proved.

    patch, contents, target: the family, and the class that it must not give; target is None where the label must stay.
    held_out: on so many images it is proved in the end; images: on so many a round's result is judged by proof; rounds:
    at most; timeout: seconds for an image and position.
    """

    patch: Patch
    contents: Contents
    target: int | None
    most: Fraction
    held_out: int = 1000
    images: int = 200
    rounds: int = 4
    timeout: float = 5.0

    def counted(self, images: ImageSet) -> ImageSet:
        """The images that count: all but those labelled with the target."""
        return images if self.target is None else images.select(images.labels != self.target)

    def worst(
        self,
        classifier: Classifier,
        images: ImageSet,
        random: np.random.Generator,
        *,
        graph: Graph | None = None,
        steps: int = STEPS,
    ) -> tuple[Floats, Floats]:
        """The images with the worst contents found of the family, and their margins (worst.py)."""
        return worst_contents(
            classifier, images, self.patch, self.contents, self.target, random, graph=graph, steps=steps
        )
