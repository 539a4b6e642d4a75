"""The order in which neurons of a layer are edited."""

import torch
from torch import Tensor
from torch.nn import functional

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.layers import Layer
from engine.images.operators import execute
from engine.images.repair.vere.options import VereOptions
from engine.images.repair.vere.significance import Shrinkage, shrinkage
from engine.images.repair.vere.tail import before

WORK = 2**33  # numbers of all tensors of lines of one localization
FEWEST = 4  # faults for which significance is computed, whatever it takes


def ranked(
    classifier: Classifier,
    graph: Graph,
    layer: Layer,
    faults: ImageSet,
    edges: Tensor,
    difference: Tensor,
    options: VereOptions,
) -> Tensor:
    """The numbers of the layer's neurons, best first, by the chosen localization; in order where it is none.

    edges: of the sub-intervals of each neuron [neurons, intervals + 1]; difference: see input_difference.
    """
    weight = graph.weights[layer.weight].detach().movedim(layer.axis, 0)
    if options.localize == "none":
        return torch.arange(len(weight), device=graph.device)
    if options.localize == "nnrepair":  # the score of each neuron's best edge (Usman et al., CAV 2021)
        return (weight.abs() * difference).flatten(1).amax(1).argsort(descending=True)
    chosen = screened(classifier, graph, layer, faults, edges, options.screened)
    count = affordable(classifier, graph, layer, len(chosen) * options.interval)
    found = shrinkage(classifier, graph, layer, faults.select(slice(0, count)), edges[chosen], neurons=chosen)
    return chosen[significance(found).argsort(descending=True)]


def affordable(classifier: Classifier, graph: Graph, layer: Layer, rows: int) -> int:
    """For how many images, with so many rows of lines each, bounds are computed in reasonable time."""
    return max(FEWEST, WORK // (4 * size_after(classifier, graph, layer) * rows))


def significance(found: Shrinkage) -> Tensor:
    """Of each neuron, 0 to 1: the mean over images of what is certain, by the largest of the image's neurons.

    As published; what is only possible decides between neurons for which nothing is certain.
    """
    certain, possible = (
        (part / part.amax(1, keepdim=True).clamp(min=1e-12)).mean(0) for part in (found.certain, found.possible)
    )
    return certain + 1e-3 * possible


def screened(classifier: Classifier, graph: Graph, layer: Layer, images: ImageSet, edges: Tensor, most: int) -> Tensor:
    """The numbers of at most this many neurons, those with the largest first-order change over their range."""
    if len(edges) <= most:
        return torch.arange(len(edges), device=edges.device)
    given = before(classifier, graph, layer, torch.from_numpy(images.images))
    found = graph.evaluate(given.tensors, (layer.activated,), execute)[layer.activated]
    value = found.detach().requires_grad_(True)
    known = {**given.tensors, layer.activated: value}
    scores = graph.evaluate(known, (graph.scores,), execute)[graph.scores].flatten(1)
    loss = functional.cross_entropy(scores, torch.from_numpy(images.labels).to(scores.device), reduction="sum")
    (slope,) = torch.autograd.grad(loss, value)
    change = slope.flatten(2).sum(2) if slope.ndim > 2 else slope
    effect = change.abs().mean(0) * (edges[:, -1] - edges[:, 0])
    return effect.argsort(descending=True)[:most].sort().values


@torch.no_grad()
def size_after(classifier: Classifier, graph: Graph, layer: Layer) -> int:
    """How many numbers all tensors from this layer's on have for one image."""
    names = [name for node in graph.nodes for name in node.output]
    names = names[names.index(layer.activated) :]
    x = torch.zeros(1, *classifier.shape, device=graph.device)
    return sum(value.numel() for value in graph.tensors(classifier.inputs(x), tuple(names)).values())
