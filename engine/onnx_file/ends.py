"""The types and shapes of a network's input and output, as its ONNX file has them."""

from onnx import TensorProto

from engine.network import Network
from engine.onnx_file.reader import read_graph_of

End = tuple[str, tuple[int, ...]]  # the name of the type, and the shape, where a batch of any size counts as 1


def ends_of(network: Network) -> tuple[End, End]:
    """Returns the ends of a network: of one without a file, without types and as vectors."""
    if not network.onnx_bytes:
        return ("", (network.n_inputs,)), ("", (network.n_outputs,))
    graph = read_graph_of(network.onnx_bytes, where=network.name)[1]
    (_, given), (_, output) = graph.input, graph.output
    kinds = graph.kinds
    return (_name(kinds[0]), _sizes(given)), (_name(kinds[1]), _sizes(output))


def _name(kind: int) -> str:
    """Returns the type as VNN-LIB calls it."""
    names: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64"}
    return names.get(kind, "")


def _sizes(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(1 if size is None else size for size in shape)
