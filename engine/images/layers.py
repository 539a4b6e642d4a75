"""The layers of a classifier: convolutions and dense layers, with the tensors around them."""

from dataclasses import dataclass
from typing import Literal

from onnx import NodeProto, helper

from engine.images.graph import Graph

ACTIVATIONS = ("Relu", "Sigmoid", "Tanh", "LeakyRelu")
PASSING = ("BatchNormalization", "Dropout", "Identity")  # may stand between a layer and its activation


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution or dense layer.

    weight, bias: names of its weights in the file; bias is None where it has none. axis: of the weight along which its
    neurons (or channels) are numbered. input: the tensor that it reads. output: the tensor that holds its own sums,
    bias included. activated: the tensor after its activation; equal to `output` where no activation follows.
    """

    name: str
    kind: Literal["conv", "dense"]
    weight: str
    bias: str | None
    axis: int
    input: str
    output: str
    activated: str
    activation: str | None


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """The layers in the order of execution: Conv, Gemm, and MatMul by a weight on the right."""
    found = []
    for node in graph.nodes:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in graph.weights:
            continue
        kind: Literal["conv", "dense"] = "conv" if node.op_type == "Conv" else "dense"
        bias, output = _bias(graph, node)
        activated, activation = _activated(graph, output)
        name = node.name or node.output[0]
        found.append(Layer(name, kind, node.input[1], bias, _axis(node), node.input[0], output, activated, activation))
    return tuple(found)


def _axis(node: NodeProto) -> int:
    if node.op_type == "Conv":
        return 0
    transposed = {a.name: helper.get_attribute_value(a) for a in node.attribute}.get("transB", 0)
    return 0 if node.op_type == "Gemm" and transposed else 1


def _bias(graph: Graph, node: NodeProto) -> tuple[str | None, str]:
    """Its bias, its own or of an Add that alone reads its output, and the tensor of the sum."""
    output = node.output[0]
    if node.op_type != "MatMul":
        return (node.input[2] if len(node.input) > 2 and node.input[2] else None), output
    after = _only_reader(graph, output)
    if after is None or after.op_type != "Add":
        return None, output
    other = next((name for name in after.input if name != output), None)
    return (other, after.output[0]) if other in graph.weights else (None, output)


def _activated(graph: Graph, output: str) -> tuple[str, str | None]:
    """The tensor after the activation that alone reads this one, and the activation's name."""
    name, after = output, _only_reader(graph, output)
    while after is not None and after.op_type in PASSING:
        name = after.output[0]
        after = _only_reader(graph, name)
    if after is not None and after.op_type in ACTIVATIONS:
        return after.output[0], after.op_type
    return output, None


def _only_reader(graph: Graph, name: str) -> NodeProto | None:
    readers = [node for node in graph.nodes if name in node.input]
    return readers[0] if len(readers) == 1 else None
