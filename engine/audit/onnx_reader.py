"""ONNX file -> Network, every number as it stands in the file. What is not known here is refused."""

import math

import numpy as np
import onnx

from .data import Layer, Malformed, Network, need, read_bytes
from .onnx_data import MAX_BYTES, whole_model

MAX_WIDTH = 1 << 13
FLOATS = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.DOUBLE: np.float64}
OPTIONS = {"Constant": {"value": onnx.TensorProto}, "Flatten": {"axis": int}, "Reshape": {"allowzero": int},
           "Gemm": {"alpha": float, "beta": float, "transA": int, "transB": int}}


def read_network(path) -> Network:
    """The network in an `.onnx` or `.onnx.gz` file, at batch size 1; Malformed where it is not one known chain."""
    data = read_bytes(path, MAX_BYTES)
    try:
        model, digest = whole_model(data, path)
        layers = _layers(model)
    except Exception as error:  # Malformed, and what protobuf and numpy raise on damaged files
        raise Malformed(f"{path}: {' '.join(str(error).split()) or type(error).__name__}") from None
    single = all((a == a.astype(np.float32)).all() for layer in layers for a in (layer.weight, layer.bias))
    return Network(layers, single, digest)


def _layers(model: onnx.ModelProto) -> tuple[Layer, ...]:
    """Walks the nodes. `values`: the constants and, under the name `signal`, zeros shaped as the input is by then."""
    graph, opsets = model.graph, [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    need(len(opsets) == 1 and 7 <= opsets[0] <= onnx.defs.onnx_opset_version(), f"opset {opsets} is not supported")
    need(not model.functions and not graph.sparse_initializer, "functions and sparse tensors are not supported")
    values, layers = {tensor.name: _numbers(tensor) for tensor in graph.initializer}, []
    inputs = [entry for entry in graph.input if entry.name not in values]
    need(len(inputs) == len(graph.output) == 1, "it needs exactly one input and one output")
    signal, kind = inputs[0].name, inputs[0].type.tensor_type
    names = [*(t.name for t in graph.initializer), signal, *(name for node in graph.node for name in node.output)]
    need(all(names) and len(set(names)) == len(names), "a name is empty or stands for two things")
    shape = [d.dim_value if d.HasField("dim_value") or i else 1 for i, d in enumerate(kind.shape.dim)]
    known = kind.HasField("shape") and kind.elem_type in FLOATS and min(shape, default=1) > 0
    need(known and math.prod(shape) <= MAX_WIDTH, "its input is not float32 or float64, or not of a fixed, small shape")
    values[signal] = np.zeros(shape, FLOATS[kind.elem_type])
    for node in graph.node:
        try:
            values[node.output[0]] = _result(node, values, signal, layers)
        except (Malformed, ValueError, IndexError) as error:
            raise Malformed(f"node {node.name!a} ({node.op_type!a}): {error}") from None
        signal = node.output[0] if signal in node.input else signal
    need(graph.output[0].name == signal and layers, "its output is not the end of one chain of layers from its input")
    return tuple(Layer(weight, np.zeros(len(weight)) if bias is None else bias, relu) for weight, bias, relu in layers)


def _result(node: onnx.NodeProto, values: dict, signal: str, layers: list) -> np.ndarray:
    """What a node gives. What reads the signal takes it out of `values`: nothing can read it again."""
    options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    known = all(OPTIONS.get(node.op_type, {}).get(name) is type(value) for name, value in options.items())
    once = len(options) == len(node.attribute) and len(node.output) == 1
    need(known and once and node.domain in ("", "ai.onnx"), "this operator or form is not supported")
    names = list(node.input[:-1] if node.input[-1:] == [""] else node.input)
    need(all(name in values for name in names) and names.count(signal) < 2, "it reads what is not there, or twice")
    arguments = [values.pop(name) if name == signal else values[name] for name in names]
    match (node.op_type, *arguments):
        case ("Constant",):
            return _numbers(options["value"])
        case ("Identity", x):
            return x
        case ("Flatten", x):
            return x.reshape(math.prod(x.shape[:options.get("axis", 1)]), -1)
        case ("Reshape", x, to):
            need(to.dtype == np.int64 and to.ndim == 1 and to.min() >= -1, "the new shape is not a list of dimensions")
            return x.reshape([x.shape[i] if d == 0 and not options.get("allowzero") else d for i, d in enumerate(to)])
    need(signal in names and len({a.dtype for a in arguments}) < 2, "it must join the signal and constants of one type")
    return _layer(layers, node.op_type, names.index(signal), arguments, **options)


def _layer(layers: list, operator: str, at: int, arguments, *, alpha=1.0, beta=1.0, transA=0, transB=0) -> np.ndarray:
    """The next signal. Layers: weight, bias (None: none so far), relu. Products of float32 numbers are exact here."""
    match (operator, at, *arguments):
        case ("Relu", 0, x):
            layers[:] = layers or [[np.eye(x.size), None, False]]
            layers[-1][2] = True
            return x
        case ("Add" | "Sub", 0, x, constant) | ("Add", 1, constant, x):
            constant = -constant if operator == "Sub" else constant
        case ("Sub", 1, constant, x):
            if not layers or layers[-1][1] is not None or layers[-1][2]:
                layers.append([np.eye(x.size), None, False])
            layers[-1][0] = -layers[-1][0]
        case ("MatMul" | "Gemm", 0 | 1, a, b, *bias) if len(bias) <= (operator == "Gemm"):
            need(alpha == beta == 1 or (a.dtype == np.float32 and math.isfinite(alpha + beta)), "its factors may round")
            a, b = a.T if transA else a, b.T if transB else b
            x, weight = (b, a) if at else (a, b.T)
            fits = weight.ndim == 2 and weight.shape[1] == x.size and len(weight) <= MAX_WIDTH
            need(fits and (operator == "MatMul" or x.ndim == 2), "it does not multiply a matrix and one point")
            layers.append([np.ascontiguousarray(weight, np.float64) * alpha, None, False])
            return _layer(layers, "Add", 0, [a @ b, bias[0].astype(np.float64) * beta]) if bias else a @ b
        case _:
            raise Malformed("this operator or form is not supported")
    need(math.prod(np.broadcast_shapes(x.shape, constant.shape)) == x.size, "it makes several points of one")
    shifted = x + constant  # x is 0
    if layers and layers[-1][1] is None and not layers[-1][2]:
        layers[-1][1] = shifted.ravel().astype(np.float64)
    elif shifted.any():
        layers.append([np.eye(x.size), shifted.ravel().astype(np.float64), False])
    return np.zeros(shifted.shape, x.dtype)


def _numbers(tensor: onnx.TensorProto) -> np.ndarray:
    """The tensor's numbers, all finite."""
    need(tensor.data_location == tensor.DEFAULT and not tensor.external_data, "a tensor's data is in another file")
    need(tensor.data_type in (*FLOATS, tensor.INT64), "a tensor is not of type float32, float64 or int64")
    array = onnx.numpy_helper.to_array(tensor)
    need(array.size > 0 and bool(np.isfinite(array).all()), "a tensor is empty or holds NaN or infinite values")
    return array
