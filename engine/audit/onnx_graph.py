"""The graph of an ONNX file without names and without the numbers of its constants (section 10)."""

from typing import TypeAlias

import onnx

Part: TypeAlias = "str | int | bytes | tuple[Part, ...]"


def graph_of(model: onnx.ModelProto) -> Part:
    """Its nodes in order, each with operator, attributes and operands.

    An operand is the input, an output at its place of a node at its place, or the type and shape of
    a constant. Files with equal graphs are isomorphic.
    """
    places: dict[str, Part] = {"": "absent"}
    places |= {entry.name: ("input", i) for i, entry in enumerate(model.graph.input)}
    places |= {tensor.name: _kind(tensor) for tensor in model.graph.initializer}
    nodes: list[Part] = []
    for number, node in enumerate(model.graph.node):
        operands = tuple(places.get(name, "nowhere") for name in node.input)
        attributes = tuple(sorted((entry.name, _value(entry)) for entry in node.attribute))
        nodes.append((node.domain, node.op_type, operands, attributes))
        places |= {name: ("output", number, i) for i, name in enumerate(node.output)}
    return tuple(nodes)


def _kind(tensor: onnx.TensorProto) -> Part:
    return ("constant", tensor.data_type, tuple(tensor.dims))


def _value(entry: onnx.AttributeProto) -> Part:
    """A node's option; of a tensor its type and shape."""
    if entry.HasField("t"):
        return _kind(entry.t)
    data: bytes = entry.SerializeToString(deterministic=True)
    return data
