"""The shapes of a network's input and output, as its file declares them: other tools ask for these in a question."""

from collections.abc import Iterable
from math import prod

import onnx
from onnx import ValueInfoProto

from engine.comparison.questions import Shape, Shapes
from engine.network import Network
from engine.onnx_file.declared import declared_shape


def shapes_of(network: Network) -> Shapes:
    """The shapes, with 1 for open dimensions; a vector where the file declares none that fits."""
    graph = onnx.load_model_from_string(network.onnx_bytes).graph if network.onnx_bytes else onnx.GraphProto()
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [info for info in graph.input if info.name not in constants]
    return Shapes(_shape(inputs, network.n_inputs), _shape(graph.output, network.n_outputs))


def _shape(infos: Iterable[ValueInfoProto], size: int) -> Shape:
    found = [tuple(d or 1 for d in declared_shape(info)) for info in infos]
    return found[0] if len(found) == 1 and prod(found[0]) == size else (size,)
