"""A network's file -> Network, by the reader that the file's name calls for (section 3)."""

from engine.audit.data import FilePath, Network
from engine.audit.failures import need
from engine.audit.nnet_reader import read_nnet
from engine.audit.onnx_reader import read_network as read_onnx


def read_network(path: FilePath, tensor: str = "") -> Network:
    """The network in a file: `.nnet` and `.nnet.gz` are text, all others ONNX.

    tensor: the name of its output inside the ONNX file, where that is not the file's own.
    """
    if not str(path).removesuffix(".gz").endswith(".nnet"):
        return read_onnx(path, tensor)
    need(not tensor, f"{path}: a .nnet file names no tensors")
    return read_nnet(path)
