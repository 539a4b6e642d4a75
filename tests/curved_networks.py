"""Small networks with Sigmoid and Tanh, their questions, and certificates of version 5 made by hand."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from curve_definition import Plain, value
from onnx_graphs import model, node
from test_audit_check import Exclusion, Prover, Question, vnnlib

from engine.audit.arithmetic import Floating
from engine.audit.curves.curve import Curve
from engine.audit.data import Layer, Network
from engine.audit.exact import Exact

OF = {"Sigmoid": Curve.SIGMOID, "Tanh": Curve.TANH, "Relu": None, "": None}
BOUNDS = {"float64": Floating, "exact": Exact}
SLACK = Fraction(1, 10**40)  # of values in decimal numbers


@dataclass(frozen=True)
class Curved:
    """weights, biases of each layer, and the operator behind it: a curve, "Relu" or ""."""

    weights: list
    biases: list
    operators: list

    @property
    def n_inputs(self):
        return np.array(self.weights[0]).shape[1]

    @property
    def n_outputs(self):
        return len(self.biases[-1])

    @property
    def audit(self) -> Network:
        parts = zip(self.weights, self.biases, self.operators, strict=True)
        layers = (Layer(np.array(w, float), np.array(b, float), op != "", OF[op]) for w, b, op in parts)
        return Network(tuple(layers), "")

    @property
    def plain(self) -> Plain:
        """By the definition, which knows no ReLU."""
        exact = lambda numbers: [Fraction(float(v)) for v in numbers]
        parts = zip(self.weights, self.biases, self.operators, strict=True)
        return Plain([([exact(w) for w in rows], exact(b), [op] * len(b)) for rows, b, op in parts])

    @property
    def onnx(self):
        nodes, constants, name = [], {}, "x"
        for k, (w, b, op) in enumerate(zip(self.weights, self.biases, self.operators, strict=True)):
            constants |= {f"W{k}": np.array(w, np.float32).T.copy(), f"b{k}": np.array(b, np.float32)}
            nodes += [node("MatMul", f"{name} W{k}", f"p{k}"), node("Add", f"p{k} b{k}", f"z{k}")]
            name = f"z{k}"
            if op:
                nodes.append(node(op, name, f"h{k}"))
                name = f"h{k}"
        return model(nodes, constants, shape=(1, self.n_inputs), output=name)

    def trace(self, point) -> tuple[list, list]:
        """z of all hidden neurons, and the outputs: nearly exact."""
        h, hidden = [Fraction(v) for v in point], []
        for rows, biases, kinds in self.plain.layers:
            z = [sum((w * v for w, v in zip(row, h)), b) for row, b in zip(rows, biases)]
            hidden += [v for v, kind in zip(z, kinds) if kind]
            bent = lambda v, kind: max(v, Fraction(0)) if kind == "Relu" else Fraction(value(kind, v))
            h = [bent(v, kind) if kind else v for v, kind in zip(z, kinds)]
        return hidden, h


def random_curved(widths, seed, operators=("Sigmoid", "Tanh"), scale=1.5) -> Curved:
    """Weights in 64ths, which float32 holds; the operators in turn, none at the end."""
    random = np.random.default_rng(seed)
    sizes = list(zip(widths[1:], widths))
    weights = [np.round(random.normal(size=size) * scale / np.sqrt(size[1]) * 64) / 64 for size in sizes]
    biases = [np.round(random.normal(size=out) * 16) / 64 for out, _ in sizes]
    names = [operators[(seed + k) % len(operators)] for k in range(len(sizes) - 1)]
    return Curved(weights, biases, [*names, ""])


@dataclass
class Asked(Question):
    """A Question about a Curved network, and its certificate of version 5; `more` of the manifest."""

    more: dict = field(default_factory=dict)

    def __post_init__(self):
        self.onnx = self.net.onnx.SerializeToString()
        self.text = vnnlib(self.cases, self.net.n_inputs, self.net.n_outputs).encode()
        self.paths = [self.folder / name for name in ("proof.zip", "net.onnx", "property.vnnlib")]
        self.paths[1].write_bytes(self.onnx)
        self.paths[2].write_bytes(self.text)

    def manifest(self, kind, semantics="real", **more):
        made = super().manifest(kind, semantics, **more) | {"version": 5, "cones": False} | self.more
        return {key: value for key, value in made.items() if value is not None}


class CurveProver(Prover):
    """A Prover that gives no slopes."""

    def __init__(self, net: Curved, arithmetic="float64", signs=0):
        self.net, self.signs = net, signs
        self.bounds = BOUNDS[arithmetic](net.audit, "real")

    def tries(self, rows, sign, contradictory):
        for shown in super().tries(rows, sign, contradictory):
            if not shown.slopes:
                yield Exclusion(shown.rows, {}, shown.multipliers)
