"""Which tensors of an ONNX classifier are its input and its scores, whatever stands after the scores.

Exports end in scores, in a softmax, in an argmax, or, from scikit-learn, in two outputs: labels, and probabilities as
a tensor or (ZipMap) as a map.
"""

from collections.abc import Sequence

from onnx import ModelProto, NodeProto, TensorProto, helper

from engine.errors import InputError

ENDS = ("Softmax", "LogSoftmax", "Identity", "ZipMap")  # which say the same as what they read, class by class
LABELS = ("ArgMax", "ArrayFeatureExtractor", "Cast", "Reshape", "Squeeze", "Identity", "Flatten")


def input_of(model: ModelProto, where: str) -> str:
    """The name of the one input that is no weight."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value.name for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise InputError(f"it has {len(inputs)} inputs, and a classifier has one", where=where)
    return str(inputs[0])


def scores_of(model: ModelProto, where: str) -> str:
    """The name of the tensor that has a score for each class, the highest being the class's.

    Of several outputs, labels are left out. InputError where more than one is left, or where classes have other names
    than 0, 1, 2, ...
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    outputs = [value for value in model.graph.output if not _holds_labels(value.type.tensor_type.elem_type)]
    if len(outputs) > 1:
        names = ", ".join(value.name for value in outputs)
        raise InputError(
            f"it has the outputs {names}, and a classifier has one of scores", where=where, advice="export one output"
        )
    name = outputs[0].name if outputs else _before_labels(model, producers, where)
    while (node := producers.get(name)) is not None and node.op_type in ENDS:
        if node.op_type == "ZipMap":
            _demand_numbered(node, where)
        name = node.input[0]
    return str(name)


def needed(nodes: Sequence[NodeProto], names: Sequence[str], known: set[str]) -> list[int]:
    """The places of the nodes from which the named tensors follow, in order, where others are known."""
    open_names, found = set(names) - known, []
    for place in reversed(range(len(nodes))):
        if open_names & set(nodes[place].output):
            found.append(place)
            open_names |= set(nodes[place].input) - known
    return found[::-1]


def _holds_labels(elem_type: int) -> bool:
    return elem_type in (TensorProto.INT64, TensorProto.INT32, TensorProto.STRING)


def _before_labels(model: ModelProto, producers: dict[str, NodeProto], where: str) -> str:
    """The tensor of whose entries the output says which is the largest."""
    name = model.graph.output[0].name if len(model.graph.output) else ""
    while (node := producers.get(name)) is not None and node.op_type in LABELS:
        if node.op_type == "ArgMax":
            return str(node.input[0])
        name = node.input[1] if node.op_type == "ArrayFeatureExtractor" else node.input[0]
    raise InputError("it gives labels, and no scores can be found", where=where, advice="export the scores")


def _demand_numbered(node: NodeProto, where: str) -> None:
    labels = {a.name: helper.get_attribute_value(a) for a in node.attribute}.get("classlabels_int64s")
    if labels is None or list(labels) != list(range(len(labels))):
        raise InputError("its classes are not numbered 0, 1, 2, ...", where=where, advice="number them so, and export")
