"""Repair significance: how far a violation can shrink while one neuron takes other values of its range.

After VERE (Ma et al., ICSE 2024), which bounds the shrinkage from below by CROWN. Here both sides are bounded, by lines
in the neuron's value; they meet where the sub-intervals become small. The violation of an image of class y is
max over j != y of f_j - f_y: it is wrong where that is positive.

A neuron is a unit of a dense layer, or a whole channel of a convolution, after its activation. A channel's value is its
mean over the image; to change it, its map is multiplied, and a map that is zero everywhere gets the value everywhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.images.classifier import BATCH, Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet
from engine.images.layers import Layer, layers_of
from engine.images.lines import Lines
from engine.images.relaxation import lines_after

BUDGET = 2**25  # numbers of a chunk's largest tensor of lines
TINY = 1e-6  # mean of a map, below which it is not multiplied


@dataclass(frozen=True, slots=True, eq=False)
class Shrinkage:
    """certain <= the largest shrinkage of each image's violation <= possible, both [images, neurons], >= 0.

    The largest is over all values in the neuron's range; below 0 it counts as 0. at_ends: what is certain at the start
    and at the end of each sub-interval, and may be negative: [images, neurons, intervals, 2]. edges: between
    sub-intervals, [neurons, intervals + 1]. violations: of each image now, [images]. neurons: their numbers.
    """

    possible: Tensor
    certain: Tensor
    at_ends: Tensor
    edges: Tensor
    violations: Tensor
    neurons: Tensor


@torch.no_grad()
def shrinkage(
    classifier: Classifier,
    graph: Graph,
    layer: Layer,
    images: ImageSet,
    edges: Tensor,
    *,
    neurons: Tensor | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> Shrinkage:
    """How far the violation of each image can shrink by each neuron of a layer, all of them or those numbered.

    edges: of the sub-intervals of each of these neurons, rising: [neurons, intervals + 1].
    """
    neurons = torch.arange(len(edges), device=graph.device) if neurons is None else neurons
    sides = graph.sides(layer.activated, (graph.scores,))
    x = classifier.inputs(torch.from_numpy(images.images).to(graph.device))
    labels = torch.from_numpy(images.labels).to(graph.device)
    head = _Head(graph, layer)
    known = _tensors(graph, x, (layer.activated, graph.scores, *sides))
    now = violations(known[graph.scores].flatten(1), labels)
    found = []
    rows = max(1, BUDGET // (4 * _largest(graph, layer, x[:1])))
    chunks = list(_chunks(len(images), len(neurons), edges.shape[1] - 1, rows))
    for number, (some, these) in enumerate(chunks):
        value = known[layer.activated][some]
        lines, count = _freed(value, neurons[these], edges[these]), len(neurons[these]) * (edges.shape[1] - 1)
        fixed = {side: known[side][some].repeat_interleave(count, 0) for side in sides}
        below, above = head.violations(lines, fixed, labels[some].repeat_interleave(count))
        found.append(torch.stack([below, *above]).view(3, len(value), -1, edges.shape[1] - 1))
        report((number + 1) / len(chunks))
    blocks = -(-len(neurons) // _per_chunk(len(neurons), edges.shape[1] - 1, rows))
    bounds = torch.cat([torch.cat(found[i : i + blocks], 2) for i in range(0, len(found), blocks)], 1)
    gains = now[:, None, None] - bounds
    at_ends = gains[1:].movedim(0, -1)
    return Shrinkage(gains[0].amax(2).clamp(min=0), at_ends.amax((2, 3)).clamp(min=0), at_ends, edges, now, neurons)


def violations(scores: Tensor, labels: Tensor) -> Tensor:
    """max over j != y of f_j - f_y, of scores [n, classes]."""
    others = scores.scatter(1, labels[:, None], -torch.inf).amax(1)
    return others - scores.gather(1, labels[:, None])[:, 0]


def values(activations: Tensor) -> Tensor:
    """The values of neurons: means over the image of what a layer gives, [n, neurons, ...] -> [n, neurons]."""
    return activations.flatten(2).mean(2) if activations.ndim > 2 else activations


@torch.no_grad()
def range_edges(
    classifier: Classifier, graph: Graph, layer: Layer, images: list[ImageSet], parts: int, *, widen: float = 0.0
) -> Tensor:
    """edges_of the neurons' values on these images."""
    found = []
    for one in images:
        x = classifier.inputs(torch.from_numpy(one.images).to(graph.device))
        found.append(values(_tensors(graph, x, (layer.activated,))[layer.activated]))
    return edges_of(torch.cat(found), layer, parts, widen=widen)


def edges_of(reached: Tensor, layer: Layer, parts: int, *, widen: float = 0.0) -> Tensor:
    """Edges of equal sub-intervals of each neuron's range, from values [n, neurons]: [neurons, parts + 1].

    widen: by which share of its length the range grows at both ends. What the activation never gives is cut off.
    """
    low, high = reached.amin(0), reached.amax(0)
    low, high = low - widen * (high - low), high + widen * (high - low)
    if layer.activation in ("Relu", "Sigmoid"):
        low = low.clamp(min=0)
    if layer.activation in ("Sigmoid", "Tanh"):
        high = high.clamp(max=1)
    return low[:, None] + (high - low)[:, None] * torch.linspace(0, 1, parts + 1, device=reached.device)


def _tensors(graph: Graph, x: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The named tensors of many images, in batches."""
    parts = [graph.tensors(one, names) for one in torch.split(x, BATCH)]
    return {name: torch.cat([part[name] for part in parts]) for name in names}


def _largest(graph: Graph, layer: Layer, one: Tensor) -> int:
    """How many numbers the largest tensor from this layer's on has for one image."""
    names = [name for node in graph.nodes for name in node.output]
    names = names[names.index(layer.activated) :]
    return max(value.numel() for value in graph.tensors(one, tuple(names)).values())


def _per_chunk(neurons: int, parts: int, rows: int) -> int:
    return max(1, min(neurons, rows // parts))


def _chunks(images: int, neurons: int, parts: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of images x neurons with at most `rows` rows of all sub-intervals; one of each where rows are few."""
    width = _per_chunk(neurons, parts, rows)
    height = max(1, rows // (width * parts))
    for i in range(0, images, height):
        for j in range(0, neurons, width):
            yield slice(i, i + height), slice(j, j + width)


def _freed(value: Tensor, neurons: Tensor, edges: Tensor) -> Lines:
    """The layer's activations [n, width, ...] where each neuron in turn is the variable on each sub-interval.

    Rows run over images, neurons and sub-intervals.
    """
    n, parts = len(value), edges.shape[1] - 1
    own = value[:, neurons]
    mean = values(own).reshape(n, len(neurons), *[1] * (value.ndim - 2))
    shape = torch.where(mean.abs() > TINY, own / torch.where(mean.abs() > TINY, mean, 1.0), 1.0)
    ends = []
    for side in (edges[:, :-1], edges[:, 1:]):
        rows = value[:, None, None].expand(n, len(neurons), parts, *value.shape[1:]).clone()
        moved = shape[:, :, None] * side.reshape(1, len(neurons), parts, *[1] * (value.ndim - 2))
        rows[:, torch.arange(len(neurons)), :, neurons] = moved.movedim(1, 0)
        ends.append(rows.flatten(0, 2))
    both = torch.stack(ends)
    return Lines(both.expand(2, *both.shape))


class _Head:
    """Bounds of violations. A dense layer at the end is folded into the differences of scores, which is tighter."""

    def __init__(self, graph: Graph, layer: Layer):
        self._graph, self._layer = graph, layer
        last = layers_of(graph)[-1]
        node = next(node for node in graph.nodes if last.weight in node.input)
        scaled = any(a.name in ("alpha", "beta") and a.f != 1 for a in node.attribute)
        plain = last.kind == "dense" and last.output == graph.scores and not scaled
        self._last = last if plain and last != layer else None

    def violations(self, lines: Lines, sides: dict[str, Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
        """A lower bound in the whole interval [rows], and upper bounds at its start and end [2, rows]."""
        scores = self._last.input if self._last else self._graph.scores
        found = (
            lines
            if scores == self._layer.activated
            else lines_after(self._graph, self._layer.activated, lines, sides, scores)
        )
        if self._last:
            differences = self._folded(found, labels)
        else:
            flat = Lines(found.ends.flatten(3))
            own = labels[None, None, :, None].expand(2, 2, -1, 1)
            differences = Lines(flat.ends - flat.ends.gather(3, own).flip(0))
        ends = differences.ends.scatter(3, labels[None, None, :, None].expand(2, 2, -1, 1), -torch.inf)
        least = ends[0].amin(0).amax(1)  # some f_j - f_y is at least this in the whole interval
        return least, ends[1].amax(2)

    def _folded(self, lines: Lines, labels: Tensor) -> Lines:
        assert self._last is not None
        weight: Tensor = self._graph.weights[self._last.weight]
        weight = weight if self._last.axis == 0 else weight.T
        bias = self._graph.weights[self._last.bias].flatten() if self._last.bias else weight.new_zeros(len(weight))
        middle, half = (lines.above + lines.below) / 2, (lines.above - lines.below) / 2
        ends = torch.empty(2, *middle.shape[:2], len(weight), device=middle.device)
        for label in range(len(weight)):
            rows = labels == label
            rise = weight - weight[label]
            centre = middle[:, rows] @ rise.T + bias - bias[label]
            radius = half[:, rows] @ rise.abs().T
            ends[0, :, rows], ends[1, :, rows] = centre - radius, centre + radius
        return Lines(ends)
