"""Network files of every supported format, told apart by the endings of their names."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from engine import nnet, onnx_file
from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import Whole


def load_network(path: str | PathLike[str], *, units: str | None = None) -> Network:
    """Returns the network in an `.onnx` or `.nnet` file, or one of these with `.gz` behind, named like the file.

    Its weights are the file's own. Those of a `.nnet` file are decimals, of which its layers carry the nearest float64
    numbers; `units` are "normalized", the default, or "raw" (engine/nnet has both readings). InputError where the file
    holds no such network, and where units are given for an ONNX file, which has but one reading. Files with other
    endings are read as ONNX.
    """
    if nnet.is_nnet(path):
        return nnet.load(path, units=units or nnet.NORMALIZED)
    if units:
        raise InputError("only a .nnet file has two kinds of units", where=str(path), advice="leave units out")
    return onnx_file.load_network(path)


def load_networks(paths: Sequence[str | PathLike[str]], *, units: str | None = None) -> list[Network]:
    """Returns the networks in files, likewise; `units` are those of the `.nnet` files among them.

    InputError where units are given and no file is `.nnet`.
    """
    some = any(map(nnet.is_nnet, paths))  # else the reader says that ONNX files have no such units
    return [load_network(path, units=units if nnet.is_nnet(path) or not some else None) for path in paths]


def network_of(content: Whole, path: str | PathLike[str], *, units: str | None = None) -> Network:
    """Returns the network in the content of the file at `path`, likewise; units: of a `.nnet` file."""
    if nnet.is_nnet(path):
        name = Path(path).name.removesuffix(".gz").removesuffix(".nnet")
        return nnet.parse(content.data, name=name, where=str(path), units=units or nnet.NORMALIZED)
    return onnx_file.network_of(content, path)


def sha256_in(digest: str, units: str | None) -> str:
    """Returns the SHA-256 by which a network goes that is read in these units from a file with this one."""
    return nnet.sha256_in(digest, units or nnet.NORMALIZED)
