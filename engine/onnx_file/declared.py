"""Reads what an ONNX model declares: its version, its initializers, the shapes of its input and output."""

import math
from collections import Counter
from collections.abc import Iterator

from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto
from onnx.defs import onnx_opset_version

from engine.errors import InputError
from engine.onnx_file.constant import FLOATS, type_name
from engine.onnx_file.signal import NamedShape, shape_text

OLDEST_OPSET = 7  # before it, Add, Sub and Gemm broadcast by other rules
MAX_INPUTS = 2**20


def opsets() -> tuple[int, int]:
    """Returns the oldest and the newest opset that is supported."""
    return OLDEST_OPSET, onnx_opset_version()


def checked_opset(model: ModelProto) -> int:
    """Returns the opset of a model. InputError where it is another one than is supported, or not a plain graph."""
    graph = model.graph
    if not graph.node:
        raise InputError("it has no graph with nodes, so it is no ONNX network", advice="check the file")
    versions = sorted({o.version for o in model.opset_import if o.domain in ("", "ai.onnx")})
    oldest, newest = opsets()
    supported = f"export with one from {oldest} to {newest}"
    if len(versions) > 1:
        raise InputError(f"it names several opsets, {' and '.join(map(str, versions))}", advice=supported)
    if not versions or not oldest <= versions[0] <= newest:
        raise InputError(f"opset {versions[0] if versions else '(none)'} is not supported", advice=supported)
    if model.functions:
        raise InputError(f"it defines functions ({model.functions[0].name!r})", advice="inline them")
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise InputError(f"initializer {name!r} is sparse", advice="export dense weights")
    return int(versions[0])


def initializers(graph: GraphProto) -> dict[str, TensorProto]:
    """Returns the initializers by name. InputError where two have the same."""
    homes = {tensor.name: tensor for tensor in graph.initializer}
    if len(homes) != len(graph.initializer):
        (name, _), *_ = Counter(tensor.name for tensor in graph.initializer).most_common(1)
        raise InputError(f"initializer {name!r} is defined twice", advice="export the network again")
    return homes


def input_shape(info: ValueInfoProto) -> NamedShape:
    """Returns an input's declared shape, of which only the batch may be open. InputError where it is unknown."""
    label = f"input {info.name!r}"
    kind = info.type.tensor_type.elem_type
    if not info.type.HasField("tensor_type") or kind not in FLOATS:
        raise InputError(f"{label} has type {type_name(kind)}", advice="export with float32 inputs")
    if not info.type.tensor_type.HasField("shape"):
        raise InputError(f"{label} has no shape", advice="export the network with a fixed input shape")
    shape = declared_shape(info)
    if None in shape[1:] or shape == (None,):
        raise InputError(
            f"{label} has a dynamic shape {list(_named_shape(info))}",
            advice="fix every dimension but the batch when exporting",
        )
    sizes = [d for d in shape if d is not None]
    if not 1 <= math.prod(sizes) <= MAX_INPUTS or any(d < 1 for d in shape[1:] if d is not None):
        raise InputError(f"{label} has shape {shape_text(shape)}", advice=f"use 1 to {MAX_INPUTS} inputs")
    return shape


def declared_shape(info: ValueInfoProto) -> NamedShape:
    return tuple(d if isinstance(d, int) else None for d in _named_shape(info))


def _named_shape(info: ValueInfoProto) -> Iterator[int | str]:
    for dim in info.type.tensor_type.shape.dim:
        yield dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"
