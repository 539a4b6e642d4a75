"""Files and bytes to networks."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, load_model_from_string

from engine.errors import InputError
from engine.files import regular
from engine.network import Network
from engine.onnx_file.external import Whole, beside, whole
from engine.onnx_file.graph import Graph, read_graph

MAX_BYTES = 512 * 2**20


def load_network(path: str | PathLike[str]) -> Network:
    """Returns the network in an `.onnx` or `.onnx.gz` file, named like the file. InputError where there is none.

    Its weights are the file's own, exactly. All that is not a chain of affine layers and ReLUs is refused.
    """
    return network_of(read_whole(path), path)


def network_of(content: Whole, path: str | PathLike[str]) -> Network:
    """Returns the network in the content of the file at `path`."""
    return replace(parse_network(content.data, name=_stem(path), where=str(path)), sha256=content.sha256)


def read_whole(path: str | PathLike[str]) -> Whole:
    """Returns what a file holds, with the files beside it that hold its tensors' data."""
    data = read_bytes(path)
    with _placed(str(path)):
        return whole(data, beside(path), limit=MAX_BYTES)


def parse_network(data: bytes, *, name: str = "", where: str = "<bytes>") -> Network:
    """Returns the network in the bytes of an uncompressed ONNX file. InputErrors name it `where`."""
    model, graph = read_graph_of(data, where=where)
    layers = tuple(piece.affine() for piece in graph.pieces)
    digest, number = hashlib.sha256(data).hexdigest(), _number(model, graph)
    return Network(layers, name, digest, data, graph.float32_obstacle, number, graph.ending)


def _number(model: ModelProto, graph: Graph) -> type[np.floating]:
    """Returns the number type of the network's inputs."""
    (kind,) = (i.type.tensor_type.elem_type for i in model.graph.input if i.name == graph.input[0])
    return np.float64 if kind == TensorProto.DOUBLE else np.float32


def read_graph_of(data: bytes, *, where: str) -> tuple[ModelProto, Graph]:
    """Returns a model, and what it computes. The graph's homes are tensors of that model."""
    try:
        with _placed(where):
            model = load_model_from_string(data)
            return model, read_graph(model)
    except (DecodeError, UnicodeDecodeError):
        raise InputError(
            "this is no ONNX file, or one cut short", where=where, advice="check or download it again"
        ) from None


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Adds the place to an InputError raised inside."""
    try:
        yield
    except InputError as error:
        place = f"{where}: {error.where}" if error.where else where
        raise InputError(error.what, where=place, advice=error.advice) from None


def read_bytes(path: str | PathLike[str], *, limit: int = MAX_BYTES) -> bytes:
    """Returns a file's content, decompressed if its name ends in `.gz`. InputError beyond `limit` bytes."""
    path = Path(path)
    try:
        with open(path, "rb", opener=regular) as raw:
            with gzip.open(raw) if path.name.endswith(".gz") else raw as file:
                data = file.read(limit + 1)
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file", "check the name") from None
    except IsADirectoryError:
        raise _unreadable(path, "this is a directory", "name one file in it") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _unreadable(path, f"the gzip data is damaged ({error})", "get the file again") from None
    except OSError as error:
        raise _unreadable(path, f"it cannot be read ({error.strerror})", "check its permissions") from None
    if len(data) > limit:
        raise _unreadable(path, f"it holds more than {limit} bytes", "use a smaller network")
    return data


def _unreadable(path: Path, what: str, advice: str) -> InputError:
    return InputError(what, where=str(path), advice=advice)


def _stem(path: str | PathLike[str]) -> str:
    name = Path(path).name
    return name.removesuffix(".gz").removesuffix(".onnx")
