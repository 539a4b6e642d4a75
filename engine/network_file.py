"""Network files of every supported format, told apart by the endings of their names."""

from os import PathLike

from engine import nnet, onnx_file
from engine.network import Network


def load_network(path: str | PathLike[str]) -> Network:
    """Returns the network in an `.onnx` or `.nnet` file, or one of these with `.gz` behind, named like the file.

    Its weights are the file's own. Those of a `.nnet` file are decimals, of which its layers carry the nearest float64
    numbers; it is read in normalized units (engine/nnet). InputError where the file holds no such network. Files with
    other endings are read as ONNX.
    """
    return nnet.load(path) if nnet.is_nnet(path) else onnx_file.load_network(path)
