"""Random networks and questions about them, the same for the same seed: what several benchmarks measure on."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from engine.network import Network
from engine.onnx_file import parse_network
from engine.property import Case, Polytope, Property, Row


def random_network(widths: Sequence[int], *, seed: int, fade: float = 1.0) -> Network:
    """A chain with a ReLU after every layer but the last, of float32 weights that keep the size of values.

    fade: the weight of each input beside that of the one before.
    """
    random = np.random.default_rng(seed)
    layers = []
    for k, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        weight = random.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs)
        if k == 0:
            weight *= fade ** np.arange(inputs)[:, None]
        layers.append((weight.T, random.normal(size=outputs) / 4))
    return parse_network(chain(layers), name="-".join(map(str, widths)) + f" seed {seed}")


def chain(layers: Sequence[tuple[np.ndarray, np.ndarray]], *, name: str = "generated") -> bytes:
    """ONNX of affine layers, weight [out, in] and bias [out] as float32, with a ReLU after each but the last."""
    nodes, constants, value = [], [], "x"
    for k, (weight, bias) in enumerate(layers):
        numbers = {f"W{k}": weight.T, f"b{k}": bias}
        constants += [numpy_helper.from_array(a.astype(np.float32), key) for key, a in numbers.items()]
        nodes.append(helper.make_node("Gemm", [value, *numbers], [f"z{k}"]))
        value = f"z{k}"
        if k < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [value], [f"h{k}"]))
            value = f"h{k}"
    sizes = ("x", layers[0][0].shape[1]), (value, layers[-1][0].shape[0])
    ends = [helper.make_tensor_value_info(of, TensorProto.FLOAT, [1, size]) for of, size in sizes]
    graph = helper.make_graph(nodes, name, ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def question(
    network: Network, unsafe: Sequence[Sequence[tuple[Sequence[float], float]]], *, radius: float = 1.0
) -> Property:
    """The property that no point of the box [-radius, radius] is in a polytope: rows (outputs, constant) <= 0."""
    zero = (Fraction(0),) * network.n_inputs
    polytopes = tuple(
        Polytope(tuple(Row(zero, tuple(map(Fraction, map(float, of))), Fraction(float(c))) for of, c in rows))
        for rows in unsafe
    )
    end = (Fraction(radius),) * network.n_inputs
    case = Case(tuple(-v for v in end), end, polytopes)
    return Property((case,), network.n_inputs, network.n_outputs)
