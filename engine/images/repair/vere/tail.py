"""The part of a network from one layer on, on images whose way up to it was computed once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.images.classifier import BATCH, Classifier
from engine.images.graph import Graph
from engine.images.layers import Layer
from engine.images.operators import execute


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """What a layer and all after it read, of some images: the layer's input, and what comes in beside it."""

    tensors: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def select(self, which: Tensor) -> "Before":
        return Before({name: value[which] for name, value in self.tensors.items()})


def joined_before(parts: list[Before]) -> Before:
    """The images of some parts, one part after the other."""
    return Before({name: torch.cat([part.tensors[name] for part in parts]) for name in parts[0].tensors})


@torch.no_grad()
def before(classifier: Classifier, graph: Graph, layer: Layer, images: Tensor) -> Before:
    """What the layer reads of images [n, channels, height, width] in [0, 1]."""
    names = tuple(dict.fromkeys((layer.input, *graph.sides(layer.input, (layer.activated, graph.scores)))))
    parts = [graph.tensors(classifier.inputs(one.to(graph.device)), names) for one in torch.split(images, BATCH)]
    return Before({name: torch.cat([part[name] for part in parts]) for name in names})


def after(graph: Graph, layer: Layer, given: Before) -> tuple[Tensor, Tensor]:
    """The scores [n, classes], and the layer's activations."""
    found = graph.evaluate(given.tensors, (graph.scores, layer.activated), execute)
    return found[graph.scores].flatten(1), found[layer.activated]
