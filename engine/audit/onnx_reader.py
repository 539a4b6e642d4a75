"""ONNX file -> Network, every number as it stands in the file. What is not known here is refused."""

import math

import numpy as np
import onnx

from engine.audit.data import Layer, Malformed, Network, need, read_bytes
from engine.audit.onnx_data import MAX_BYTES, whole_model
from engine.audit.onnx_operators import FLOATS, MAX_WIDTH, Chain, numbers_of, result


def read_network(path) -> Network:
    """The network in an `.onnx` or `.onnx.gz` file, at batch size 1; Malformed where it is not one known chain."""
    data = read_bytes(path, MAX_BYTES)
    try:
        model, digest = whole_model(data, path)
        chain = _chain(model)
    except Exception as error:  # Malformed, and what protobuf and numpy raise on damaged files
        raise Malformed(f"{path}: {' '.join(str(error).split()) or type(error).__name__}") from None
    layers = tuple(
        Layer(weight, np.zeros(len(weight)) if bias is None else bias, relu)
        for weight, bias, relu in chain.layers
    )
    return Network(
        layers, digest, chain.obstacle or _obstacle(layers, chain.zeros_first), chain.rounded
    )


def _obstacle(layers: tuple[Layer, ...], zeros_first: bool) -> str:
    """What section 3 of the format demands of the layers' numbers in float32 semantics, if they are otherwise."""
    with np.errstate(over="ignore"):
        if not all(
            (part == part.astype(np.float32)).all() for layer in layers for part in layer[:2]
        ):
            return "not all its numbers are float32 ones"
    width = max(max(layer.weight.shape) for layer in layers)
    weight, bias = np.abs(layers[0].weight), np.abs(layers[0].bias)
    few = weight.shape[1] + 1 + np.maximum(weight, 1).sum(1) <= 2 * width + 4
    covered = few | (weight.sum(1) <= 2.0**103 * bias)
    return (
        "zeros are added to the input before large weights"
        if zeros_first and not covered.all()
        else ""
    )


def _chain(model: onnx.ModelProto) -> Chain:
    """Walks the nodes. `values`: the constants and, under the name `signal`, what the input is by then."""
    graph, opsets = (
        model.graph,
        {o.version for o in model.opset_import if o.domain in ("", "ai.onnx")},
    )
    opset = min(opsets, default=0)
    need(
        len(opsets) == 1 and 7 <= opset <= onnx.defs.onnx_opset_version(),
        f"opset {sorted(opsets)} is not supported",
    )
    need(
        not model.functions and not graph.sparse_initializer,
        "functions and sparse tensors are not supported",
    )
    values, chain = {tensor.name: numbers_of(tensor) for tensor in graph.initializer}, Chain()
    inputs = [entry for entry in graph.input if entry.name not in values]
    need(len(inputs) == len(graph.output) == 1, "it needs exactly one input and one output")
    signal = inputs[0].name
    names = [
        *(t.name for t in graph.initializer),
        signal,
        *(name for node in graph.node for name in node.output[:1]),
    ]
    need(all(names) and len(set(names)) == len(names), "a name is empty or stands for two things")
    values[signal] = _input(inputs[0].type.tensor_type)
    for node in graph.node:
        try:
            values[node.output[0]] = _step(node, opset, values, signal, chain)
        except (Malformed, ValueError, IndexError) as error:
            raise Malformed(f"node {node.name!a} ({node.op_type!a}): {error}") from None
        signal = node.output[0] if signal in node.input and node.op_type != "Shape" else signal
    need(
        graph.output[0].name == signal and bool(chain.layers),
        "its output is not the end of one chain of layers",
    )
    return chain


def _input(kind) -> np.ndarray:
    """The signal before all nodes: each element is its place among the inputs."""
    shape = [
        d.dim_value if d.HasField("dim_value") or i else 1 for i, d in enumerate(kind.shape.dim)
    ]
    known = kind.HasField("shape") and kind.elem_type in FLOATS and min(shape, default=1) > 0
    need(
        known and math.prod(shape) <= MAX_WIDTH,
        "its input is not float32 or float64, or not of a fixed, small shape",
    )
    return np.arange(math.prod(shape), dtype=FLOATS[kind.elem_type]).reshape(shape)


def _step(node: onnx.NodeProto, opset: int, values: dict, signal: str, chain: Chain) -> np.ndarray:
    """What a node gives. What reads the signal takes it out of `values`, but for its shape: nothing reads it again."""
    options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    need(
        node.domain in ("", "ai.onnx") and len(options) == len(node.attribute),
        "it is of another domain",
    )
    need(
        len(node.output) == 1 or (node.op_type, len(node.output)) == ("Dropout", 2),
        "it has several outputs",
    )
    need(node.output[-1] not in values, "a name stands for two things")
    names = list(node.input)
    while names[-1:] == [""]:
        names.pop()
    need(
        all(name in values or not name for name in names) and names.count(signal) < 2,
        "it reads what is not there, or what was read before",
    )
    at = names.index(signal) if signal in names else None
    take = values.get if node.op_type == "Shape" else values.pop
    operands = [take(name) if name == signal else values.get(name) for name in names]
    return result(node.op_type, opset, operands, options, at, chain)
