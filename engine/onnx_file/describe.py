"""Descriptions of ONNX files, for people."""

from collections import Counter
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np

from engine.network import Network
from engine.onnx_file.constant import LITERAL
from engine.onnx_file.reader import network_of, read_graph_of, read_whole
from engine.onnx_file.signal import shape_text
from engine.onnx_file.sparse import Sparse


@dataclass(frozen=True, slots=True)
class Description:
    """The content of an ONNX file.

    parameters: how many numbers of the file stand in layers; widths: of the input and each layer; curves: names and
    numbers of Sigmoids and Tanhs; data_files: the names of the files beside the ONNX file that hold its numbers;
    ending: as in Network.
    """

    name: str
    sha256: str
    input_name: str
    input_shape: str
    output_name: str
    output_shape: str
    operators: tuple[tuple[str, int], ...]
    widths: tuple[int, ...]
    relus: int
    parameters: int
    curves: tuple[tuple[str, int], ...] = ()
    data_files: tuple[str, ...] = ()
    ending: str = ""


def describe(source: Network | str | PathLike[str]) -> Description:
    """Returns the content of a network's ONNX file. InputError where that cannot be read."""
    if isinstance(source, Network):
        return _description(source)
    content = read_whole(source)
    return replace(_description(network_of(content, source)), data_files=content.files)


def _description(network: Network) -> Description:
    graph = read_graph_of(network.onnx_bytes, where=network.name)[1]
    widths = (network.n_inputs, *(len(layer.bias) for layer in network.layers))
    bent = Counter({"": 0})
    for layer in network.layers:
        bent[layer.curve] += len(layer.relus)
    relus = bent.pop("")
    weights = [piece.weight.numbers if isinstance(piece.weight, Sparse) else piece.weight for piece in graph.pieces]
    constants = [*weights, *(piece.bias for piece in graph.pieces if piece.bias)]
    stored: dict[str, list[np.ndarray]] = {}
    for part in (part for constant in constants for part in constant.parts or (constant,)):
        if part.index is not None:
            stored.setdefault(part.names[0], []).append(part.index.ravel())
    places = [np.unique(np.concatenate(indices)) for indices in stored.values()]
    return Description(
        name=network.name,
        sha256=network.sha256,
        input_name=graph.input[0],
        input_shape=shape_text(graph.input[1]),
        output_name=graph.output[0],
        output_shape=shape_text(graph.output[1]),
        operators=tuple(sorted(graph.operators.items())),
        widths=widths,
        relus=relus,
        parameters=sum(int((numbers != LITERAL).sum()) for numbers in places),
        curves=tuple(sorted((curve.capitalize(), count) for curve, count in bent.items())),
        ending=network.ending,
    )
