"""ONNX file -> the model with all its data, and the SHA-256 that stands for both."""

import math
import os
from hashlib import sha256
from pathlib import Path, PurePosixPath

import onnx

from engine.audit.data import need, read_bytes

MAX_BYTES = 512 << 20
SIZES = {onnx.TensorProto.FLOAT: 4, onnx.TensorProto.DOUBLE: 8, onnx.TensorProto.INT64: 8}
DATA = (
    "raw_data",
    "float_data",
    "int32_data",
    "string_data",
    "int64_data",
    "double_data",
    "uint64_data",
)


def whole_model(data: bytes, path) -> tuple[onnx.ModelProto, str]:
    """From what the file at `path` holds. Malformed where a tensor's data are not where it says; what protobuf raises
    where there is no model.
    """
    model = onnx.ModelProto.FromString(data)
    tensors = external_tensors(model)
    if not tensors:
        return model, sha256(data).hexdigest()
    need(not str(path).endswith(".gz"), "a compressed network has data in another file")
    places = [_place(tensor) for tensor in tensors]
    need(
        len(data) + sum(size for _, _, size in places) <= MAX_BYTES,
        f"its data hold more than {MAX_BYTES:,} bytes",
    )
    lines, files, left = [f"{sha256(data).hexdigest()}  \n"], {}, MAX_BYTES - len(data)
    for name in sorted({name for name, _, _ in places}):
        files[name] = read_bytes(_inside(path, name), left, packed=False)
        left -= len(files[name])
        lines.append(f"{sha256(files[name]).hexdigest()}  {name}\n")
    for tensor, (name, start, size) in zip(tensors, places):
        tensor.raw_data = files[name][start : start + size]
        need(
            len(tensor.raw_data) == size,
            f"tensor {tensor.name!a}: the data file {name!a} is too short",
        )
        whole = any(entry.key == "length" for entry in tensor.external_data) or start + size == len(
            files[name]
        )
        need(whole, f"tensor {tensor.name!a}: the data file {name!a} is too long")
        tensor.data_location = tensor.DEFAULT
        tensor.ClearField("external_data")
    return model, sha256("".join(lines).encode()).hexdigest()


def network_hash(path) -> str:
    """The SHA-256 that certificates name a network by; of any other file, of its content."""
    data = read_bytes(path, MAX_BYTES)
    try:
        return whole_model(data, path)[1]
    except (
        Exception
    ):  # Malformed, or no model at all: the file may still be named, and then be found malformed
        return sha256(data).hexdigest()


def external_tensors(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Of initializers and Constant nodes: all that is read."""
    constants = [
        a.t for node in model.graph.node if node.op_type == "Constant" for a in node.attribute
    ]
    tensors = [*model.graph.initializer, *constants]
    return [tensor for tensor in tensors if tensor.data_location == tensor.EXTERNAL]


def _place(tensor: onnx.TensorProto) -> tuple[str, int, int]:
    """Name of the data file, first byte and number of bytes; they are what the shape and the type demand."""
    entries, label = (
        {entry.key: entry.value for entry in tensor.external_data},
        f"tensor {tensor.name!a}",
    )
    once = len(entries) == len(tensor.external_data)
    need(
        once and entries.keys() <= {"location", "offset", "length", "checksum"},
        f"{label}: unknown external data",
    )
    need(
        not any(len(getattr(tensor, field)) for field in DATA),
        f"{label}: it has data inside and outside the file",
    )
    name = entries.get("location", "")
    parts = PurePosixPath(name).parts
    need(
        parts and ".." not in parts and parts[0][0] != "/" and name.isprintable(),
        f"{label}: {name!a} is no file in the network's folder",
    )
    size = math.prod(tensor.dims) * SIZES.get(tensor.data_type, 0)
    start, length = entries.get("offset", "0"), entries.get("length", str(size))
    numbers = all(text.isascii() and text.isdigit() and len(text) < 16 for text in (start, length))
    need(
        size > 0 and numbers and int(length) == size,
        f"{label}: its place does not fit its shape and type",
    )
    return name, int(start), size


def _inside(path, name: str) -> Path:
    """The data file, links followed; Malformed where they lead out of the network's folder."""
    folder = Path(os.path.realpath(Path(path).parent))
    target = Path(os.path.realpath(folder / name))
    need(
        folder in target.parents,
        f"the data file {name!a} is a link that leaves the network's folder",
    )
    return target
