"""Fine-Pruning (Liu et al., RAID 2018): channels that clean images leave dormant are pruned, and the rest is tuned.

Nothing of the trigger is used: neither faults nor the backdoor of the task. As published (`exact`): channels of the
last convolution are pruned in the order of their mean activation until the accuracy falls by `threshold` points, the
last layer is retrained, then all of them at a small rate. That leaves backdoors that share channels with clean
images. So by default all layers are tuned with patches and overlays of any kind in half of the images, while the
original's scores are kept.
"""

import numpy as np

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import Floats
from engine.images.layers import layers_of
from engine.images.measure import accuracy
from engine.images.repair.painters import anything_painter
from engine.images.repair.pruning import held, layer_to_prune, prune
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, part_of, silent
from engine.images.repair.tuning import Lessons, TuningOptions, batch_of, steps_of, told, tune
from engine.images.training import TrainingOptions, fit

OPTIONS = {"threshold", "exact", "steps"}
THRESHOLD = 4.0  # points of accuracy, as published
LAST_RATE, ALL_RATE, ALL_EPOCHS = 1e-3, 1e-4, 3  # not published: the last layer alone, then all
PRUNED = 0.2  # of the work


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The network with pruned channels, tuned on clean images. InputError where it has no hidden layer."""
    own = options.of("fine-pruning")
    if unknown := set(own) - OPTIONS:
        raise InputError(f"it has no option {sorted(unknown)[0]!r}", where="fine-pruning")
    lost, steps = _threshold(own.get("threshold", THRESHOLD)), steps_of(own)
    graph = task.classifier.graph(device=task.device)
    scores = task.classifier.scores(task.clean.images, graph=graph)
    before, layer = accuracy(task.classifier, task.validation, graph=graph), layer_to_prune(graph)
    channels = prune(task, graph, layer, before - lost, part_of(report, 0, PRUNED))
    rest = part_of(report, PRUNED, 1)
    with held(graph, layer, channels):
        if own.get("exact"):
            _retrain(task, graph, rest)
        else:
            _tune(task, graph, scores, before, TuningOptions(seed=task.seed, steps=steps), rest)
    of = graph.weights[layer.weight].shape[layer.axis]
    note = f"{len(channels)} of {of} channels of {layer.name} pruned, then tuned"
    return Candidate(task.classifier.with_weights(graph.weights), note)


def _threshold(points: object) -> float:
    """As a share."""
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 <= points <= 100:
        raise InputError(f"it is {points}", where="--threshold", advice="say points of accuracy, 0 to 100")
    return points / 100


def _retrain(task: RepairTask, graph: Graph, report: Report) -> None:
    """The published tuning, on clean images: the last layer, then all."""
    last = layers_of(graph)[-1]
    names = [name for name in (last.weight, last.bias) if name is not None]
    rounds = (
        (TrainingOptions(epochs=1, rate=LAST_RATE, seed=task.seed), names, part_of(report, 0, 0.3)),
        (TrainingOptions(epochs=ALL_EPOCHS, rate=ALL_RATE, seed=task.seed), None, part_of(report, 0.3, 1)),
    )
    for settings, chosen, say in rounds:
        fit(task.classifier, graph, task.clean, settings, names=chosen, report=told(say))


def _tune(
    task: RepairTask, graph: Graph, scores: Floats, before: float, settings: TuningOptions, report: Report
) -> None:
    """Clean images, and the same with anything painted into them, both with their right labels."""
    paint = anything_painter()
    painted = task.validation.with_images(paint(task.validation.images, np.random.default_rng(task.seed)))

    def draw(which: np.ndarray, random: np.random.Generator) -> Lessons:
        return Lessons(paint(task.clean.images[which], random), task.clean.labels[which], scores[which])

    def judge(graph: Graph) -> float:
        found = accuracy(task.classifier, task.validation, graph=graph)
        return min(found, before) + 0.1 * found + accuracy(task.classifier, painted, graph=graph)

    tune(task, graph, batch_of(task.clean, scores), draw, settings, judge=judge, report=report)
