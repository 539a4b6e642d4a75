"""ONNX files that keep their tensors' data in files beside them: read, checked, and put back inside.

The identity of such a network is the SHA-256 of a list of SHA-256s, of the ONNX file and of each data file
(docs/certificate-format.md, section 1): a change of one of them gives another network.
"""

import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, load_model_from_string

from engine.errors import InputError
from engine.files import regular

ITEM_BYTES: dict[int, int] = {TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.INT64: 8}
_KEYS = {"location", "offset", "length", "checksum"}  # SHA-1 checksums are not looked at: all is hashed anyway
_CONTENT = ("raw_data", "float_data", "double_data", "int64_data", "int32_data", "uint64_data", "string_data")
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_INSIDE = "save it with the data inside"

#: Returns the content of the data file of this name. InputError where it has more than so many bytes.
Read = Callable[[str, int], bytes]


@dataclass(frozen=True, slots=True)
class Whole:
    """The bytes of an ONNX file with all data inside, the network's SHA-256, and its data files' names."""

    data: bytes
    sha256: str
    files: tuple[str, ...] = ()


def whole(data: bytes, read: Read, *, limit: int) -> Whole:
    """Returns the ONNX file `data` with all data inside: as it is if they were there.

    InputError where a tensor names no file, leads out of the folder or does not fit, or all together has more than
    `limit` bytes.
    """
    digest = hashlib.sha256(data).hexdigest()
    try:
        model = load_model_from_string(data)
        tensors = list(_external(model))
        places = [_place(tensor) for tensor in tensors]
    except (DecodeError, UnicodeDecodeError):  # no ONNX file: the reader of the data says so
        return Whole(data, digest)
    if not tensors:
        return Whole(data, digest)
    if len(data) + sum(size for _, _, size in places) > limit:  # parts of a file may be named again and again
        raise InputError(f"its tensors hold more than {limit:,} bytes", advice="use a smaller network")
    contents: dict[str, bytes] = {}
    left = limit - len(data)
    for name in sorted({name for name, _, _ in places}):
        contents[name] = read(name, left)
        left -= len(contents[name])
    for tensor, (name, offset, size) in zip(tensors, places):
        _put_inside(tensor, contents[name], offset, size)
    lines = [f"{digest}  \n", *(f"{hashlib.sha256(part).hexdigest()}  {name}\n" for name, part in contents.items())]
    identity = hashlib.sha256("".join(lines).encode()).hexdigest()
    return Whole(model.SerializeToString(), identity, tuple(contents))


def beside(path: str | os.PathLike[str]) -> Read:
    """Returns a reader of files in the folder of `path`. It raises InputError for links that lead out of it."""
    folder = Path(os.path.realpath(Path(path).parent))

    def read(name: str, limit: int) -> bytes:
        where = f"data file {name!r}"
        if str(path).endswith(".gz"):
            raise InputError("a compressed network cannot keep its data in another file", advice=_INSIDE)
        target = Path(os.path.realpath(folder / name))
        if folder not in target.parents:
            raise InputError("it is a link that leaves the network's folder", where=where, advice="copy the file there")
        try:
            with open(target, "rb", opener=regular) as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            raise InputError("it is missing", where=where, advice="put it beside the network") from None
        except OSError as error:
            raise InputError(f"it cannot be read ({error.strerror})", where=where, advice="check it") from None
        if len(data) > limit:
            raise InputError("with it the network is too large", where=where, advice="use a smaller network")
        return data

    return read


def _external(model: ModelProto) -> Iterator[TensorProto]:
    """Yields the tensors whose data are elsewhere, of initializers and Constant nodes: no others are read."""
    nodes = (node for node in model.graph.node if node.op_type == "Constant")
    constants = (a.t for node in nodes for a in node.attribute if a.HasField("t"))
    for tensor in (*model.graph.initializer, *constants):
        if tensor.data_location == TensorProto.EXTERNAL:
            yield tensor


def _place(tensor: TensorProto) -> tuple[str, int, int]:
    """Returns file, offset and size of a tensor's data. InputError where its shape and type demand another size."""
    label = f"tensor {tensor.name!r}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    size = math.prod(tensor.dims) * ITEM_BYTES.get(tensor.data_type, 0)
    if (
        len(entries) < len(tensor.external_data)
        or not entries.keys() <= _KEYS
        or any(len(getattr(tensor, field)) for field in _CONTENT)
    ):
        raise InputError(f"{label} says of its data in another file what is not known", advice=_INSIDE)
    if not _stays(name):
        raise InputError(
            f"{label} keeps its data in {ascii(name)}, which is no file in the network's folder", advice=_INSIDE
        )
    if size <= 0:
        raise InputError(
            f"{label} has data in another file, and no shape or number type that is supported",
            advice="export the network with float32 weights",
        )
    counts = [entries.get("offset", "0"), entries.get("length", str(size))]
    if not all(map(_COUNT.fullmatch, counts)) or int(counts[1]) != size:
        raise InputError(f"{label} has {size} bytes, and another length or no valid place in {name!r}", advice=_INSIDE)
    return name, int(counts[0]), size


def _stays(name: str) -> bool:
    """True iff it is a plain relative path that goes down only, and one line of text."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and name.isprintable()


def _put_inside(tensor: TensorProto, content: bytes, offset: int, size: int) -> None:
    part = content[offset : offset + size]
    to_the_end = all(entry.key != "length" for entry in tensor.external_data)
    if len(part) < size or (to_the_end and offset + size < len(content)):
        raise InputError(
            f"tensor {tensor.name!r} has {size} bytes, which its data file does not hold", advice="get both files again"
        )
    tensor.raw_data = part
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
