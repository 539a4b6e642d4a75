"""ONNX file -> Network, every number as it stands in the file. What is not known here is refused.

Section 3 of the format says what the nodes of a file mean.
"""

import math

import numpy as np
import onnx

from engine.audit.data import Array, End, FilePath, Layer, Network
from engine.audit.failures import Malformed, need
from engine.audit.files import read_bytes
from engine.audit.onnx_chain import MAX_WIDTH, Chain, Link
from engine.audit.onnx_constants import numbers_of
from engine.audit.onnx_data import MAX_BYTES, whole_model
from engine.audit.onnx_endings import check_open
from engine.audit.onnx_forms import FLOATS, Call
from engine.audit.onnx_graph import graph_of
from engine.audit.onnx_meeting import met
from engine.audit.onnx_operators import Value, results
from engine.audit.sparse import each, held

LEAST_OPSET = 7
DOMAINS = ("", "ai.onnx")


def read_network(path: FilePath, tensor: str = "") -> Network:
    """The network in an `.onnx` or `.onnx.gz` file, at batch size 1.

    tensor: where it is to end, the name of a node's output (section 10, "Blocks").

    Malformed where it is not one known chain, or damaged. MemoryError passes, as it does when a
    certificate is read: it tells of this machine, and nothing of the file.
    """
    data = read_bytes(path, MAX_BYTES)
    try:
        model, digest = whole_model(data, path)
        chain, ends = _chain(model, tensor)
    except MemoryError:
        raise
    except Exception as error:  # Malformed, and what protobuf and numpy raise on damaged files
        why = " ".join(str(error).split()) or type(error).__name__
        raise Malformed(f"{path}: {why}") from None
    layers = tuple(map(_layer, chain.links))
    obstacle = chain.obstacle or _obstacle(layers, chain.zeros_first)
    graph, ending = graph_of(model), chain.ending
    return Network(layers, digest, obstacle, chain.rounded, ends, graph, ending=ending)


def _layer(link: Link) -> Layer:
    bias = np.zeros(link.weight.shape[0]) if link.bias is None else link.bias
    return Layer(link.weight, bias, link.relu, link.curve)


# --- the nodes ------------------------------------------------------------------------------------


def _chain(model: onnx.ModelProto, tensor: str) -> tuple[Chain, tuple[End, End]]:
    """Section 3: the layers that the nodes make, in order, up to this tensor if it is named.

    `values` holds what each name stands for.
    """
    graph, opset = model.graph, _opset(model)
    supported = not model.functions and not graph.sparse_initializer
    need(supported, "functions and sparse tensors are not supported")
    values = {tensor.name: Value(numbers_of(tensor)) for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in values]
    ends = len(graph.node) > 0 and len(inputs) == len(graph.output) == 1
    need(ends, "it needs nodes, and exactly one input and one output")
    _check_names(graph, inputs[0].name)
    begin = _input(inputs[0].type.tensor_type)
    values[inputs[0].name] = Value(begin, Chain())
    for node in graph.node:
        try:
            values |= _step(node, opset, values)
        except (Malformed, ValueError, IndexError) as error:
            raise Malformed(f"node {node.name!a} ({node.op_type!a}): {error}") from None
        if tensor in values:
            break
    name = tensor or graph.output[0].name
    end = values.get(name)
    if end is None or end.chain is None or tensor == inputs[0].name:
        raise Malformed(f"its {_called(tensor)} is not the end of one chain of layers")
    end.chain.close(end.numbers.size)
    return end.chain, (End(inputs[0].name, begin.shape), End(name, end.numbers.shape))


def _called(tensor: str) -> str:
    """The words for the end of a network."""
    return f"tensor {tensor!a}" if tensor else "output"


def _opset(model: onnx.ModelProto) -> int:
    """The version of the operators, which is known here."""
    versions = {entry.version for entry in model.opset_import if entry.domain in DOMAINS}
    opset = min(versions, default=0)
    known = len(versions) == 1 and LEAST_OPSET <= opset <= onnx.defs.onnx_opset_version()
    need(known, f"opset {sorted(versions)} is not supported")
    return opset


def _check_names(graph: onnx.GraphProto, signal: str) -> None:
    """Each name stands for one thing."""
    constants = [tensor.name for tensor in graph.initializer]
    outputs = [name for node in graph.node for name in _outputs(node)]
    names = [*constants, signal, *outputs]
    good = all(names) and len(set(names)) == len(names)
    need(good, "a name is empty or stands for two things")


def _outputs(node: onnx.NodeProto) -> list[str]:
    """The names of what it gives. Nothing may read what a Dropout kept."""
    names = list(node.output)
    return names[:1] if node.op_type == "Dropout" and len(names) == 2 else names


def _input(kind: onnx.TypeProto.Tensor) -> Array:
    """The signal before all nodes: each element is its place among the inputs.

    The first dimension is 1 where it is not known.
    """
    shape = [
        dimension.dim_value if dimension.HasField("dim_value") or place else 1
        for place, dimension in enumerate(kind.shape.dim)
    ]
    known = kind.HasField("shape") and kind.elem_type in FLOATS and min(shape, default=1) > 0
    need(
        known and math.prod(shape) <= MAX_WIDTH,
        "its input is not float32 or float64, or not of a fixed, small shape",
    )
    return np.arange(math.prod(shape), dtype=FLOATS[kind.elem_type]).reshape(shape)


def _step(node: onnx.NodeProto, opset: int, values: dict[str, Value]) -> dict[str, Value]:
    """Returns what a node gives, by its outputs' names."""
    options = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    own = node.domain in DOMAINS and len(options) == len(node.attribute)
    need(own, "it is of another domain")
    need(node.output[-1] not in values, "a name stands for two things")
    names = list(node.input)
    while names[-1:] == [""]:  # operands that are left out at the end
        names.pop()
    there = all(name in values or not name for name in names)
    need(there, "it reads what is not there")
    operands = [values[name].numbers if name else None for name in names]
    chains = {
        place: chain.fork()
        for place, name in enumerate(names)
        if name and (chain := values[name].chain) is not None
    }
    for chain in chains.values():
        check_open(chain, node.op_type)
    at = min(chains, default=None)
    call = Call(node.op_type, operands, options, at, opset)
    if len(chains) > 1:
        found = [Value(*met(call, chains))]
    else:
        found = results(call, None if at is None else chains[at])
    need(len(found) == len(_outputs(node)), "it has more or fewer outputs")
    return dict(zip(_outputs(node), found, strict=True))


# --- float32 semantics ----------------------------------------------------------------------------


def _obstacle(layers: tuple[Layer, ...], zeros_first: bool) -> str:
    """Why section 3 denies these numbers float32 semantics; "" where it does not."""
    if not all(_is_float32(held(layer.weight)) and _is_float32(layer.bias) for layer in layers):
        return "not all its numbers are float32 ones"
    if zeros_first and not _flush_is_covered(layers):
        return "zeros are added to the input before large weights"
    return ""


def _is_float32(numbers: Array) -> bool:
    with np.errstate(over="ignore"):
        return bool((numbers == numbers.astype(np.float32)).all())


def _flush_is_covered(layers: tuple[Layer, ...]) -> bool:
    """Section 3, at the end: e covers what is flushed of the input, or roundings of b do."""
    n = max(max(layer.weight.shape) for layer in layers)
    weight, bias = layers[0].weight, np.abs(layers[0].bias)
    n_inputs = weight.shape[1]
    few = n_inputs + 1 + n_inputs + each(_beyond_1, weight) @ np.ones(n_inputs) <= 2 * n + 4
    small = np.abs(weight) @ np.ones(n_inputs) <= 2.0**103 * bias
    return bool((few | small).all())


def _beyond_1(numbers: Array) -> Array:
    """max(1, |number|) - 1."""
    return np.maximum(np.abs(numbers), 1) - 1
