"""What a repair changed: the difference of two files, number by number."""

from dataclasses import dataclass

import numpy as np

from engine.images.classifier import Classifier
from engine.images.layers import layers_of


@dataclass(frozen=True, slots=True)
class Changes:
    """weights: numbers of the file that differ; neurons: neurons or channels with one among their incoming weights;
    layers: the names of their layers; total: all numbers of the file; largest: the largest absolute change."""

    weights: int
    neurons: int
    layers: tuple[str, ...]
    total: int
    largest: float


def changes_between(original: Classifier, repaired: Classifier) -> Changes | None:
    """The changes; None where the repaired file has other tensors, so that no number corresponds to another."""
    graph = original.graph()
    before = {name: weight.detach().numpy() for name, weight in graph.weights.items()}
    after = {name: weight.detach().numpy() for name, weight in repaired.graph().weights.items()}
    if {n: a.shape for n, a in before.items()} != {n: a.shape for n, a in after.items()}:
        return None
    differs = {name: before[name] != after[name] for name in before}
    layers, neurons = [], 0
    for layer in layers_of(graph):
        weight = np.moveaxis(differs[layer.weight], layer.axis, 0)
        changed = weight.reshape(len(weight), -1).any(1)
        if layer.bias is not None:
            changed = changed | differs[layer.bias].reshape(-1)
        if changed.any():
            layers.append(layer.name)
            neurons += int(changed.sum())
    largest = max((float(np.abs(after[n] - before[n]).max(initial=0)) for n in before), default=0.0)
    return Changes(
        int(sum(d.sum() for d in differs.values())),
        neurons,
        tuple(layers),
        int(sum(d.size for d in differs.values())),
        largest,
    )
