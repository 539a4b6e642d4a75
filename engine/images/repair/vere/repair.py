"""VERE's rounds over layers; the weights that do best on validation images are the result."""

import time

import numpy as np
import torch
from torch import Tensor

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.layers import Layer, layers_of
from engine.images.measure import accuracy
from engine.images.repair.provable import provable_loss
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, silent
from engine.images.repair.vere.optimize import BATCH_CLEAN, Extra
from engine.images.repair.vere.options import vere_options
from engine.images.repair.vere.rounds import Rounds


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The best network of all rounds: layers from the last to the first, until nothing is left to repair."""
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
    best, more = _Best(task, graph), _bounds(task, graph)
    for place, layer in enumerate(layers):
        rounds = Rounds(task.classifier, graph, layer, faults, clean, own, seed=task.seed, more=more)
        for number in range(own.layer_round):
            if best.perfect or (options.timeout is not None and time.monotonic() - start > options.timeout):
                break
            done = place * own.layer_round + number
            count = rounds.edit(number, _within(report, layer, done, len(layers) * own.layer_round))
            best.offer(f"{count} neurons of {layer.name}, round {number + 1}")
        if best.perfect:
            break
    best.restore()
    report(1.0, best.note)
    return Candidate(task.classifier.with_weights(graph.weights), best.note)


def _bounds(task: RepairTask, graph: Graph) -> Extra | None:
    """The loss that makes the task's goal provable, on images at random; None where it has none."""
    loss = None if task.goal is None else provable_loss(task, task.goal, graph)
    if loss is None:
        return None
    random = np.random.default_rng(task.seed)
    return lambda share: loss(random.choice(len(task.clean), min(BATCH_CLEAN, len(task.clean))), share, random)


def _some(images: ImageSet, count: int, random: np.random.Generator) -> ImageSet:
    return images.select(random.permutation(len(images))[:count])


def _within(report: Report, layer: Layer, done: int, count: int) -> Report:
    return lambda share, text: report((done + share) / count, f"{layer.name}: {text}")


class _Best:
    """The weights that do best on validation images.

    Least is best: the share of faults that still get the class which the original network gave them wrongly, and the
    shares of faults and of clean images with a wrong class. perfect: the first is 0, the others are no larger than the
    original's share of clean images.
    """

    def __init__(self, task: RepairTask, graph: Graph):
        self._task, self._graph = task, graph
        given = task.classifier.predict(task.validation_faults.images)
        self._fooled = task.validation_faults.with_labels(given).select(given != task.validation_faults.labels)
        self._clean = 1 - accuracy(task.classifier, task.validation, graph=graph)
        self._cost, self._weights = torch.inf, self._copy()
        self.note, self.perfect = "nothing changed", False
        self.offer(self.note)

    def offer(self, note: str) -> None:
        """Takes the graph's weights where they are better; else puts the best back into it."""
        task, network = self._task, self._task.classifier
        fooled = accuracy(network, self._fooled, graph=self._graph) if len(self._fooled) else 0.0
        wrong, lost = (1 - accuracy(network, s, graph=self._graph) for s in (task.validation_faults, task.validation))
        if fooled + wrong + lost < self._cost:
            self._cost, self._weights, self.note = fooled + wrong + lost, self._copy(), note
            self.perfect = fooled == 0 and max(wrong, lost) <= self._clean
        else:
            self.restore()

    def restore(self) -> None:
        with torch.no_grad():
            for name, value in self._weights.items():
                self._graph.weights[name].copy_(value)

    def _copy(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self._graph.weights.items()}
