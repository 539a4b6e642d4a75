"""The soundness tests' shared table: networks x boxes, crossed with every bound, and the checks themselves.

A check takes the engine's answer and exact rational (or float32) evidence and asserts that the one does
not contradict the other. test_mutations.py shows that the checks notice bounds that are wrong.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import torch
from conftest import network as chain
from conftest import random_network
from onnx import TensorProto
from onnx_graphs import model, node

from engine.bounds import crown, interval, slopes
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.network import Affine, Network
from engine.onnx_file import parse_network
from engine.property import Case, Polytope, Property, Row
from engine.search.batch import bounded
from engine.search.exclude import exclude
from engine.search.frontier import root_nodes

SEMANTICS = ("real", "float32")


# --- networks -----------------------------------------------------------------------------------


def with_layers(network: Network, *, relu: tuple[bool | np.ndarray, ...]) -> Network:
    """The same weights with ReLUs elsewhere."""
    layers = zip(network.layers, relu, strict=True)
    return Network(tuple(Affine(a.weight, a.bias, r) for a, r in layers), name=network.name)


def executable(network: Network) -> Network:
    """The same network with ONNX bytes: float32 where its numbers allow, else double."""
    numbers = [a for layer in network.layers for a in (layer.weight, layer.bias)]
    single = all(np.array_equal(a, a.astype(np.float32)) for a in numbers)
    kind, dtype = (TensorProto.FLOAT, np.float32) if single else (TensorProto.DOUBLE, np.float64)
    nodes, constants, name = [], {}, "x"
    for k, layer in enumerate(network.layers):
        constants |= {f"W{k}": layer.weight.T.astype(dtype), f"b{k}": layer.bias.astype(dtype)}
        nodes += [node("MatMul", f"{name} W{k}", f"m{k}"), node("Add", f"m{k} b{k}", f"z{k}")]
        name = f"z{k}"
        if layer.relu:
            nodes.append(node("Relu", f"z{k}", f"h{k}"))
            name = f"h{k}"
    proto = model(nodes, constants, shape=(1, network.n_inputs), output=name, kind=kind)
    read = parse_network(proto.SerializeToString(), name=network.name)
    # the reader drops adding zeros, nothing else
    assert read.shape == network.shape
    assert all(np.array_equal(a.weight, b.weight) for a, b in zip(read.layers, network.layers))
    return read


def _random(widths, count=3):
    return lambda: [random_network(widths, seed=seed) for seed in range(count)]


def _affine_inside():
    nets = [random_network((3, 5, 4, 5, 2), seed=seed) for seed in range(3)]
    return [with_layers(net, relu=(True, False, True, False)) for net in nets]


def _ending_in_relu():
    return [with_layers(net, relu=(False, True, True)) for net in _random((2, 4, 4, 3))()]


def _scaled(factors):
    def make():
        nets = [random_network((2, 6, 6, 2), seed=seed) for seed in range(3)]
        return [
            Network(tuple(Affine(a.weight * f, a.bias * f, a.relu) for a, f in zip(net.layers, factors)))
            for net in nets
        ]

    return make


def _cancelling(size):
    """Neurons in pairs that differ by little beside `size`, and a second layer that subtracts them."""

    def make():
        nets = []
        for seed in range(3):
            random = np.random.default_rng(seed)
            first = np.repeat(random.normal(size=(4, 2)) * size, 2, axis=0) + random.normal(size=(8, 2))
            second = random.normal(size=(2, 8))
            second[:, 1::2] = -second[:, ::2] * (1 + random.normal(size=(2, 4)) / size)
            nets.append(chain([first, second], [random.normal(size=8) * size, random.normal(size=2)]))
        return nets

    return make


#: name -> networks of one shape, which one batch mixes
NETWORKS = {
    "one_layer": _random((3, 2)),
    "shallow": _random((2, 6, 2)),
    "deep": _random((2, 4, 4, 4, 4, 3)),
    "wide": _random((5, 20, 20, 5), 2),
    "affine_inside": _affine_inside,
    "ending_in_relu": _ending_in_relu,
    "absolute_value": lambda: [chain([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])],
    "never_active": lambda: [chain([[[1.0], [1.0]], [[1.0, 1.0]]], [[-9.0, -9.0], [0.5]])],
    "large_then_small": _scaled((2.0**40, 2.0**-60, 2.0**20)),
    "subnormal": _scaled((2.0**-1060, 1.0, 2.0**30)),
    "subnormal_float32": _scaled((2.0**-140, 2.0**20, 1.0)),
    "cancelling_1e8": _cancelling(1e8),
    "cancelling_1e15": _cancelling(1e15),
}


def _mixed(widths, count=3):
    """Layers with ReLUs on some neurons, on all and on none, in one order in all networks."""
    random = np.random.default_rng(7)
    masks = [random.random(n) < 0.6 for n in widths[1:]]
    masks[-1] = np.zeros(widths[-1], bool)
    return lambda: [with_layers(net, relu=tuple(masks)) for net in _random(widths, count)()]


def _only_mixed_outputs():
    return [with_layers(net, relu=(True, np.array([True, False, True]))) for net in _random((2, 4, 3))()]


def _maximum_of_four():
    """max(max(x0, x1), max(x2, x3)), in rounds, and its negative."""
    relu, pair = np.array([True, False]), np.array([[1.0, -1.0], [0.0, 1.0]])
    layers = [
        Affine(np.kron(np.eye(2), pair), np.zeros(4), np.tile(relu, 2)),
        Affine(pair @ np.kron(np.eye(2), np.ones((1, 2))), np.zeros(2), relu),
        Affine(np.array([[1.0, 1.0], [-1.0, -1.0]]), np.zeros(2), False),
    ]
    return [Network(tuple(layers))]


#: The same, of layers with a ReLU on some of their neurons only
MIXED = {
    "mixed": _mixed((3, 6, 5, 6, 2)),
    "mixed_wide": _mixed((5, 20, 20, 5), 2),
    "mixed_outputs": _only_mixed_outputs,
    "maximum_of_four": _maximum_of_four,
}
FLOAT32 = [name for name in [*NETWORKS, *MIXED] if name not in ("subnormal", "cancelling_1e15")]

#: name -> (centre, radius) of a box, the same in every input but for a shift
BOXES = {
    "unit": (0.0, 1.0),
    "half": (0.5, 0.25),
    "narrow": (-0.3, 2.0**-20),
    "hair": (0.7, 2.0**-50),
    "point": (0.25, 0.0),
    "large": (0.0, 1000.0),
}


def networks_of(name: str) -> list[Network]:
    """The networks of this name; of those in FLOAT32 every number is a float32 value."""
    networks = (NETWORKS | MIXED)[name]()
    if name not in FLOAT32:
        return networks
    single = lambda a: a.astype(np.float32).astype(np.float64)
    return [
        Network(tuple(Affine(single(a.weight), single(a.bias), a.relu) for a in network.layers)) for network in networks
    ]


def batch(name: str, *, semantics: str = "real") -> tuple[Stack, crown.Boxes]:
    """Every box on every network of these networks, in one batch with interval bounds."""
    networks = networks_of(name)
    stack = Stack(networks, semantics=semantics)
    shift = np.arange(stack.n_inputs) * 0.125
    ends = [(c + shift - r, c + shift + r) for c, r in BOXES.values()] * len(networks)
    lower, upper = (torch.tensor(np.array(side)) for side in zip(*ends))
    network = torch.arange(len(networks)).repeat_interleave(len(BOXES))
    return stack, crown.Boxes(network, lower, upper, *interval.hidden_intervals(stack, network, lower, upper))


# --- evidence: what networks do at points ---------------------------------------------------------


@dataclass(frozen=True)
class Trace:
    """A point, every ReLU's input there, and the outputs."""

    x: list
    z: list
    y: list


def exact_trace(network: Network, point) -> Trace:
    """In plain Fractions; engine/exact.py is not used, so that it cannot be wrong with the rest."""
    x = [Fraction(v) if isinstance(v, Fraction) else Fraction(float(v)) for v in point]
    h, found = x, []
    for layer in network.layers:
        rows = zip(layer.weight.tolist(), layer.bias.tolist())
        h = [sum((Fraction(w) * v for w, v in zip(row, h) if w), Fraction(bias)) for row, bias in rows]
        relus = np.broadcast_to(layer.relu, len(h)).tolist()
        found += [v for v, relu in zip(h, relus) if relu]
        h = [max(v, Fraction(0)) if relu else v for v, relu in zip(h, relus)]
    return Trace(x, found, h)


def float32_trace(network: Network, point, random: np.random.Generator) -> Trace:
    """As executed in float32, every sum in an order of its own."""
    h, found = np.asarray(point, np.float32), []
    for layer in network.layers:
        terms = np.column_stack([layer.weight.astype(np.float32) * h, layer.bias.astype(np.float32)])
        h = np.cumsum(random.permuted(terms, axis=1), axis=1, dtype=np.float32)[:, -1]
        relus = np.broadcast_to(layer.relu, len(h))
        found += h[relus].tolist()
        h = np.where(relus, np.maximum(h, np.float32(0)), h)
    return Trace(*([Fraction(float(v)) for v in vs] for vs in (np.asarray(point, np.float32), found, h)))


def points_of(lower, upper, count: int, random: np.random.Generator, *, float32: bool = False) -> list:
    """Corners and random points of a box; only those in it, where they are rounded to float32."""
    n = len(lower)
    corners = [random.integers(0, 2, n) for _ in range(count)] + [np.zeros(n), np.ones(n)]
    fractions = np.array(corners + [random.random(n) for _ in range(count)])
    points = np.clip(lower + fractions * (upper - lower), lower, upper)
    if float32:
        points = points.astype(np.float32).astype(np.float64)
        points = points[((lower <= points) & (points <= upper)).all(1)]
    return points.tolist()


def traces(stack: Stack, boxes: crown.Boxes, *, count: int = 4, seed: int = 0) -> list[list[Trace]]:
    """For each box: exact traces, and under float32 semantics executed ones too."""
    random = np.random.default_rng(seed)
    found = []
    for net, lower, upper in zip(boxes.network.tolist(), boxes.lower.numpy(), boxes.upper.numpy()):
        network = stack.networks[net]
        here = [exact_trace(network, p) for p in points_of(lower, upper, count, random)]
        if stack.semantics == "float32":
            points = points_of(lower, upper, count, random, float32=True)
            here += [float32_trace(network, p, random) for p in points for _ in range(3)]
        found.append(here)
    return found


# --- the checks -----------------------------------------------------------------------------------


def check_hidden(boxes: crown.Boxes, evidence: list[list[Trace]]) -> None:
    """l <= z <= u for every ReLU's input at every trace."""
    for i, here in enumerate(evidence):
        low = [Fraction(v) for v in boxes.l[i].double().tolist()]
        high = [Fraction(v) for v in boxes.u[i].double().tolist()]
        for trace in here:
            for j, (lo, z, hi) in enumerate(zip(low, trace.z, high, strict=True)):
                assert lo <= z <= hi, f"box {i}, neuron {j}: {float(z)} is not in [{float(lo)}, {float(hi)}]"


def row_value(row, trace: Trace) -> Fraction:
    """row [outputs + 1] at a trace, exactly."""
    return sum((Fraction(c) * v for c, v in zip(row, trace.y)), Fraction(row[-1]))


def check_rows(bounds, rows, evidence: list[list[Trace]]) -> None:
    """bounds[i, r] <= rows[r] [outputs + 1] at every trace of box i."""
    for i, here in enumerate(evidence):
        for r, row in enumerate(rows):
            for trace in here:
                value, bound = row_value(row, trace), float(bounds[i, r])
                sound = np.isfinite(bound) and Fraction(bound) <= value
                assert sound, f"box {i}, row {r}: {bound} > {float(value)}"


def output_rows(n_outputs: int, *, seed: int = 0) -> list[list[float]]:
    """Each output from both sides, and random combinations with a constant."""
    sides = [[s * float(i == j) for i in range(n_outputs)] + [0.0] for j in range(n_outputs) for s in (1, -1)]
    return sides + np.random.default_rng(seed).normal(size=(3, n_outputs + 1)).tolist()


def crown_rows(stack: Stack, boxes: crown.Boxes, lines, rows) -> torch.Tensor:
    """CROWN's bounds of each row on each box, [boxes, rows]."""
    box = torch.arange(len(boxes)).repeat_interleave(len(rows))
    given = torch.tensor(rows, dtype=torch.float64).repeat(len(boxes), 1)
    planes = crown.substitute(stack, boxes, lines, given, box, len(stack.layers))
    return crown.concretize(stack, boxes, planes, box).view(len(boxes), len(rows))


def targets_of(stack: Stack, boxes: crown.Boxes, rows, *, phases=None) -> slopes.Targets:
    """All rows as one polytope on each box."""
    n = len(boxes)
    given = torch.tensor(rows, dtype=torch.float64).repeat(n, 1, 1)
    inputs = torch.zeros(n, len(rows), stack.n_inputs, dtype=torch.float64)
    absent = torch.zeros(n, len(rows), dtype=torch.bool)
    none = torch.zeros(n, stack.n_hidden, dtype=torch.float64)
    return slopes.Targets(torch.arange(n), given, inputs, absent, none if phases is None else phases)


def check_cover(parent, children) -> None:
    """Boxes [(lower, upper)] inside `parent` cover it and share no inner point, in exact rationals.

    Every cell of the grid that their faces span lies in exactly one of them.
    """
    exact = lambda box: [[Fraction(float(v)) for v in side] for side in box]
    parent, children = exact(parent), [exact(child) for child in children]
    axes = []
    for d, (low, high) in enumerate(zip(*parent)):
        cuts = sorted({low, high} | {side[d] for child in children for side in child})
        assert cuts[0] == low and cuts[-1] == high, "a child sticks out of its parent"
        axes.append([(a + b) / 2 for a, b in zip(cuts, cuts[1:])] or [low])
    for cell in product(*axes):
        inside = sum(all(a <= v <= b for a, v, b in zip(lo, cell, hi)) for lo, hi in children)
        assert inside >= 1, "a part of the parent is in no child"
        assert inside == 1, "children overlap"


# --- properties -----------------------------------------------------------------------------------


def row(outputs, constant=0, *, inputs=None, n_inputs=2, strict=False) -> Row:
    """inputs . x + outputs . y + constant <= 0 (or < 0), from any exact numbers."""
    inputs = inputs if inputs is not None else [0] * n_inputs
    return Row(tuple(map(Fraction, inputs)), tuple(map(Fraction, outputs)), Fraction(constant), strict)


def case(lower, upper, *polytopes) -> Case:
    """A case from exact numbers and lists of rows."""
    ends = (tuple(Fraction(v) for v in side) for side in (lower, upper))
    return Case(*ends, tuple(Polytope(tuple(rows)) for rows in polytopes))


def prop(*cases: Case, n_outputs: int = 1, name: str = "") -> Property:
    return Property(tuple(cases), len(cases[0].lower), n_outputs, name)


def proved_whole(network: Network, property: Property, *, semantics: str = "real", steps: int = 10) -> bool:
    """Whether the leaf procedure alone excludes every polytope on every case's whole box.

    Unlike verify() it looks for no counterexample first, which would hide a bound that is wrong.
    """
    return all(proved_cases(network, property.cases, semantics=semantics, steps=steps))


def proved_cases(network: Network, cases, *, semantics: str = "real", steps: int = 10) -> list[bool]:
    """The same for each case, all in one batch."""
    stack = Stack([network], semantics=semantics)
    roots = make_roots(stack, [0] * len(cases), list(cases))
    nodes = root_nodes(roots, torch.arange(len(cases)))
    exclude(bounded(stack, roots, nodes), steps=steps)
    return nodes.excluded.all(1).tolist()


def check_verdict(verdict, network: Network, property: Property, truth: str | None = None) -> None:
    """A verdict is not wrong: `truth` is sat or unsat where it is known; counterexamples are replayed."""
    assert verdict.word in ("unsat", "sat", "unknown", "timeout")
    if truth is not None:
        wrong = {"sat": "unsat", "unsat": "sat"}[truth]
        assert verdict.word != wrong, f"it is {truth}, the engine says {verdict.word}"
    if verdict.word == "sat":
        check_counterexample(verdict.counterexample, network, property)


def check_counterexample(found, network: Network, property: Property) -> None:
    """A point inside an exact box that violates exactly, and, where the network can be given it, as onnxruntime runs
    the file; else the nearest point, and what onnxruntime gives there."""
    import onnxruntime

    x = list(found.exact_inputs or map(Fraction, found.inputs))
    assert all(float(network.number(v)) == v == network.number(float(w)) for v, w in zip(found.inputs, x))
    assert found.executable == all(Fraction(v) == w for v, w in zip(found.inputs, x))
    trace = exact_trace(network, x)
    assert tuple(trace.y) == found.exact_outputs
    session = onnxruntime.InferenceSession(network.onnx_bytes, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    dtype = np.float32 if given.type == "tensor(float)" else np.float64
    shape = [d if isinstance(d, int) else 1 for d in given.shape]
    (y,) = session.run(None, {given.name: np.array(found.inputs, dtype).reshape(shape)})
    assert y.ravel().tolist() == list(found.outputs)
    executed = [Fraction(float(v)) for v in y.ravel()]
    assert found.exact and found.replayed == found.executable
    for outputs in (trace.y, executed)[: 1 + found.executable]:
        assert any(_violates(c, x, outputs) for c in property.cases)


def _violates(case: Case, x, y) -> bool:
    """engine/property.py says the same; written again so that it is not trusted here."""
    if not all(lo <= v <= hi for lo, v, hi in zip(case.lower, x, case.upper, strict=True)):
        return False
    for polytope in case.unsafe:
        values = [
            sum(c * v for c, v in zip(r.inputs, x)) + sum(c * v for c, v in zip(r.outputs, y)) + r.constant
            for r in polytope.rows
        ]
        if all(v < 0 or (v == 0 and not r.strict) for v, r in zip(values, polytope.rows)):
            return True
    return False
