"""Reads and writes `.nnet` files (sisl/NNet), the text format in which ACAS Xu was published. Its decimals are exact.

A network is read as what its file says: the weights are the decimals of the file, of which float64 holds few, so its
layers carry the nearest float64 numbers and are `rounded` (engine/network.py). The file also says how the network's
training data were normalized. So there are two readings, its *units*:

    normalized  the layers alone. Inputs are (x - mean) / range, outputs (y - mean) / range: the units of VNN-COMP's
                ONNX files and VNN-LIB properties of ACAS Xu, and so the default
    raw         the function that the published readers evaluate by default: inputs are clipped to their minima and
                maxima and normalized, outputs scaled back, by layers of their own

    decimals.py  text of exact decimals, and the nearest float64 and float32 numbers
    reader.py    lines -> the content of a file
    units.py     normalization, and its layers
    network.py   content -> Network
    writer.py    Network -> a file whose decimals are exact

docs/certificate-format.md, section 3, has the format; the checker reads it by itself (engine/audit/nnet_reader.py).
"""

from engine.nnet.network import NORMALIZED, RAW, UNITS, Changes, changes, is_nnet, load, parse, sha256_in
from engine.nnet.reader import Content, content_of
from engine.nnet.units import Normalization
from engine.nnet.writer import nnet_text

__all__ = [
    "NORMALIZED",
    "RAW",
    "UNITS",
    "Changes",
    "Content",
    "Normalization",
    "changes",
    "content_of",
    "is_nnet",
    "load",
    "nnet_text",
    "parse",
    "sha256_in",
]
