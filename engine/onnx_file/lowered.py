"""The same graph under older version numbers, for an onnxruntime that is older than the file.

Exporters write the version of their own onnx by default. The few operators that are read here hardly ever change.
"""

import numpy as np
from onnx import ModelProto, helper, load_model_from_string, version_converter
from onnx.defs import get_schema

from engine.errors import InputError
from engine.network import Network, same_numbers
from engine.onnx_file.reader import parse_network

_DEFAULT = ("", "ai.onnx")


def versions(data: bytes) -> tuple[int, int]:
    """Returns IR version and opset of an ONNX file."""
    model = load_model_from_string(data)
    return model.ir_version, max(o.version for o in model.opset_import if o.domain in _DEFAULT)


def lowered(data: bytes, *, ir_version: int, opset: int) -> bytes:
    """Returns the ONNX file with at most these versions. Its layers are shown to be the same, bit for bit.

    If all its operators are what they were in the older opset, only version numbers change; else onnx converts it.
    InputError where onnx cannot.
    """
    model = load_model_from_string(data)
    given = versions(data)[1]
    target = min(opset, given)
    if not all(_is_the_same(node.op_type, given, target) for node in model.graph.node):
        model = _converted(model, target)
    model.ir_version = min(ir_version, model.ir_version)
    del model.opset_import[:]  # those of other domains, too: no node is of one
    model.opset_import.append(helper.make_opsetid("", target))
    copy: bytes = model.SerializeToString()
    if not _same(parse_network(copy), parse_network(data)):
        raise InputError(f"it is another network in opset {target}")
    return copy


def _is_the_same(operator: str, opset: int, other: int) -> bool:
    return get_schema(operator, opset).since_version == get_schema(operator, other).since_version


def _converted(model: ModelProto, opset: int) -> ModelProto:
    try:
        return version_converter.convert_version(model, opset)
    except Exception as error:  # C++ exceptions of several kinds
        raise InputError(f"onnx cannot convert it to opset {opset}") from error


def _same(a: Network, b: Network) -> bool:
    return (a.shape, a.ending) == (b.shape, b.ending) and all(
        same_numbers(one.matrix, other.matrix) and np.array_equal(one.bias, other.bias)
        for one, other in zip(a.layers, b.layers)
    )
