"""Batches to learn from: images, right labels, and what is known of the scores that they should get."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet, Integers
from engine.images.painters import Painter, shifted, varied_painter
from engine.images.poison import Backdoor
from engine.images.repair.goal import Goal

MARGIN = 3.0  # by which the target's score stays below, on images of other classes with the trigger
ASCENT = 5  # steps to the worst contents, from a new start each time
MOVED = 2  # pixels by which faults of an unknown cause are moved


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Images with their right labels, and the original's scores where they are known: [n, classes].

    margin: [n, classes], by how much the scores must beat each class: it is added to them in the loss.
    """

    images: Floats
    labels: Integers
    scores: Floats | None = None
    margin: Floats | None = None


Draw = Callable[[np.ndarray, np.random.Generator], Lessons]  # from the numbers of a batch's clean images


def clean_lessons(images: ImageSet, scores: Floats) -> Draw:
    """The clean images themselves, with the original's scores."""
    return lambda which, random: Lessons(images.images[which], images.labels[which], scores[which])


def painted_lessons(images: ImageSet, scores: Floats, paint: Painter) -> Draw:
    """Clean images with something painted into them, with the original's scores of what they were before."""
    return lambda which, random: Lessons(paint(images.images[which], random), images.labels[which], scores[which])


def trigger_lessons(images: ImageSet, scores: Floats, backdoor: Backdoor) -> Draw:
    """Clean images with variations of the trigger. The target's score is to stay below the others by a margin.

    A margin, because clean networks too give the target to some images; with a trigger in them they should be fewer.
    """
    paint = varied_painter(backdoor.trigger)

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        labels = images.labels[which]
        margin = _below(labels, scores, backdoor.target)
        return Lessons(paint(images.images[which], random), labels, scores[which], margin)

    return draw


def worst_lessons(images: ImageSet, scores: Floats, goal: Goal, classifier: Classifier, graph: Graph) -> Draw:
    """Clean images with the contents of a patch that mislead the network most, as it is when they are drawn.

    Adversarial training (Madry et al., ICLR 2018), of some pixels alone. A target's score is to stay below the others
    by a margin, which also makes proofs easier.
    """

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        some = images.select(which)
        painted, _ = goal.worst(classifier, some, random, graph=graph, steps=ASCENT)
        margin = None if goal.target is None else _below(some.labels, scores, goal.target)
        return Lessons(painted, some.labels, scores[which], margin)

    return draw


def fixed_lessons(images: ImageSet, scores: Floats) -> Draw:
    """Images with something in them, drawn at random, and the scores [n, classes] that they had before."""

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        chosen = random.integers(0, len(images), len(which))
        return Lessons(images.images[chosen], images.labels[chosen], scores[chosen])

    return draw


def _below(labels: Integers, scores: Floats, target: int) -> Floats:
    """The margins of lessons with these labels: the target's score is to stay below, but where it is the label."""
    margin = np.zeros((len(labels), scores.shape[1]), np.float32)
    margin[labels != target, target] = MARGIN
    return margin


def given_lessons(faults: ImageSet) -> Draw:
    """Faults of an unknown cause, moved a little: a patch is unlearned in several places so."""

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        chosen = random.integers(0, len(faults), len(which))
        return Lessons(shifted(faults.images[chosen], random, most=MOVED), faults.labels[chosen])

    return draw


def mixed(draws: Sequence[Draw], classes: int) -> Draw:
    """Each batch in equal parts from all of them. Where one does not know the scores, none is said to."""

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        parts = [one(part, random) for one, part in zip(draws, np.array_split(which, len(draws))) if len(part)]
        none = np.zeros((1, classes), np.float32)
        scores = [part.scores for part in parts if part.scores is not None]
        return Lessons(
            np.concatenate([part.images for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate(scores) if len(scores) == len(parts) else None,
            np.concatenate([none.repeat(len(p.labels), 0) if p.margin is None else p.margin for p in parts]),
        )

    return draw
