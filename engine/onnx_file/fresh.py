"""ONNX files of networks that come from elsewhere."""

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_IR_VERSION, _OPSET = 8, 13  # which every runtime of the last years takes


def chain_model(layers: Sequence[tuple[np.ndarray, np.ndarray, bool]]) -> ModelProto:
    """Returns a Gemm for each layer, and a Relu where it has one, from `X` [1, inputs] to `Y` [1, outputs].

    layers: weights [out, in] and biases [out], all float32 or all float64, which stand in the file as they are; and
    whether a ReLU follows. The same layers make the same bytes.
    """
    kind = helper.np_dtype_to_tensor_dtype(layers[0][0].dtype)
    nodes, tensors, signal = [], [], "X"
    for number, (weight, bias, relu) in enumerate(layers, start=1):
        is_last = number == len(layers)
        names = f"W{number}", f"b{number}"
        tensors += [numpy_helper.from_array(weight, names[0]), numpy_helper.from_array(bias, names[1])]
        result = "Y" if is_last and not relu else f"z{number}"
        nodes.append(helper.make_node("Gemm", [signal, *names], [result], transB=1))
        signal = result
        if relu:
            result = "Y" if is_last else f"h{number}"
            nodes.append(helper.make_node("Relu", [signal], [result]))
            signal = result
    return _model(nodes, tensors, kind, inputs=layers[0][0].shape[1], outputs=len(layers[-1][1]))


def _model(nodes: list[NodeProto], tensors: list[TensorProto], kind: int, *, inputs: int, outputs: int) -> ModelProto:
    ends = [helper.make_tensor_value_info(name, kind, [1, size]) for name, size in (("X", inputs), ("Y", outputs))]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], initializer=tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
