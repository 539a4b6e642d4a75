"""A classifier in two parts: the feature extractor, whose weights are tuned, and the head, which stays."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import InputError
from engine.images.classifier import BATCH, Classifier
from engine.images.graph import Graph
from engine.images.head import Head, head_of, last_features
from engine.images.imageset import Floats
from engine.images.repair.prorepair.bounds import HeadBounds
from engine.images.repair.prorepair.boxes import FeatureSpace
from engine.images.repair.prorepair.intervals import Interval, interval_of

RANGES = {"Relu": (0.0, torch.inf), "Sigmoid": (0.0, 1.0), None: (-torch.inf, torch.inf)}
STEEPEST = {"Relu": 1.0, "Sigmoid": 0.25, None: 1.0}
LEAST_SPREAD = 1e-3  # of the mean spread: features that never vary hardly move


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The extractor ends in the tensor `sums`, which `activation` turns into the features that the head reads.

    names: the weights of the extractor.
    """

    classifier: Classifier
    graph: Graph
    head: Head
    bounds: HeadBounds
    sums: str
    activation: str | None
    names: tuple[str, ...]

    def read(self, images: Tensor) -> Tensor:
        """The sums [n, features] of images; float32, differentiable."""
        x = self.classifier.inputs(images.to(self.graph.device))
        return self.graph.tensors(x, (self.sums,))[self.sums].flatten(1)

    def interval(self, low: Tensor, high: Tensor) -> Interval:
        """Bounds of the sums [n, features] of images between low and high; differentiable, rounding apart."""
        low, high = (self.classifier.inputs(end.to(self.graph.device)) for end in (low, high))
        least, most = interval_of(self.graph, low, high, self.sums)
        return least.flatten(1), most.flatten(1)

    @torch.no_grad()
    def features(self, images: Floats) -> Tensor:
        """The features [n, features] of images as the head's bounds read them, float64."""
        parts = [self.read(torch.from_numpy(images[i : i + BATCH])) for i in range(0, len(images), BATCH)]
        return self.activate(torch.cat(parts)).double()

    def activate(self, sums: Tensor) -> Tensor:
        """The features of sums."""
        if self.activation is None:
            return sums
        return torch.relu(sums) if self.activation == "Relu" else torch.sigmoid(sums)

    def space(self, features: Tensor) -> FeatureSpace:
        """The range of the features, and their spread on these [n, features]."""
        spread = features.std(0)
        spread = spread.clamp(min=LEAST_SPREAD * float(spread.mean().clamp(min=1e-9)))
        return FeatureSpace(spread, *RANGES[self.activation])

    def weight(self) -> Tensor:
        """A bound [features], float32, of the change of any margin by one unit of each sum."""
        return (STEEPEST[self.activation] * self.bounds.sensitivity()).float()

    def tuned(self) -> dict[str, Tensor]:
        """A copy of the extractor's weights, by their names in the file."""
        return {name: self.graph.weights[name].detach().clone() for name in self.names}

    @torch.no_grad()
    def set(self, weights: Mapping[str, Tensor]) -> None:
        """Puts these weights into the extractor."""
        for name, weight in weights.items():
            self.graph.weights[name].copy_(weight)


def split_at(classifier: Classifier, tensor: str | None, *, device: str = "cpu") -> Split:
    """The split before the head that reads `tensor`, by default the last layer's input.

    InputError where the rest is no head of dense layers, or where no weights lie before it.
    """
    graph = classifier.graph(device=device)
    head = head_of(graph, last_features(graph) if tensor is None else tensor)
    node = next((node for node in graph.nodes if head.tensor in node.output), None)
    active = node is not None and node.op_type in ("Relu", "Sigmoid")
    sums, activation = (node.input[0], node.op_type) if node is not None and active else (head.tensor, None)
    needed = _ancestors(graph, sums)
    names = tuple(name for name in graph.weights if name in needed)
    if not names:
        raise InputError(
            f"no weights lie before tensor {head.tensor!r}", where=classifier.name, advice="name a later one"
        )
    bounds = HeadBounds(head, device=graph.device)
    return Split(classifier, graph, head, bounds, sums, activation, names)


def _ancestors(graph: Graph, tensor: str) -> set[str]:
    """The names of all that the tensor follows from."""
    found = {tensor}
    for node in reversed(graph.nodes):
        if found & set(node.output):
            found |= set(node.input)
    return found
