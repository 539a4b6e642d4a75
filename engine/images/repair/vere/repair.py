"""VERE's rounds over layers; the weights that do best on validation images are the result."""

import time

import numpy as np
import torch
from torch import Tensor

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.layers import Layer, layers_of
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, silent
from engine.images.repair.vere.options import vere_options
from engine.images.repair.vere.rounds import edit_layer


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The best network of all rounds: layers from the last to the first, until nothing is left to repair."""
    own, start = vere_options(options.of("vere")), time.monotonic()
    graph = task.classifier.graph(device=task.device)
    layers = [layer for layer in layers_of(graph)[::-1] if layer.activation is not None and layer.output != graph.scores]
    if not layers:
        raise InputError("it has no hidden layer", where=task.classifier.name, advice="use --method unlearn")
    random = np.random.default_rng(task.seed)
    faults, clean = _some(task.faults, own.n, random), _some(task.clean, own.n_clean, random)
    best = _Best(task, graph)
    rounds = [(layer, number) for layer in layers for number in range(own.layer_round)]
    for done, (layer, number) in enumerate(rounds):
        if best.perfect or (options.timeout is not None and time.monotonic() - start > options.timeout):
            break

        def share(part: float, text: str, done: int = done, layer: Layer = layer, number: int = number) -> None:
            report((done + part) / len(rounds), f"{layer.name}, round {number + 1}: {text}")

        count = edit_layer(task.classifier, graph, layer, faults, clean, own, number=number, seed=task.seed, report=share)
        best.offer(f"{count} neurons of {layer.name} in round {number + 1}")
    best.restore()
    report(1.0, best.note)
    return Candidate(task.classifier.with_weights(graph.weights), best.note)


def _some(images: ImageSet, count: int, random: np.random.Generator) -> ImageSet:
    return images.select(random.permutation(len(images))[:count])


class _Best:
    """The weights with the fewest errors on validation images, faults and clean ones counting alike."""

    def __init__(self, task: RepairTask, graph: Graph):
        self._task, self._graph = task, graph
        self._clean = _errors(task, graph, task.validation)
        self._cost, self._weights = torch.inf, self._copy()
        self.note, self.perfect = "nothing changed", False
        self.offer(self.note)

    def offer(self, note: str) -> None:
        """Takes the graph's weights where they are better; else puts the best back into it."""
        wrong, lost = _errors(self._task, self._graph, self._task.validation_faults), _errors(
            self._task, self._graph, self._task.validation
        )
        if wrong + lost < self._cost:
            self._cost, self._weights, self.note = wrong + lost, self._copy(), note
            self.perfect = wrong == 0 and lost <= self._clean
        else:
            self.restore()

    def restore(self) -> None:
        with torch.no_grad():
            for name, value in self._weights.items():
                self._graph.weights[name].copy_(value)

    def _copy(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self._graph.weights.items()}


def _errors(task: RepairTask, graph: Graph, images: ImageSet) -> float:
    return float((task.classifier.predict(images.images, graph=graph) != images.labels).mean())
