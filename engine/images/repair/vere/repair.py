"""VERE's rounds over layers; the weights that do best on validation images, or a part of the way, are the result."""

import time

import numpy as np
import torch

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import ImageSet, joined
from engine.images.layers import Layer, layers_of
from engine.images.measure import accuracy, right
from engine.images.repair.least_change import put, shorten, weights_of
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, silent
from engine.images.repair.vere.options import vere_options
from engine.images.repair.vere.rounds import Rounds, moved

CHECKED = 2000  # images and faults of validation by which networks are compared, at most


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The best network of all rounds, on layers from the last to the first, and as little of its change as suffices."""
    own, start = vere_options(options.of("vere")), time.monotonic()
    graph = task.classifier.graph(device=task.device)
    layers = [
        layer for layer in layers_of(graph)[::-1] if layer.activation is not None and layer.output != graph.scores
    ]
    layers = layers[: own.layers]
    if not layers:
        raise InputError("it has no hidden layer", where=task.classifier.name, advice="use --method unlearn")
    random = np.random.default_rng(task.seed)
    faults, clean = _some(task.faults, own.n, random), _some(task.clean, own.n_clean, random)
    best = _Best(task, graph, faults, random)
    for place, layer in enumerate(layers):
        rounds = Rounds(task.classifier, graph, layer, faults, clean, own, seed=task.seed)
        for number in range(own.layer_round):
            if options.timeout is not None and time.monotonic() - start > options.timeout:
                break
            done = place * own.layer_round + number
            count = rounds.edit(number, _within(report, layer, done, len(layers) * own.layer_round))
            if not best.offer(f"{count} neurons of {layer.name}, round {number + 1}") and best.repaired:
                break
        if best.repaired:
            break
    best.restore()
    report(1.0, best.note)
    return Candidate(task.classifier.with_weights(graph.weights), best.note)


def _some(images: ImageSet, count: int, random: np.random.Generator) -> ImageSet:
    return images.select(random.permutation(len(images))[:count])


def _within(report: Report, layer: Layer, done: int, count: int) -> Report:
    return lambda share, text: report((done + share) / count, f"{layer.name}: {text}")


class _Best:
    """The weights that do best on validation images.

    Least cost is best: the share of faults that still get the class which the original network gave them wrongly, that
    of faults with a wrong class as far as it exceeds the original's of clean images, and that of clean images which the
    original has right and this one has not. Clean images are these and copies moved a little, as the network may know
    the images themselves from its training. repaired: the first two are 0.
    """

    def __init__(self, task: RepairTask, graph: Graph, faults: ImageSet, random: np.random.Generator):
        """faults: those that were learned from; a change is shortened only as far as they too stay repaired."""
        self._network, self._graph = task.classifier, graph
        around = _around(_some(task.validation, CHECKED, random), seed=task.seed)
        rights = right(task.classifier, around, graph=graph)
        self._allowed, self._kept = 1 - float(rights.mean()), around.select(rights)
        self._faults = _some(task.validation_faults, CHECKED, random)
        self._fooled, self._learned = self._given(self._faults), self._given(faults)
        self._original = self._full = self._weights = weights_of(graph)
        self._cost, self.note, self.repaired = sum(self._shares()), "nothing changed", False

    def offer(self, note: str) -> bool:
        """Takes the graph's weights, or a part of their change, where that is better, and says so.

        Further rounds start from the whole change of the best.
        """
        full, most, cost = weights_of(self._graph), self._share(self._learned), sum(self._shares())
        share = shorten(
            self._graph,
            self._original,
            full,
            lambda: sum(self._shares()) <= cost and self._share(self._learned) <= most,
        )
        fooled, wrong, _ = shares = self._shares()
        better = sum(shares) < self._cost
        if better:
            self._cost, self._full, self._weights = sum(shares), full, weights_of(self._graph)
            self.note = note if share == 1 else f"{note}, {share:.0%} of the change"
            self.repaired = fooled == wrong == 0
        put(self._graph, self._full)
        return better

    def restore(self) -> None:
        """Puts the best weights into the graph."""
        put(self._graph, self._weights)

    def _shares(self) -> tuple[float, float, float]:
        wrong = 1 - self._share(self._faults)
        return self._share(self._fooled), max(0.0, wrong - self._allowed), 1 - self._share(self._kept)

    def _share(self, images: ImageSet) -> float:
        """The share of the images that get their label; 0 of none."""
        return accuracy(self._network, images, graph=self._graph) if len(images) else 0.0

    def _given(self, faults: ImageSet) -> ImageSet:
        """The faults that the original has wrong, labelled with the classes that it gave them."""
        given = self._network.predict(faults.images)
        return faults.with_labels(given).select(given != faults.labels)


def _around(images: ImageSet, *, seed: int) -> ImageSet:
    """The images, and copies moved by one pixel to four."""
    parts, pixels = [images], torch.from_numpy(images.images)
    for step in range(1, 5):
        pixels = moved(pixels, seed=seed + step)
        parts.append(images.with_images(pixels.numpy()))
    return joined(parts)
