"""Fine-Pruning (Liu et al., RAID 2018): channels that clean images leave dormant are pruned, and the rest is tuned.

Nothing of the trigger is used: neither faults nor the backdoor of the task. As published (`exact`): channels of the
last convolution are pruned in the order of their mean activation until the accuracy falls by `threshold` points, the
last layer is retrained, then all of them at a small rate. That leaves backdoors that share channels with clean
images. So by default all layers are tuned with patches and overlays of any kind in half of the images, those among
them that were found to mislead the network, while the original's scores are kept.
"""

import numpy as np

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import Floats
from engine.images.layers import layers_of
from engine.images.measure import accuracy
from engine.images.painters import anything_painter, varied_painter
from engine.images.patches import misleading_patches
from engine.images.poison import Backdoor
from engine.images.repair.lessons import clean_lessons, mixed, painted_lessons, trigger_lessons
from engine.images.repair.pruning import held, layer_to_prune, prune
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, part_of, silent
from engine.images.repair.tuning import TuningOptions, steps_of, told, tune
from engine.images.training import TrainingOptions, fit

OPTIONS = {"threshold", "exact", "steps"}
THRESHOLD = 4.0  # points of accuracy, as published
LAST_RATE, ALL_RATE, ALL_EPOCHS = 1e-3, 1e-4, 3  # not published: the last layer alone, then all
PRUNED, SOUGHT = 0.2, 0.1  # of the work
PATCHES, MISLED = 4, 0.25  # patches that are unlearned, and the share of images that one must mislead


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
            tuned = _retrain(task, graph, rest)
        else:
            tuned = _tune(task, graph, scores, before, TuningOptions(seed=task.seed, steps=steps), rest)
    of = graph.weights[layer.weight].shape[layer.axis]
    note = f"{len(channels)} of {of} channels of {layer.name} pruned, then {tuned}"
    return Candidate(task.classifier.with_weights(graph.weights), note)


def _threshold(points: object) -> float:
    """As a share."""
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 <= points <= 100:
        raise InputError(f"it is {points}", where="--threshold", advice="say points of accuracy, 0 to 100")
    return points / 100


def _retrain(task: RepairTask, graph: Graph, report: Report) -> str:
    """The published tuning, on clean images: the last layer, then all."""
    last = layers_of(graph)[-1]
    names = [name for name in (last.weight, last.bias) if name is not None]
    rounds = (
        (TrainingOptions(epochs=1, rate=LAST_RATE, seed=task.seed), names, part_of(report, 0, 0.3)),
        (TrainingOptions(epochs=ALL_EPOCHS, rate=ALL_RATE, seed=task.seed), None, part_of(report, 0.3, 1)),
    )
    for settings, chosen, say in rounds:
        fit(task.classifier, graph, task.clean, settings, names=chosen, report=told(say))
    return "tuned on clean images"


def _tune(
    task: RepairTask, graph: Graph, scores: Floats, before: float, settings: TuningOptions, report: Report
) -> str:
    """Clean images, and the same with something painted into them, both with their right labels."""
    random = np.random.default_rng(task.seed)
    found = _patches(task, graph, random, part_of(report, 0, SOUGHT))
    painters = [anything_painter(), *(varied_painter(backdoor.trigger) for backdoor in found)]
    hard = [task.validation.with_images(paint(task.validation.images, random)) for paint in painters]
    draws = [painted_lessons(task.clean, scores, painters[0])]
    draws += [trigger_lessons(task.clean, scores, backdoor) for backdoor in found]

    def judge(graph: Graph) -> float:
        found = accuracy(task.classifier, task.validation, graph=graph)
        painted = np.mean([accuracy(task.classifier, images, graph=graph) for images in hard])
        return min(found, before) + 0.1 * found + float(painted)

    tune(
        task,
        graph,
        clean_lessons(task.clean, scores),
        mixed(draws, scores.shape[1]),
        settings,
        judge=judge,
        report=part_of(report, SOUGHT, 1),
    )
    return f"tuned with anything painted in, and {len(found)} patches that were found to mislead it"


def _patches(task: RepairTask, graph: Graph, random: np.random.Generator, report: Report) -> list[Backdoor]:
    """The patches that mislead the network most, if they do; each with the class that it gives."""
    found = misleading_patches(
        task.classifier,
        task.clean,
        PATCHES,
        random,
        graph=graph,
        report=lambda share: report(share, "seeking patches that mislead it"),
    )
    return [patch.backdoor for patch in found if patch.share >= MISLED]
