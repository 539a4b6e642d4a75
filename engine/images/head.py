"""A classifier's head: the dense layers from a tensor to the scores, as exact data.

Where all its activations are ReLUs, it is an `engine.network.Network`: bounds, search and proofs work on it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto, helper

from engine.errors import InputError
from engine.images.graph import Graph
from engine.images.layers import layers_of
from engine.network import Affine, Network

PASSING = ("Flatten", "Identity", "Dropout")  # leave the numbers and their order as they are
ACTIVATIONS = ("Relu", "Sigmoid")
PLAIN_GEMM = {"alpha": 1.0, "beta": 1.0, "transA": 0}

Doubles = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class HeadLayer:
    """activation(weight @ h + bias); weight: float64 [out, in], bias: float64 [out], the file's own numbers exactly."""

    weight: Doubles
    bias: Doubles
    activation: str | None  # Relu, Sigmoid, or None


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The layers that make the scores of `tensor`, flattened; the last has no activation."""

    tensor: str
    layers: tuple[HeadLayer, ...]

    def network(self, name: str = "head") -> Network:
        """It as a network of dense layers and ReLUs, number by number; InputError where it has another activation."""
        for layer in self.layers:
            if layer.activation not in (None, "Relu"):
                raise InputError(
                    f"its head has the activation {layer.activation}",
                    where=name,
                    advice="split it behind that: ReLUs alone have exact networks",
                )
        layers = tuple(Affine(layer.weight, layer.bias, layer.activation == "Relu") for layer in self.layers)
        return Network(layers, name=name)


def last_features(graph: Graph) -> str:
    """The tensor that the last layer reads, before any flattening: the features of the shortest head."""
    layers = layers_of(graph)
    if not layers or layers[-1].kind != "dense":
        raise InputError("its last layer is not dense", advice="name the tensor where its head begins, or another file")
    name = layers[-1].input
    while (node := _producer(graph, name)) is not None and node.op_type in ("Identity", "Dropout"):
        name = node.input[0]
    return name


def head_of(graph: Graph, tensor: str) -> Head:
    """The head that reads `tensor`. InputError unless dense layers, ReLUs and Sigmoids alone lie between it and the
    scores."""
    found: list[HeadLayer] = []
    name, activation = graph.scores, None
    while name != tensor:
        node = _producer(graph, name)
        if node is None:
            raise InputError(f"the scores do not follow from tensor {tensor!r} alone", advice="name a later tensor")
        if node.op_type in ACTIVATIONS and activation is None and found:
            activation, name = node.op_type, node.input[0]
        elif node.op_type in PASSING:
            name = node.input[0]
        elif (read := _dense(graph, node)) is not None:
            layer, name = read
            found.append(replace(layer, activation=activation))
            activation = None
        else:
            raise InputError(
                f"operator {node.op_type} between tensor {tensor!r} and the scores is not dense",
                advice="name a tensor behind it",
            )
    if activation is not None or not found:
        raise InputError(f"no dense layer reads tensor {tensor!r}", advice="name the tensor behind its activation")
    return Head(tensor, tuple(reversed(found)))


def _dense(graph: Graph, node: NodeProto) -> tuple[HeadLayer, str] | None:
    """The dense layer that ends in this node, and the tensor that it reads; None where there is none."""
    weights = graph.weights
    numbers: Callable[[str], Doubles] = lambda name: weights[name].detach().cpu().numpy().astype(np.float64)  # noqa: E731
    if node.op_type == "Add":
        return _sum(graph, node, numbers)
    if node.op_type not in ("Gemm", "MatMul") or node.input[1] not in weights:
        return None
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if any(attributes.get(name, value) != value for name, value in PLAIN_GEMM.items()):
        raise InputError("a Gemm with factors has no exact weights", where=f"node {node.name!r}")
    weight = numbers(node.input[1])
    weight = weight if node.op_type == "Gemm" and attributes.get("transB", 0) else weight.T
    biased = len(node.input) > 2 and bool(node.input[2])
    bias = numbers(node.input[2]) if biased else np.zeros(len(weight))
    return _layer(weight, bias), node.input[0]


def _sum(graph: Graph, node: NodeProto, numbers: Callable[[str], Doubles]) -> tuple[HeadLayer, str] | None:
    """A MatMul and the bias that is added to it."""
    for product, bias in (node.input, node.input[::-1]):
        before = _producer(graph, product)
        if bias in graph.weights and before is not None and before.op_type == "MatMul":
            read = _dense(graph, before)
            if read is not None:
                return _layer(read[0].weight, numbers(bias)), read[1]
    return None


def _layer(weight: Doubles, bias: Doubles) -> HeadLayer:
    return HeadLayer(np.ascontiguousarray(weight), np.broadcast_to(bias.reshape(-1), (len(weight),)).copy(), None)


def _producer(graph: Graph, name: str) -> NodeProto | None:
    return next((node for node in graph.nodes if name in node.output), None)
