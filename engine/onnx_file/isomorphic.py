"""Files with the same graph, whose constants may have other numbers: for networks declared isomorphic."""

from collections.abc import Iterator

from onnx import AttributeProto, ModelProto, TensorProto, load_model_from_string


def isomorphic(one: bytes, other: bytes) -> bool:
    """True iff two ONNX files have the same nodes in the same order: operators, attributes and operands.

    Operands are the same where both are the input, outputs at the same place of the same earlier nodes, or constants of
    one type and shape. Names do not count, and neither do the numbers of constants.
    """
    return list(_nodes(load_model_from_string(one))) == list(_nodes(load_model_from_string(other)))


def _nodes(model: ModelProto) -> Iterator[object]:
    places: dict[str, object] = {"": "none"}
    places |= {info.name: ("input", number) for number, info in enumerate(model.graph.input)}
    places |= {tensor.name: _kind(tensor) for tensor in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        operands = [places.get(name, "unknown") for name in node.input]
        attributes = sorted((entry.name, _value(entry)) for entry in node.attribute)
        yield node.domain, node.op_type, operands, attributes
        places |= {name: ("output", number, place) for place, name in enumerate(node.output)}


def _kind(tensor: TensorProto) -> object:
    return "constant", tensor.data_type, tuple(tensor.dims)


def _value(entry: AttributeProto) -> object:
    """The attribute, a tensor without its numbers."""
    return _kind(entry.t) if entry.HasField("t") else entry.SerializeToString(deterministic=True)
