"""Idle neurons: those proved never to fire on a whole box of inputs."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from engine.network import Affine, Network
from engine.onnx_file import parse_network
from engine.property import Case, Polytope, Property, Row, Vector
from engine.search.problem import Options, Problem
from engine.search.verify import verify_all


def idle_neurons(
    network: Network,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    depth: int,
    most: int,
    seconds: float,
    samples: int = 200_000,
    seed: int = 0,
) -> list[np.ndarray]:
    """For each of the first layers, neurons whose input is proved negative on the box [lower, upper].

    At most `most` of a layer, those that are farthest below zero first. The list ends before the first layer without
    any, and after `depth` layers. The first layer is decided in exact arithmetic. For deeper layers the search decides,
    within `seconds` a neuron and with a margin above what executing the network in float32 can add. samples: random
    points that say which neurons are worth it.
    """
    lower, upper = np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf)
    random = np.random.default_rng(seed)
    points = random.uniform(lower, upper, (samples, len(lower)))
    points[samples // 2 :] = _on_faces(points[samples // 2 :], lower, upper, random)
    found = []
    for k, layer in enumerate(network.layers[: min(depth, len(network.layers) - 1)]):
        if not layer.relu:
            break
        if k == 0:
            highest = _exact_maxima(layer, lower, upper)
            proved = np.flatnonzero(highest < 0)
        else:
            highest = _cut(network, k).evaluate(points).max(0)
            proved = _proved(network, k, np.argsort(highest)[:most], highest, lower, upper, seconds)
        if not len(proved):
            break
        found.append(proved[np.argsort(highest[proved])][:most])
    return found


def _on_faces(points: np.ndarray, lower: np.ndarray, upper: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The points with about a third of their coordinates moved to an end of the box."""
    side = random.random(points.shape)
    return np.where(side < 1 / 6, lower, np.where(side > 5 / 6, upper, points))


def _exact_maxima(layer: Affine, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The largest input of each neuron of a first layer, exact up to one last rounding to float64."""
    ends = [(Fraction(a), Fraction(b)) for a, b in zip(lower.tolist(), upper.tolist())]
    rows = zip(layer.weight.tolist(), layer.bias.tolist())
    maxima = [
        sum((max(Fraction(w) * a, Fraction(w) * b) for w, (a, b) in zip(row, ends)), Fraction(bias))
        for row, bias in rows
    ]
    return np.array([float(value) for value in maxima])


def _proved(
    network: Network,
    k: int,
    neurons: np.ndarray,
    highest: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    seconds: float,
) -> np.ndarray:
    """Those of the neurons of layer k whose input is proved negative. highest: the highest input at samples."""
    negative = [int(n) for n in neurons if highest[n] < 0]
    cut = _executable(_cut(network, k))
    low, high = (tuple(map(Fraction, side.tolist())) for side in (lower, upper))
    problems = [Problem(cut, _never_fires(cut, n, low, high)) for n in negative]
    verdicts = verify_all(problems, Options(timeout=seconds, semantics="float32", device="cpu"))
    return np.array([n for n, verdict in zip(negative, verdicts) if verdict.word == "unsat"], dtype=int)


def _cut(network: Network, k: int) -> Network:
    """The network whose outputs are the inputs of layer k's ReLUs."""
    return Network((*network.layers[:k], replace(network.layers[k], relu=False)), name=network.name)


def _never_fires(network: Network, neuron: int, lower: Vector, upper: Vector) -> Property:
    """The property that output `neuron` is below 0."""
    outputs = tuple(Fraction(-(n == neuron)) for n in range(network.n_outputs))
    row = Row((Fraction(0),) * network.n_inputs, outputs, Fraction(0))
    return Property(
        (Case(lower, upper, (Polytope((row,)),)),), network.n_inputs, network.n_outputs, f"neuron {neuron} never fires"
    )


def _executable(network: Network) -> Network:
    """The same network, its numbers float32, with the ONNX bytes that the search replays."""
    nodes, constants, signal = [], [], "x"
    for k, layer in enumerate(network.layers):
        for label, numbers in ((f"W{k}", layer.weight.T), (f"b{k}", layer.bias)):
            constants.append(numpy_helper.from_array(np.ascontiguousarray(numbers, np.float32), label))
        nodes += [
            helper.make_node("MatMul", [signal, f"W{k}"], [f"m{k}"]),
            helper.make_node("Add", [f"m{k}", f"b{k}"], [f"z{k}"]),
        ]
        signal = f"z{k}"
        if layer.relu:
            nodes.append(helper.make_node("Relu", [signal], [f"h{k}"]))
            signal = f"h{k}"
    ends = [
        helper.make_tensor_value_info(label, TensorProto.FLOAT, [1, size])
        for label, size in (("x", network.n_inputs), (signal, network.n_outputs))
    ]
    graph = helper.make_graph(nodes, "first layers", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return parse_network(model.SerializeToString(), name=network.name)
