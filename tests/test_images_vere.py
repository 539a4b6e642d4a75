"""Significance: bounds by lines against brute force, by hand, and on every operator."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from engine.images.architectures import Builder
from engine.images.classifier import Classifier, classifier_of
from engine.images.imageset import ImageSet, Scaling
from engine.images.layers import layers_of
from engine.images.lines import Lines
from engine.images.repair.vere.significance import range_edges, shrinkage, values, violations


def small(activation: str, seed: int, *, shape=(1, 6, 6)) -> Classifier:
    b = Builder(shape, activation=activation, seed=seed)
    x = b.pool(b.act(b.conv("image", 3, 3)))
    x = b.act(b.conv(x, 4, 2, pad=1))
    x = b.act(b.dense(b.flatten(b.pool(x)), 5))
    return classifier_of(b.model(b.dense(b.act(b.dense(x, 4)), 3), "small"), name="small", scaling=Scaling.UNIT)


def merged(activation: str, seed: int) -> Classifier:
    """Two ways to the same sum, as in DeepID: each is the other's constant."""
    b = Builder((1, 6, 6), activation=activation, seed=seed)
    x = b.pool(b.act(b.conv("image", 3, 3)))
    y = b.act(b.conv(x, 2, 2))
    scores = b.dense(b.act(b.add(b.dense(b.flatten(x), 4), b.dense(b.flatten(y), 4))), 3)
    return classifier_of(b.model(scores, "merged"), name="merged", scaling=Scaling.UNIT)


def images_of(shape, count: int, seed: int, classes: int = 3) -> ImageSet:
    random = np.random.default_rng(seed)
    return ImageSet(random.random((count, *shape), np.float32), random.integers(0, classes, count), classes)


def least_violation(graph, classifier, layer, images, neuron, ends, steps=60):
    """The smallest violation on a fine grid of the neuron's values, everything computed anew: [images]."""
    x = classifier.inputs(torch.from_numpy(images.images))
    sides = graph.sides(layer.activated, (graph.scores,))
    known = graph.tensors(x, (layer.activated, *sides))
    own, found = known[layer.activated], []
    for value in torch.linspace(float(ends[0]), float(ends[-1]), steps):
        moved = own.clone()
        mean = values(own)[:, neuron].reshape(-1, *[1] * (own.ndim - 2))
        moved[:, neuron] = torch.where(mean.abs() > 1e-6, own[:, neuron] * (value / mean), value)
        given = {layer.activated: moved, **{side: known[side] for side in sides}}
        from engine.images.operators import execute

        scores = graph.evaluate(given, (graph.scores,), execute)[graph.scores]
        found.append(violations(scores.flatten(1), torch.from_numpy(images.labels)))
    return torch.stack(found).amin(0)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("make", [small, merged])
@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_significance_is_never_below_the_true_shrinkage(make, activation, seed):
    classifier = make(activation, seed)
    graph, images = classifier.graph(), images_of((1, 6, 6), 6, seed)
    gaps = []
    for layer in layers_of(graph)[:-1]:
        if layer.activation is None:
            continue
        edges = range_edges(classifier, graph, layer, [images], 5, widen=0.5)
        found = shrinkage(classifier, graph, layer, images, edges)
        for neuron in range(len(edges)):
            true = found.violations - least_violation(graph, classifier, layer, images, neuron, edges[neuron])
            assert (found.possible[:, neuron] >= true - 1e-5).all()
            assert (found.certain[:, neuron] <= true.clamp(min=0) + 1e-2).all()  # the grid misses a little
            gaps.append((found.possible[:, neuron] - true.clamp(min=0)).mean().item())
    assert np.mean(gaps) < 1.0
    print(np.mean(gaps))
