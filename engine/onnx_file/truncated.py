"""Networks that end at a tensor inside: for questions about hidden tensors."""

from onnx import GraphProto, ModelProto, TensorProto, helper, load_model_from_string

from engine.errors import InputError


def up_to(data: bytes, tensor: str, *, where: str) -> bytes:
    """Returns the bytes of an ONNX file whose only output is the named tensor, with the nodes that lead to it.

    data: those of an ONNX file that has been read as a network. InputError where no node gives that tensor.
    """
    model = load_model_from_string(data)
    givers = {name: node for node in model.graph.node for name in node.output}
    if tensor not in givers:
        raise InputError(f"no node gives a tensor {tensor!r}", where=where, advice=_named(model))
    needed, pending = set(), [tensor]
    while pending:
        node = givers.get(pending.pop())
        if node is not None and id(node) not in needed:
            needed.add(id(node))
            pending += node.input
    kept = [node for node in model.graph.node if id(node) in needed]
    read = {name for node in kept for name in node.input}
    kind = next((i.type.tensor_type.elem_type for i in model.graph.input), TensorProto.FLOAT)
    graph = GraphProto(
        name=model.graph.name,
        node=kept,
        input=[info for info in model.graph.input if info.name in read],
        initializer=[constant for constant in model.graph.initializer if constant.name in read],
        output=[helper.make_tensor_value_info(tensor, kind, None)],
    )
    short = ModelProto()
    short.CopyFrom(model)
    short.graph.CopyFrom(graph)
    return bytes(short.SerializeToString())


def _named(model: ModelProto) -> str:
    names = [name for node in model.graph.node for name in node.output if name]
    some = ", ".join(repr(name) for name in names[:6]) + (", .." if len(names) > 6 else "")
    return f"name one of its nodes' outputs: {some}"
