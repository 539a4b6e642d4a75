"""Unlearning, after Neural Cleanse (Wang et al., IEEE S&P 2019): training goes on with the trigger and right labels.

As published (`exact`): one epoch on a tenth of the images, a fifth of them with the trigger. This leaves neighbours
of the trigger alive, and costs accuracy. So by default the trigger comes in all positions, sizes and contents, the
original's scores are kept on clean images, and validation images choose among the steps. Where something is to be
proved of the result, half of the faults are the worst contents of that patch, found anew at each step.
"""

import numpy as np

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet, joined
from engine.images.measure import accuracy, right
from engine.images.painters import varied_painter
from engine.images.repair.goal import Goal
from engine.images.repair.lessons import (
    Draw,
    clean_lessons,
    fixed_lessons,
    given_lessons,
    mixed,
    trigger_lessons,
    worst_lessons,
)
from engine.images.repair.provable import provable_loss
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, parted, silent
from engine.images.repair.tuning import TuningOptions, steps_of, told, tune
from engine.images.training import TrainingOptions, fit

SHARE, TRIGGERED = 0.1, 0.2  # published: of the images, and with the trigger among them
JUDGED = 500  # validation images at most, with worst contents
RATE = 1e-3  # not published; that of the usual training


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
    if task.goal is not None:
        draws = [draw, worst_lessons(task.clean, scores, task.goal, task.classifier, graph)]
        draws += [] if task.refuted is None else [fixed_lessons(*task.refuted)]
        draw = mixed(draws, scores.shape[1])

    def judge(graph: Graph) -> float:
        """Accuracy less the faults left; more accuracy than the original's counts little, as chance plays a part."""
        found = accuracy(task.classifier, task.validation, graph=graph)
        left = [1 - float(right(task.classifier, images, graph=graph).mean()) for images in hard]
        left += [] if task.goal is None else [_misled(task, task.goal, graph)]
        return min(found, before) + 0.1 * found - float(np.mean(left))

    more = None if task.goal is None else provable_loss(task, task.goal, graph)
    tune(task, graph, clean_lessons(task.clean, scores), draw, settings, judge=judge, more=more, report=report)
    what = "variations of the trigger" if task.backdoor else f"{len(task.faults)} faults"
    what += "" if task.goal is None else ", and the worst contents of the patch"
    what += "" if more is None else ", with bounds of the scores for all of them"
    note = f"{settings.steps} steps on clean images and {what}"
    return Candidate(task.classifier.with_weights(graph.weights), note)


def _misled(task: RepairTask, goal: Goal, graph: Graph) -> float:
    """The share of some validation images on which the worst contents found work."""
    some = goal.counted(task.validation).sample(JUDGED)
    _, margins = goal.worst(task.classifier, some, np.random.default_rng(task.seed), graph=graph)
    return float((margins >= 0).mean()) if len(some) else 0.0


def _faults_of(task: RepairTask, scores: Floats) -> tuple[Draw, list[ImageSet]]:
    """The faults to learn from, and those to judge by."""
    if task.backdoor is None:
        return given_lessons(task.faults), [task.validation_faults]
    others = task.validation.select(task.validation.labels != task.backdoor.target)
    paint = varied_painter(task.backdoor.trigger)
    varied = others.with_images(paint(others.images, np.random.default_rng(task.seed)))
    return trigger_lessons(task.clean, scores, task.backdoor), [task.validation_faults, varied]
