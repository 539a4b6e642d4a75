"""Network files of every supported format, told apart by the endings of their names."""

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
        return nnet.load(path, units=units or nnet.UNITS[0])
    if units:
        raise InputError("only a .nnet file has two kinds of units", where=str(path), advice="leave units out")
    return onnx_file.load_network(path)


def network_of(content: Whole, path: str | PathLike[str]) -> Network:
    """Returns the network in the content of the file at `path`, likewise; of a `.nnet` file in normalized units."""
    if nnet.is_nnet(path):
        name = Path(path).name.removesuffix(".gz").removesuffix(".nnet")
        return nnet.parse(content.data, name=name, where=str(path))
    return onnx_file.network_of(content, path)
