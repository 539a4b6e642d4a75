"""Unlearning, after Neural Cleanse (Wang et al., IEEE S&P 2019): training goes on with the trigger and right labels.

As published (`exact`): one epoch on a tenth of the images, a fifth of them with the trigger. This leaves neighbours
of the trigger alive, and costs accuracy. So by default the trigger comes in all positions, sizes and contents, the
original's scores are kept on clean images, and validation images choose among the steps.
"""

import numpy as np

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet, joined
from engine.images.measure import accuracy, right
from engine.images.repair.painters import shifted, varied_painter
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, parted, silent
from engine.images.repair.tuning import Draw, Lessons, TuningOptions, batch_of, steps_of, told, tune
from engine.images.training import TrainingOptions, fit

SHARE, TRIGGERED = 0.1, 0.2  # published: of the images, and with the trigger among them
RATE = 1e-3  # not published; that of the usual training
MARGIN = 3.0  # by which the target's score stays below, on images of other classes with the trigger
MOVED = 2  # pixels by which faults of an unknown cause are moved


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The network after training on clean images and faults with right labels, by default on variations of them."""
    own = options.of("unlearn")
    if unknown := set(own) - {"exact", "steps"}:
        raise InputError(f"it has no option {sorted(unknown)[0]!r}", where="unlearn")
    if own.get("exact"):
        return _exact(task, report)
    return _varied(task, TuningOptions(seed=task.seed, steps=steps_of(own)), report)


def _exact(task: RepairTask, report: Report) -> Candidate:
    chosen, _ = parted(task.clean, SHARE, seed=task.seed)
    with_trigger, clean = parted(chosen, TRIGGERED, seed=task.seed)
    if task.backdoor is not None:
        faults = with_trigger.with_images(task.backdoor.trigger.paint(with_trigger.images))
    else:
        faults, _ = parted(task.faults, min(1.0, len(with_trigger) / len(task.faults)), seed=task.seed)
    images = joined([clean, faults])
    graph = task.classifier.graph(device=task.device)
    settings = TrainingOptions(epochs=1, rate=RATE, seed=task.seed)
    fit(task.classifier, graph, images, settings, report=told(report))
    note = f"one epoch on {len(images)} images, {len(faults)} of them faults"
    return Candidate(task.classifier.with_weights(graph.weights), note)


def _varied(task: RepairTask, settings: TuningOptions, report: Report) -> Candidate:
    graph = task.classifier.graph(device=task.device)
    scores = task.classifier.scores(task.clean.images, graph=graph)
    before = accuracy(task.classifier, task.validation, graph=graph)
    draw, hard = _faults_of(task, scores)

    def judge(graph: Graph) -> float:
        """Accuracy less the faults left; more accuracy than the original's counts little, as chance plays a part."""
        found = accuracy(task.classifier, task.validation, graph=graph)
        left = [1 - float(right(task.classifier, images, graph=graph).mean()) for images in hard]
        return min(found, before) + 0.1 * found - float(np.mean(left))

    tune(task, graph, batch_of(task.clean, scores), draw, settings, judge=judge, report=report)
    what = "variations of the trigger" if task.backdoor else f"{len(task.faults)} faults"
    note = f"{settings.steps} steps on clean images and {what}"
    return Candidate(task.classifier.with_weights(graph.weights), note)


def _faults_of(task: RepairTask, scores: Floats) -> tuple[Draw, list[ImageSet]]:
    """The faults to learn from, and those to judge by."""
    if task.backdoor is None:
        return _given(task), [task.validation_faults]
    paint, target = varied_painter(task.backdoor.trigger), task.backdoor.target
    others = task.validation.select(task.validation.labels != target)
    hard = others.with_images(paint(others.images, np.random.default_rng(task.seed)))

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        labels, margin = task.clean.labels[which], np.zeros((len(which), scores.shape[1]), np.float32)
        margin[labels != target, target] = MARGIN
        return Lessons(paint(task.clean.images[which], random), labels, scores[which], margin)

    return draw, [task.validation_faults, hard]


def _given(task: RepairTask) -> Draw:
    """Faults of an unknown cause, moved a little: a patch is unlearned in several places so."""

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        chosen = random.integers(0, len(task.faults), len(which))
        return Lessons(shifted(task.faults.images[chosen], random, most=MOVED), task.faults.labels[chosen])

    return draw
