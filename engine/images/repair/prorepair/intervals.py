"""Interval bounds of an extractor on regions of images, differentiable in its weights.

They hold in real arithmetic; float32 rounding is not in them.
"""

import torch
from onnx import NodeProto, helper
from torch import Tensor

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.node_inputs import Attributes
from engine.images.operators import OPERATORS

Interval = tuple[Tensor, Tensor]

# Operators that keep the order of what they read: their ends follow from the ends.
MONOTONE = (
    *("Relu", "Sigmoid", "Tanh", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad", "Identity", "Dropout", "Cast"),
)
LINEAR = ("Conv", "Gemm", "MatMul")


def interval_of(graph: Graph, low: Tensor, high: Tensor, tensor: str) -> Interval:
    """Bounds of `tensor` where the network's input lies between low and high [n, ...].

    InputError names the first operator whose bounds are not known here.
    """
    known: dict[str, Interval] = {graph.input: (low, high)}
    for node in graph.nodes:
        if tensor in known:
            break
        if any(name in known for name in node.input):
            known[node.output[0]] = _bounds(graph, node, known)
    return known[tensor]


def _bounds(graph: Graph, node: NodeProto, known: dict[str, Interval]) -> Interval:
    first, *others = node.input
    if node.op_type == "Add":
        return _sum(graph, node, known)
    if first in known and not any(name in known for name in others):
        low, high = known[first]
        if node.op_type in MONOTONE:
            ends = [graph.tensors(end, (node.output[0],), start=first)[node.output[0]] for end in (low, high)]
            return ends[0], ends[1]
        if node.op_type in LINEAR and others[0] in graph.weights:
            return _linear(graph, node, low, high)
    raise InputError(f"operator {node.op_type} has no interval bounds here", advice="repair it without radius")


def _linear(graph: Graph, node: NodeProto, low: Tensor, high: Tensor) -> Interval:
    """The image of the centre, give or take that of the radius under absolute weights."""
    centre = graph.tensors((low + high) / 2, (node.output[0],), start=node.input[0])[node.output[0]]
    attributes = Attributes({a.name: helper.get_attribute_value(a) for a in node.attribute})
    if attributes.number("alpha", 1.0) < 0:
        raise InputError("a Gemm with a negative factor has no interval bounds here", where=f"node {node.name!r}")
    weight = graph.weights[node.input[1]].abs()
    radius = OPERATORS[node.op_type](attributes, [(high - low) / 2, weight, None])
    return centre - radius, centre + radius


def _sum(graph: Graph, node: NodeProto, known: dict[str, Interval]) -> Interval:
    parts = [known[name] if name in known else (graph.weights[name],) * 2 for name in node.input]
    return torch.add(parts[0][0], parts[1][0]), torch.add(parts[0][1], parts[1][1])
