"""A network's file -> Network, by the reader that the file's name calls for (section 3)."""

from engine.audit.data import FilePath, Network
from engine.audit.nnet_reader import read_nnet
from engine.audit.onnx_reader import read_network as read_onnx


def read_network(path: FilePath) -> Network:
    """The network in a file: `.nnet` and `.nnet.gz` are text, all others ONNX."""
    is_nnet = str(path).removesuffix(".gz").endswith(".nnet")
    return read_nnet(path) if is_nnet else read_onnx(path)
