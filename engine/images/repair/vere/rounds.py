"""Rounds of VERE on one layer: localize, then edit the best neurons.

All before the layer stays as it is in these rounds, so what it reads is computed once.
"""

import torch
from torch import Tensor

from engine.images.classifier import BATCH, Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.layers import Layer
from engine.images.repair.task import Report
from engine.images.repair.vere.localize import affordable, ranked
from engine.images.repair.vere.optimize import Extra, Lesson, optimize
from engine.images.repair.vere.options import VereOptions
from engine.images.repair.vere.places import input_difference, places_of
from engine.images.repair.vere.significance import edges_of, shrinkage, values
from engine.images.repair.vere.tail import Before, after, before
from engine.images.repair.vere.targets import targets

MORE = 4  # times as many neurons in each further round


class Rounds:
    """Rounds on one layer of a graph, whose weights they change."""

    def __init__(
        self,
        classifier: Classifier,
        graph: Graph,
        layer: Layer,
        faults: ImageSet,
        clean: ImageSet,
        options: VereOptions,
        *,
        seed: int,
        more: Extra | None = None,
    ):
        """classifier: the original, from which clean images are to keep their scores; more: a loss (optimize.py)."""
        self._classifier, self._graph, self._layer, self._options = classifier, graph, layer, options
        self._faults, self._clean, self._seed, self._more = faults, clean, seed, more
        pixels = torch.from_numpy(clean.images)
        if options.edit != "published":
            pixels = torch.cat([pixels, moved(pixels, seed=seed)])
        self._wrong_before, self._clean_before = (
            before(classifier, graph, layer, x) for x in (torch.from_numpy(faults.images), pixels)
        )
        original = classifier.graph(device=graph.device)
        self._given = _all(original, layer, self._wrong_before)[0].argmax(1)
        self._scores = _all(original, layer, self._clean_before)[0]
        self._difference = input_difference(
            graph, layer, self._wrong_before.tensors[layer.input], self._clean_before.tensors[layer.input]
        )

    def edit(self, number: int, report: Report) -> int:
        """Edits the most significant neurons, and says how many they are; number: of the round, from 0."""
        options, graph, layer = self._options, self._graph, self._layer
        labels = torch.from_numpy(self._faults.labels).to(graph.device)
        scores, fault_values = _all(graph, layer, self._wrong_before)
        clean_values = _all(graph, layer, self._clean_before)[1]
        edges = edges_of(torch.cat([fault_values, clean_values]), layer, options.interval)
        wrong = (scores.argmax(1) != labels).nonzero()[:, 0]
        wrong = wrong if len(wrong) else torch.arange(len(labels), device=graph.device)
        first = wrong[: options.localized]
        report(0.0, "significance")
        some = self._faults.select(first.cpu().numpy())
        order = ranked(self._classifier, graph, layer, some, edges, self._difference, options)
        neurons = order[: self._count(number)]
        fewer = first[: affordable(self._classifier, graph, layer, len(neurons) * options.interval)]
        report(0.2, f"{len(neurons)} of {len(edges)} neurons")
        found = shrinkage(
            self._classifier, graph, layer, some.select(slice(0, len(fewer))), edges[neurons], neurons=neurons
        )
        lesson = Lesson(
            faults=self._wrong_before,
            labels=labels,
            given=self._given,
            clean=self._clean_before,
            scores=self._scores,
            pulled=fewer,
            targets=targets(found, fault_values[fewer][:, neurons]),
            staying=clean_values[:, neurons],
            length=(edges[:, -1] - edges[:, 0])[neurons],
        )
        places = places_of(graph, layer, neurons, share=options.inputs, difference=self._difference)
        optimize(graph, places, lesson, options, seed=self._seed + number, report=_later(report), more=self._more)
        return len(neurons)

    def _count(self, number: int) -> int | None:
        """As published one neuron a round; else more and more; all where nothing was localized."""
        if self._options.localize == "none":
            return None
        return 1 if self._options.edit == "published" else self._options.neurons * MORE**number


def _later(report: Report) -> Report:
    return lambda share, text: report(0.2 + 0.8 * share, text)


@torch.no_grad()
def _all(graph: Graph, layer: Layer, given: Before) -> tuple[Tensor, Tensor]:
    """The scores, and the values of the layer's neurons, of all images."""
    places = torch.split(torch.arange(len(given), device=graph.device), BATCH)
    found = [after(graph, layer, given.select(which)) for which in places]
    return torch.cat([scores for scores, _ in found]), torch.cat([values(activated) for _, activated in found])


def moved(images: Tensor, *, seed: int) -> Tensor:
    """The images, each moved by one pixel to a side: the original network says what they are."""
    generator = torch.Generator().manual_seed(seed)
    sides = torch.randint(4, (len(images),), generator=generator)
    result = images.clone()
    for side, step in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
        result[sides == side] = images[sides == side].roll(step, (2, 3))
    return result
