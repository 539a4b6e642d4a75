"""Reads and writes ONNX files of fully-connected ReLU networks, and rounds no number without saying so.

A file is read strictly, as one chain of affine steps and ReLUs from one input to one output; operators.py and
shapes.py list the operators. Everything else in a file is refused with its name, never skipped. Constants may be
folded through the same operators where float64 holds the result exactly. A factor that no float64 holds (a quotient,
the root in a normalization) becomes the nearest one, and its layer says so. Nodes whose execution in float32 may
differ from what is analysed are named too.

    constant.py    tensors and where each number stands
    quotients.py   factors that float64 need not hold
    sparse.py      matrices that are mostly zeros
    signal.py      the chain of affine pieces that the input runs through
    operators.py   what each operator does to constants and to the signal
    shapes.py      the same of operators that only move numbers
    selections.py  the same of operators that select, repeat or add up elements
    convolution.py the geometry of windows, and their products as a matrix
    endings.py     the operators that make probabilities at the end
    meeting.py     branches of the signal that meet again
    windowed.py    the operators that slide windows over the signal
    padding.py     the operator that puts zeros around it
    execution.py   where execution in float32 is not what is analysed
    remedies.py    what to do where an operator is not supported
    declared.py    the version, initializers and shapes that a model declares
    nodes.py       a node's operator and attributes, checked
    graph.py       the walk over the nodes
    external.py    data in files beside the ONNX file
    reader.py      files and bytes -> Network
    storage.py     the numbers that can be stored for a layer
    writer.py      Network -> the same graph with other weights
    fresh.py       ONNX files of networks that come from elsewhere
    lowered.py     the same graph under older version numbers
    provenance.py  what a file says it was made from
    ends.py        types and shapes of a network's input and output
    describe.py    what a file holds, for people
"""

from engine.onnx_file.describe import Description, describe
from engine.onnx_file.external import Whole
from engine.onnx_file.lowered import lowered, versions
from engine.onnx_file.provenance import made_from
from engine.onnx_file.reader import load_network, network_of, parse_network, read_bytes, read_whole
from engine.onnx_file.storage import Storable, storable
from engine.onnx_file.writer import rewritten, save_network

__all__ = [
    "Description",
    "Storable",
    "Whole",
    "describe",
    "load_network",
    "lowered",
    "network_of",
    "made_from",
    "parse_network",
    "read_bytes",
    "read_whole",
    "rewritten",
    "save_network",
    "storable",
    "versions",
]
