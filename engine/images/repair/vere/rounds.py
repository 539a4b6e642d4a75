"""One round of VERE on one layer: localize, then edit the best neurons."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.layers import Layer
from engine.images.repair.task import Report
from engine.images.repair.vere.localize import ranked
from engine.images.repair.vere.optimize import Lesson, optimize
from engine.images.repair.vere.options import VereOptions
from engine.images.repair.vere.places import input_difference, places_of
from engine.images.repair.vere.significance import range_edges, shrinkage, values
from engine.images.repair.vere.tail import after, before
from engine.images.repair.vere.targets import targets

MORE = 4  # times as many neurons in each further round
PULLED = 32  # neurons for which targets are computed, at most


def edit_layer(
    classifier: Classifier,
    graph: Graph,
    layer: Layer,
    faults: ImageSet,
    clean: ImageSet,
    options: VereOptions,
    *,
    number: int,
    seed: int,
    report: Report,
) -> int:
    """Edits the layer's most significant neurons in the graph, and says how many; number: of the round, from 0.

    classifier: the original, from which clean images are to keep their scores.
    """
    wrong = faults.select(classifier.predict(faults.images, graph=graph) != faults.labels)
    order = ranked(classifier, graph, layer, wrong if len(wrong) else faults, clean, options)
    neurons = order[: options.neurons * MORE**number] if options.localize != "none" else order
    report(0.2, f"{len(neurons)} of {len(order)} neurons of {layer.name}")
    lesson = lesson_of(classifier, graph, layer, neurons, faults, clean, options)
    difference = input_difference(
        graph, layer, lesson.faults.tensors[layer.input], lesson.clean.tensors[layer.input]
    )
    places = places_of(graph, layer, neurons, share=options.inputs, difference=difference)
    optimize(graph, places, lesson, options, seed=seed, report=lambda share, text: report(0.2 + 0.8 * share, text))
    return len(neurons)


@torch.no_grad()
def lesson_of(
    classifier: Classifier,
    graph: Graph,
    layer: Layer,
    neurons: Tensor,
    faults: ImageSet,
    clean: ImageSet,
    options: VereOptions,
) -> Lesson:
    """What the layer's neurons are to learn from these faults, and from clean images, moved by a pixel too."""
    original = classifier.graph(device=graph.device)
    pixels = moved(torch.from_numpy(clean.images))
    scores = torch.cat([original(classifier.inputs(one.to(graph.device))) for one in pixels.split(256)])
    behind, clean_behind = (before(classifier, graph, layer, x) for x in (torch.from_numpy(faults.images), pixels))
    edges = range_edges(classifier, graph, layer, [clean, faults], options.interval)[neurons]
    now, staying = (_values(graph, layer, part)[:, neurons] for part in (behind, clean_behind))
    ends = now[..., None].expand(-1, -1, 2)
    if options.pull > 0 and len(neurons) <= PULLED:
        found = shrinkage(classifier, graph, layer, faults, edges, neurons=neurons)
        ends = targets(found, now)
    return Lesson(
        faults=behind,
        labels=torch.from_numpy(faults.labels).to(graph.device),
        given=torch.from_numpy(classifier.predict(faults.images)).to(graph.device),
        clean=clean_behind,
        scores=scores,
        targets=ends,
        staying=staying,
        length=edges[:, -1] - edges[:, 0],
    )


def _values(graph: Graph, layer: Layer, given) -> Tensor:
    parts = [given.select(which) for which in torch.arange(len(given), device=graph.device).split(256)]
    return torch.cat([values(after(graph, layer, part)[1]) for part in parts])


def moved(images: Tensor) -> Tensor:
    """The images, and each moved by one pixel to each side: the original network says what they are."""
    steps = ((1, 0), (-1, 0), (0, 1), (0, -1))
    return torch.cat([images, *(images.roll(step, (2, 3)) for step in steps)])
