"""The method nnrepair: experts of all classes, filtered, and combined."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import Integers
from engine.images.imageset import joined as joined_images
from engine.images.layers import Layer, layers_of
from engine.images.repair.nnrepair.combined import merged, side_by_side
from engine.images.repair.nnrepair.experts import Expert, intermediate_expert, last_layer_expert, left_to_repair
from engine.images.repair.nnrepair.options import Options, options_of
from engine.images.repair.nnrepair.patterns import Pattern, patterns_of
from engine.images.repair.nnrepair.program import Doubles
from engine.images.repair.nnrepair.samples import Samples, joined, samples_of
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, silent

TREES = 4  # of the patterns, where it is not as published: more found no further patterns in NNrepair's networks
MOST = {"last": 4000, "intermediate": 1000}  # images of each kind that demands are made of, by the layer


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The network with the experts' changes.

    InputError where there is no such layer, or for activation patterns of a layer that is not followed by a ReLU.
    """
    chosen = options_of(options.of("nnrepair"))
    graph = task.classifier.graph(device=task.device).requires_grad_(False)
    layer = _layer(graph, chosen)
    samples = _samples(task, graph, layer, most=MOST[chosen.layer])
    kept, made = _experts(task, graph, layer, samples, chosen, report)
    note = f"{len(kept)} of {made} experts at layer {layer.name}, {chosen.combine}"
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


def _samples(task: RepairTask, graph: Graph, layer: Layer, *, most: int) -> Samples:
    """The faults and the clean images to learn from, at the layer."""
    parts = []
    for number, images in enumerate((task.faults, task.clean)):
        order = np.random.default_rng([task.seed, number]).permutation(len(images))[:most]
        parts.append(samples_of(task.classifier, graph, layer, images.select(np.sort(order))))
    return joined(parts)


def _experts(
    task: RepairTask, graph: Graph, layer: Layer, samples: Samples, options: Options, report: Report
) -> tuple[list[Expert], int]:
    """The experts that are kept, by falling F1 of their class on validation images, and how many were made.

    F1 filter: an expert whose F1 is no better than the network's without it is dropped. Experts that are merged, and
    not as published, are made and judged one after the other, each on top of those kept before it. At the last layer
    the class with most left to repair is next.
    """
    images = joined_images([task.validation, task.validation_faults])
    judges = samples_of(task.classifier, graph, layer, images)
    weight = graph.weights[layer.weight].detach().double().cpu().numpy()
    weight = weight if layer.axis == 0 else weight.T
    patterns = _patterns(samples, options, seed=task.seed)
    chained = options.combine == "merged" and not options.published
    kept: list[tuple[float, Expert]] = []
    made, open_classes = 0, list(range(task.classifier.classes))
    while open_classes:
        report(1 - len(open_classes) / task.classifier.classes, f"experts: {len(open_classes)} classes to go")
        label = _next(open_classes, samples) if chained and options.layer == "last" else open_classes[0]
        open_classes.remove(label)
        expert = _expert(label, weight, patterns, samples, options, seed=task.seed)
        if expert is None:
            continue
        made += 1
        below = [one for _, one in kept] if options.combine == "merged" else []
        before, after = (
            f1(_predicted(graph, layer, some, judges), judges.labels, label) for some in (below, [*below, expert])
        )
        if options.f1_filter and after <= before:
            continue
        kept.append((after, expert))
        if chained:
            samples = replace(samples, sums=_sums([expert], samples))
    return [expert for _, expert in sorted(kept, key=lambda entry: (-entry[0], entry[1].label))], made


def _next(labels: Sequence[int], samples: Samples) -> int:
    """A backdoor's target before the others: once its score is mended, the others' need less change."""
    return max(labels, key=lambda label: left_to_repair(label, samples))


def _expert(
    label: int, weight: Doubles, patterns: Mapping[int, Pattern], samples: Samples, options: Options, *, seed: int
) -> Expert | None:
    if options.layer == "last":
        return last_layer_expert(label, weight, samples, options, seed=seed)
    if label not in patterns:
        return None
    return intermediate_expert(label, patterns[label], weight, samples, options, seed=seed)


def _patterns(samples: Samples, options: Options, *, seed: int) -> dict[int, Pattern]:
    if options.layer == "last":
        return {}
    failures = samples.labels.max(initial=0) + 1  # a class of their own, so that no pattern is theirs too
    labels = np.where(samples.passing, samples.labels, failures)
    found = patterns_of(samples.sums > 0, labels, trees=1 if options.published else TREES, seed=seed)
    return {label: pattern for label, pattern in found.items() if label != failures}


def _sums(experts: Sequence[Expert], samples: Samples) -> Doubles:
    """The layer's outputs before the activation with the changes of these experts."""
    sums = samples.sums
    for expert in experts:
        sums = sums + samples.inputs @ expert.weight.T + expert.bias
    return sums


@torch.no_grad()
def _predicted(graph: Graph, layer: Layer, experts: Sequence[Expert], samples: Samples) -> Integers:
    """The classes that the network gives with these experts merged: only what follows the layer is run."""
    sums = torch.from_numpy(_sums(experts, samples).astype(np.float32)).to(graph.device)
    found: Integers = (
        graph.tensors(sums, (graph.scores,), start=layer.output)[graph.scores].flatten(1).argmax(1).cpu().numpy()
    )
    return found


def f1(found: Integers, labels: Integers, label: int) -> float:
    """The harmonic mean of precision and recall of a class: 2 hits / (found + present); 0 where there are neither."""
    hits = int(((found == label) & (labels == label)).sum())
    total = int((found == label).sum() + (labels == label).sum())
    return 2 * hits / total if total else 0.0
