"""Sigmoid and Tanh for tests: in decimal arithmetic, and small networks of them as ONNX files."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from engine.network import Affine, Network
from engine.onnx_file import parse_network

DIGITS = 60
CURVES = ("sigmoid", "tanh")


def exact(curve: str, z: Fraction) -> Decimal:
    """f(z), right in some 55 digits: by decimal's own exponential, which is correctly rounded."""
    with localcontext() as context:
        context.prec = DIGITS
        power = (-Decimal(z.numerator) / Decimal(z.denominator) * (2 if curve == "tanh" else 1)).exp()
        return (1 - power) / (1 + power) if curve == "tanh" else 1 / (1 + power)


def slope(curve: str, z: Fraction) -> Decimal:
    """f'(z), likewise."""
    with localcontext() as context:
        context.prec = DIGITS
        f = exact(curve, z)
        return 1 - f * f if curve == "tanh" else f * (1 - f)


def chain(steps: Sequence[NodeProto], constants: dict[str, np.ndarray], n_inputs: int, n_outputs: int) -> ModelProto:
    """A model of these nodes, which lead from x to y."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("x", n_inputs), ("y", n_outputs))
    ]
    held = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(list(steps), "g", ends[:1], ends[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def curve_model(sizes: Sequence[int], operators: Sequence[str], *, seed: int, gain: float = 3.0) -> ModelProto:
    """Random dense layers of these widths with an operator between two of them."""
    random = np.random.default_rng(seed)
    nodes, constants, x = [], {}, "x"
    for k, (a, b) in enumerate(zip(sizes, sizes[1:])):
        last = k == len(sizes) - 2
        constants |= {f"W{k}": random.normal(size=(a, b)) * gain / np.sqrt(a), f"b{k}": random.normal(size=b) / 2}
        z = "y" if last else f"z{k}"
        nodes += [helper.make_node("MatMul", [x, f"W{k}"], [f"p{k}"])]
        nodes += [helper.make_node("Add", [f"p{k}", f"b{k}"], [z])]
        if not last:
            x = f"h{k}"
            nodes.append(helper.make_node(operators[k % len(operators)], [z], [x]))
    return chain(nodes, constants, sizes[0], sizes[-1])


def curve_network(sizes: Sequence[int], operators: Sequence[str], *, seed: int, gain: float = 3.0) -> Network:
    """The same as a network, read from its file."""
    model = curve_model(sizes, operators, seed=seed, gain=gain)
    return parse_network(model.SerializeToString(), name="curves")


def single(curve: str, weight: float = 1.0, bias: float = 0.0) -> Network:
    """y = f(weight x + bias)."""
    layers = (
        Affine(np.array([[weight]]), np.array([bias]), True, curve=curve),
        Affine(np.eye(1), np.zeros(1), False),
    )
    return Network(layers, name=curve)
