"""The method nnrepair: experts of all classes, filtered, and combined."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.errors import InputError
from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet, Integers
from engine.images.imageset import joined as joined_images
from engine.images.layers import Layer, layers_of
from engine.images.repair.nnrepair.combined import merged, side_by_side
from engine.images.repair.nnrepair.experts import Expert, intermediate_expert, last_layer_expert
from engine.images.repair.nnrepair.options import Options, options_of
from engine.images.repair.nnrepair.patterns import Pattern, patterns_of
from engine.images.repair.nnrepair.samples import Samples, joined, samples_of
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, silent

MOST = 4000  # images of each kind that the demands are made of


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The network with the experts' changes.

    InputError where there is no such layer, or for activation patterns of a layer that is not followed by a ReLU.
    """
    chosen = options_of(options.of("nnrepair"))
    graph = task.classifier.graph(device=task.device).requires_grad_(False)
    layer = _layer(graph, chosen)
    samples = _samples(task, graph, layer)
    experts = _experts(task, graph, layer, samples, chosen, report)
    kept = _filtered(task, graph, layer, experts, chosen)
    note = f"{len(kept)} of {len(experts)} experts at layer {layer.name}, {chosen.combine}"
    if chosen.combine == "merged" or not kept:
        return Candidate(merged(task.classifier, graph, layer, kept), note)
    return Candidate(side_by_side(task.classifier, graph, layer, kept, combine=chosen.combine), note)


def _layer(graph: Graph, options: Options) -> Layer:
    """The dense layer whose weights are solved for."""
    layers = layers_of(graph)
    if not layers or layers[-1].output != graph.scores:
        raise InputError("its scores are not those of a dense layer", where="nnrepair", advice="use another method")
    place = -1 if options.layer == "last" else -2
    if len(layers) < -place or layers[place].kind != "dense" or layers[place].bias is None:
        raise InputError(
            f"its {options.layer} layer is no dense layer with a bias", where="nnrepair", advice="use another method"
        )
    if options.layer == "intermediate" and layers[place].activation != "Relu":
        raise InputError(
            "activation patterns are of a layer before a ReLU", where="nnrepair", advice="use --layer last"
        )
    return layers[place]


def _samples(task: RepairTask, graph: Graph, layer: Layer) -> Samples:
    """The faults and the clean images to learn from, at the layer."""
    parts = []
    for number, images in enumerate((task.faults, task.clean)):
        order = np.random.default_rng([task.seed, number]).permutation(len(images))[:MOST]
        parts.append(samples_of(task.classifier, graph, layer, images.select(np.sort(order))))
    return joined(parts)


def _experts(
    task: RepairTask, graph: Graph, layer: Layer, samples: Samples, options: Options, report: Report
) -> list[Expert]:
    """An expert for each class that needs one.

    Where they are to be merged, and not as published, each is made for the layer with the changes of those before it.
    """
    weight = graph.weights[layer.weight].detach().double().cpu().numpy()
    weight = weight if layer.axis == 0 else weight.T
    patterns = _patterns(samples, options, seed=task.seed) if options.layer == "intermediate" else {}
    found: list[Expert] = []
    for label in range(task.classifier.classes):
        report(label / task.classifier.classes, f"the expert of class {label}")
        if options.layer == "last":
            expert = last_layer_expert(label, weight, samples, options, seed=task.seed)
        elif label in patterns:
            expert = intermediate_expert(label, patterns[label], weight, samples, options, seed=task.seed)
        else:
            expert = None
        if expert is None:
            continue
        found.append(expert)
        if options.combine == "merged" and options.layer == "last" and not options.exact:
            sums = samples.sums + samples.inputs @ expert.weight.T + expert.bias
            samples = replace(samples, sums=sums)
    return found


def _patterns(samples: Samples, options: Options, *, seed: int) -> dict[int, Pattern]:
    passing = samples.select(samples.passing)
    return patterns_of(passing.sums > 0, passing.labels, seed=seed)


def _filtered(
    task: RepairTask, graph: Graph, layer: Layer, experts: Sequence[Expert], options: Options
) -> list[Expert]:
    """The experts by falling F1 of their class on validation images; where asked, without those that do not better it.

    Experts that are to be merged are tried on top of those kept before them, as each was made for that.
    """
    images = joined_images([task.validation, task.validation_faults])
    graded: list[tuple[float, int, Expert]] = []
    for expert in experts:
        below = [kept for _, _, kept in graded] if options.combine == "merged" else []
        before, after = (
            f1(_predicted(task.classifier, graph, layer, some, images), images.labels, expert.label)
            for some in (below, [*below, expert])
        )
        if after > before or not options.f1_filter:
            graded.append((-after, expert.label, expert))
    return [expert for _, _, expert in sorted(graded, key=lambda entry: entry[:2])]


def _predicted(
    classifier: Classifier, graph: Graph, layer: Layer, experts: Sequence[Expert], images: ImageSet
) -> Integers:
    return merged(classifier, graph, layer, experts).predict(images.images)


def f1(found: Integers, labels: Integers, label: int) -> float:
    """The harmonic mean of precision and recall of a class: 2 hits / (found + present); 0 where there are neither."""
    hits = int(((found == label) & (labels == label)).sum())
    total = int((found == label).sum() + (labels == label).sum())
    return 2 * hits / total if total else 0.0
