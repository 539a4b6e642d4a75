"""ONNX file -> the model with all its data, and the SHA-256 that stands for both.

Section 1 of the format says how data files beside the ONNX file are named, placed and hashed.
"""

import math
import os
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import onnx
from onnx import TensorProto

from engine.audit.data import FilePath
from engine.audit.failures import need
from engine.audit.files import read_bytes

MAX_BYTES = 512 << 20  # of the ONNX file and its data files together
MAX_DIGITS = 15  # of an offset or a length
#: Bytes of a number, of the types that data files may hold.
SIZES: dict[int, int] = {TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.INT64: 8}
ENTRIES = {"location", "offset", "length", "checksum"}
#: Where a tensor has data of its own.
OWN_DATA = (
    "raw_data",
    "float_data",
    "int32_data",
    "string_data",
    "int64_data",
    "double_data",
    "uint64_data",
)


class Place(NamedTuple):
    """The bytes of a data file that are a tensor's numbers."""

    location: str
    start: int
    size: int


def whole_model(data: bytes, path: FilePath) -> tuple[onnx.ModelProto, str]:
    """The model in the bytes of the file at `path`, and the network's SHA-256.

    Malformed where a tensor's data are not where it says; what protobuf raises where there is no
    model.
    """
    model = onnx.ModelProto.FromString(data)
    tensors = external_tensors(model)
    if not tensors:
        return model, sha256(data).hexdigest()
    need(not str(path).endswith(".gz"), "a compressed network has data in another file")
    places = [_place(tensor) for tensor in tensors]
    total = len(data) + sum(place.size for place in places)
    need(total <= MAX_BYTES, f"its data hold more than {MAX_BYTES:,} bytes")
    files = _read_data_files(path, places, MAX_BYTES - len(data))
    for tensor, place in zip(tensors, places, strict=True):
        _fill(tensor, place, files[place.location])
    return model, _hash(data, files)


def network_hash(path: FilePath) -> str:
    """The SHA-256 that certificates name a network by; of any other file, of its content.

    A file that is no network may still be named, and is then found to be malformed.
    """
    data = read_bytes(path, MAX_BYTES)
    try:
        return whole_model(data, path)[1]
    except Exception:
        return sha256(data).hexdigest()


def external_tensors(model: onnx.ModelProto) -> list[TensorProto]:
    """The tensors with data in other files, of initializers and Constant nodes."""
    constants = [
        attribute.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
    ]
    tensors = [*model.graph.initializer, *constants]
    return [tensor for tensor in tensors if tensor.data_location == tensor.EXTERNAL]


def _place(tensor: TensorProto) -> Place:
    """Returns the stated place of a tensor's data; their length follows from its shape."""
    label = f"tensor {tensor.name!a}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    known = len(entries) == len(tensor.external_data) and entries.keys() <= ENTRIES
    need(known, f"{label}: unknown external data")
    own = any(len(getattr(tensor, field)) for field in OWN_DATA)
    need(not own, f"{label}: it has data inside and outside the file")
    location = entries.get("location", "")
    inside = _is_inside(location)
    need(inside, f"{label}: {location!a} is no file in the network's folder")
    size = math.prod(tensor.dims) * SIZES.get(tensor.data_type, 0)
    start, length = entries.get("offset", "0"), entries.get("length", str(size))
    fits = size > 0 and _is_count(start) and _is_count(length) and int(length) == size
    need(fits, f"{label}: its place does not fit its shape and type")
    return Place(location, int(start), size)


def _is_inside(location: str) -> bool:
    """True iff it is a relative path of printable characters, without `..`."""
    parts = PurePosixPath(location).parts
    relative = bool(parts) and parts[0][0] != "/"
    return relative and ".." not in parts and location.isprintable()


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS


def _read_data_files(path: FilePath, places: list[Place], limit: int) -> dict[str, bytes]:
    """The data files by their locations, in ascending order; together at most `limit` bytes."""
    files: dict[str, bytes] = {}
    for location in sorted({place.location for place in places}):
        files[location] = read_bytes(_inside(path, location), limit, packed=False)
        limit -= len(files[location])
    return files


def _inside(path: FilePath, location: str) -> Path:
    """The data file, links followed; Malformed where they lead out of the network's folder."""
    folder = Path(os.path.realpath(Path(path).parent))
    target = Path(os.path.realpath(folder / location))
    leaves = folder not in target.parents
    need(not leaves, f"the data file {location!a} is a link that leaves the network's folder")
    return target


def _fill(tensor: TensorProto, place: Place, file: bytes) -> None:
    """Gives a tensor the data at its place, as if they were its own."""
    label = f"tensor {tensor.name!a}: the data file {place.location!a}"
    end = place.start + place.size
    tensor.raw_data = file[place.start : end]
    need(len(tensor.raw_data) == place.size, f"{label} is too short")
    says_length = any(entry.key == "length" for entry in tensor.external_data)
    need(says_length or end == len(file), f"{label} is too long")
    tensor.data_location = tensor.DEFAULT
    tensor.ClearField("external_data")


def _hash(data: bytes, files: dict[str, bytes]) -> str:
    """Section 1: the SHA-256 of a line for the ONNX file, and of one for each data file."""
    lines = [f"{sha256(data).hexdigest()}  \n"]
    lines += [f"{sha256(file).hexdigest()}  {location}\n" for location, file in files.items()]
    return sha256("".join(lines).encode()).hexdigest()
