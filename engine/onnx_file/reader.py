"""Files and bytes to networks."""

import gzip
import hashlib
import zlib
from os import PathLike
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto, load_model_from_string

from engine.errors import InputError
from engine.files import regular
from engine.network import Network
from engine.onnx_file.graph import Graph, read_graph

MAX_BYTES = 512 * 2**20


def load_network(path: str | PathLike) -> Network:
    """The network in an `.onnx` or `.onnx.gz` file, named like the file; InputError says what is wrong."""
    return parse_network(read_bytes(path), name=_stem(path), where=str(path))


def parse_network(data: bytes, *, name: str = "", where: str = "<bytes>") -> Network:
    """The network in the bytes of an (uncompressed) ONNX file; `where` stands in error messages."""
    graph = read_graph_of(data, where=where)[1]
    layers = tuple(piece.affine() for piece in graph.pieces)
    return Network(layers, name, hashlib.sha256(data).hexdigest(), data)


def read_graph_of(data: bytes, *, where: str) -> tuple[ModelProto, Graph]:
    """A model, and what it computes: the graph's homes are tensors of that model."""
    try:
        model = load_model_from_string(data)
        return model, read_graph(model)
    except (DecodeError, UnicodeDecodeError):
        raise InputError(
            "this is no ONNX file, or one cut short", where=where, advice="check or download it again"
        ) from None
    except InputError as error:
        place = f"{where}: {error.where}" if error.where else where
        raise InputError(error.what, where=place, advice=error.advice) from None


def read_bytes(path: str | PathLike, *, limit: int = MAX_BYTES) -> bytes:
    """A file's content, decompressed where its name ends in `.gz`, of at most `limit` bytes."""
    path = Path(path)
    try:
        with open(path, "rb", opener=regular) as raw:
            with gzip.open(raw) if path.suffix == ".gz" else raw as file:
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


def _stem(path: str | PathLike) -> str:
    name = Path(path).name
    return name.removesuffix(".gz").removesuffix(".onnx")
