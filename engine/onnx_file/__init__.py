"""ONNX files of fully-connected ReLU networks, read and written without rounding any number.

Read strictly: Add, Constant, Flatten, Gemm, Identity, MatMul, Relu, Reshape and Sub, in one chain from
one input to one output. Whatever else a file holds is refused with its name, never skipped. Constants
may be folded through the same operators where float64 holds the result exactly.

    constant.py    tensors and where each number stands
    signal.py      the chain of affine pieces that the input runs through
    operators.py   what each operator does to constants and to the signal
    graph.py       the walk over the nodes
    reader.py      files and bytes -> Network
    writer.py      Network -> the same graph with other weights
    provenance.py  what a file says it was made from
    describe.py    what a file holds, for people
"""

from engine.onnx_file.describe import Description, describe
from engine.onnx_file.provenance import made_from
from engine.onnx_file.reader import load_network, parse_network, read_bytes
from engine.onnx_file.writer import rewritten, save_network

__all__ = [
    "Description",
    "describe",
    "load_network",
    "made_from",
    "parse_network",
    "read_bytes",
    "rewritten",
    "save_network",
]
