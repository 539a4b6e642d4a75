"""Random graphs in float32 semantics: no threshold that any execution reaches may be proved safe.

Graphs are made of all affine steps, with factors and weights from the ends of float32's range. Each is executed by
onnxruntime, and node by node here: with sums in random orders, fused or not, with or without flushing to zero, a
Gemm's alpha before or after its sum. The question is whether outputs reach the worst value that was seen. The graph
may be refused; `unsat` may not be said. That most that is a little beyond is proved shows that it is no empty check.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from cases import case, prop, row
from fuzzing import seeds
from onnx_graphs import f32, model, node

from engine import Options, Problem, verify_all
from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import parse_network

ORDERS, POINTS, BOXES = 20, 3, 4
SMALLEST = np.float32(2.0**-126)


# --- graphs ---------------------------------------------------------------------------------------


@dataclass
class Graph:
    """nodes: (operator, its constant operands, attributes), each of which reads what the one before it gives first,
    or second where `flipped`."""

    width: int
    nodes: list


def sized(random: np.random.Generator, shape, spread: int) -> np.ndarray:
    """Numbers of one size, of up to 2^spread or 2^-spread; some of them powers of two, some 0."""
    scale = 2.0 ** float(random.choice([0, 0, 0, random.integers(-spread, spread + 1)]))
    numbers = random.normal(size=shape)
    if random.random() < 0.3:
        numbers = 2.0 ** np.round(numbers) * random.choice([-1, 1], size=shape)
    with np.errstate(all="ignore"):
        return np.nan_to_num((numbers * scale * (random.random(shape) < 0.9)).astype(np.float32))


def factor(random: np.random.Generator) -> float:
    """Of a Gemm: mostly 1 or -1."""
    choices = [1.0, 1.0, 1.0, -1.0, 0.5, 8.0, float(2.0 ** random.integers(-126, 127)), float(random.normal())]
    return float(np.float32(random.choice(choices)))


def random_graph(random: np.random.Generator) -> Graph:
    """One to six steps."""
    width, made, graph = int(random.integers(1, 5)), [], None
    graph, n = Graph(width, made), width
    for _ in range(random.integers(1, 7)):
        kind = random.choice(["gemm", "gemm", "matmul", "mul", "div", "neg", "add", "sub", "minus", "zeros", "relu"])
        m = int(random.integers(1, 5))
        if kind == "gemm":
            given = [sized(random, (n, m), 120), sized(random, m, 120)][: random.integers(1, 3)]
            made.append(("Gemm", given, {"alpha": factor(random), "beta": factor(random)}, False))
        elif kind == "matmul":
            made.append(("MatMul", [sized(random, (n, m), 120)], {}, False))
        elif kind == "div":
            divisors = sized(random, n, 40)
            divisors = np.where(divisors == 0, np.float32(2), divisors)
            powers = np.exp2(np.round(np.log2(np.abs(divisors)))).astype(np.float32)
            made.append(("Div", [powers if random.random() < 0.7 else divisors], {}, False))
        elif kind == "zeros":
            made.append(("Add", [np.zeros(n, np.float32)], {}, False))
        elif kind in ("neg", "relu"):
            made.append(({"neg": "Neg", "relu": "Relu"}[kind], [], {}, False))
        else:
            name = {"mul": "Mul", "add": "Add", "sub": "Sub", "minus": "Sub"}[kind]
            made.append((name, [sized(random, random.choice([n, 1]), 120)], {}, kind == "minus"))
        n = m if kind in ("gemm", "matmul") else n
    return graph


def onnx_bytes(graph: Graph) -> bytes:
    nodes, constants, name = [], {}, "x"
    for k, (operator, given, attributes, flipped) in enumerate(graph.nodes):
        names = [f"c{k}_{i}" for i in range(len(given))]
        constants |= dict(zip(names, given))
        inputs = [*names, name] if flipped else [name, *names]
        nodes.append(node(operator, " ".join(inputs), f"t{k}", **attributes))
        name = f"t{k}"
    return model(nodes, constants, shape=(1, graph.width), output=name).SerializeToString()


# --- executions -----------------------------------------------------------------------------------


@dataclass
class Machine:
    """One way to execute in float32."""

    random: np.random.Generator
    flush: bool
    fused: bool
    early: bool

    def rounded(self, values) -> np.ndarray:
        """To float32, of what float64 holds (nearly) exactly."""
        values = np.asarray(values).astype(np.float32)
        return np.where(np.abs(values) < SMALLEST, np.float32(0), values) if self.flush else values

    def dot(self, h: np.ndarray, weight: np.ndarray, start: list) -> np.ndarray:
        """sum h_i weight_ij, with the terms in `start` among them, in an order of its own."""
        terms = [(h[i], weight[i]) for i in range(len(h))] + [(None, part) for part in start]
        total = None
        for i in self.random.permutation(len(terms)):
            x, w = terms[i]
            exact = np.float64(w) if x is None else np.float64(x) * np.float64(w)
            if total is None:
                total = np.asarray(w) if x is None else self.rounded(exact)
            elif self.fused or x is None:
                total = self.rounded(np.float64(total) + exact)
            else:
                total = self.rounded(np.float64(total) + np.float64(self.rounded(exact)))
        return total

    def gemm(self, h, weight, bias=None, *, alpha: float = 1.0, beta: float = 1.0) -> np.ndarray:
        bias = [] if bias is None else [self.rounded(np.float64(beta) * np.float64(bias))]
        if self.early:
            return self.dot(h, self.rounded(np.float64(alpha) * np.float64(weight)), bias)
        if abs(alpha) == 1 and self.random.random() < 0.5:  # the bias anywhere in the sum
            return self.dot(h, np.float32(alpha) * weight, bias)
        total = self.rounded(np.float64(alpha) * np.float64(self.dot(h, weight, [])))
        return self.rounded(np.float64(total) + np.float64(bias[0])) if bias else total

    def run(self, graph: Graph, point: np.ndarray) -> np.ndarray:
        h = point
        for operator, given, attributes, flipped in graph.nodes:
            a, b = np.float64(h), np.float64(given[0]) if given else None
            match operator:
                case "Gemm":
                    h = self.gemm(h, *given, **attributes)
                case "MatMul":
                    h = self.dot(h, given[0], [])
                case "Relu":
                    h = self.rounded(np.maximum(a, 0))
                case "Neg":
                    h = self.rounded(-a)
                case "Div":
                    h = self.rounded(a / b)
                case "Mul":
                    h = self.rounded(a * b)
                case "Add" | "Sub":
                    h = self.rounded(a + b if operator == "Add" else b - a if flipped else a - b)
        return h


def worst(graph: Graph, session, points: np.ndarray, random: np.random.Generator):
    """The least and the largest value of each output that any execution gives: [outputs] each. NaN is none."""
    seen = [session.run(None, {"x": point[None]})[0].ravel() for point in points]
    with np.errstate(all="ignore"):
        for point in points:
            for _ in range(ORDERS):
                machine = Machine(random, *(bool(flag) for flag in random.integers(0, 2, 3)))
                seen.append(machine.run(graph, point))
    seen = np.array(seen, np.float64)
    return np.fmin.reduce(seen), np.fmax.reduce(seen)


# --- questions ------------------------------------------------------------------------------------


def box(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A point, often, where a bound is sharpest; else a box. Sometimes where numbers are subnormal."""
    centre = sized(random, n, 60)
    if random.random() < 0.1:
        centre = (random.integers(-9, 10, n) * 2.0**-149 * 2.0 ** random.integers(0, 24)).astype(np.float32)
    radius = random.choice([0.0, 0.0, 2.0**-12, 0.5])
    half = (np.abs(centre) * np.float32(radius)).astype(np.float32)
    return (centre - half).astype(np.float32), (centre + half).astype(np.float32)


def questions(network: Network, lower, upper, least, most) -> tuple[list[Problem], list[Problem]]:
    """Whether an output reaches what was seen (it does), or something a little beyond (which mostly none does)."""
    reached, beyond = [], []
    with np.errstate(all="ignore"):
        width = np.nan_to_num(most - least, posinf=0)
    for j in range(network.n_outputs):
        for sign, value in ((1, least[j]), (-1, -most[j])):
            if np.isnan(value):
                continue
            value = float(np.clip(value, -(2.0**127), 2.0**127))  # what is infinite reaches this, too
            further = value - float(width[j]) - 1e-3 * abs(value) - 1e-3
            for found, at in ((reached, value), (beyond, further)):
                outputs = [sign * int(i == j) for i in range(network.n_outputs)]
                rows = [row(outputs, -Fraction(at), n_inputs=network.n_inputs)]
                question = prop(case(lower.tolist(), upper.tolist(), rows), n_outputs=network.n_outputs)
                found.append(Problem(network, question, timeout=0.1))
    return reached, beyond


def merged(data: bytes, folder: Path) -> list[str]:
    """The operators of its own that onnxruntime makes of a graph. FusedGemm is one with the ReLU after it."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(folder / "optimized.onnx"), 4
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [n.op_type for n in onnx.load(folder / "optimized.onnx").graph.node if n.domain]


def asked(seed: int, folder: Path) -> tuple[list[str], list[str]] | None:
    """The verdicts on what one graph reaches on some boxes, and on what is beyond; None where it is refused."""
    random = np.random.default_rng(seed)
    graph = random_graph(random)
    data = onnx_bytes(graph)
    network = parse_network(data, name=f"seed {seed}")
    try:
        Stack([network], semantics="float32")
    except InputError:
        return None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert not set(merged(data, folder)) - {"FusedGemm"}, f"seed {seed}: a sum is scaled as it is not analysed"
    reached, beyond = [], []
    for _ in range(BOXES):
        lower, upper = box(random, graph.width)
        inside = [random.uniform(lower, upper).astype(np.float32).clip(lower, upper) for _ in range(POINTS)]
        found = questions(network, lower, upper, *worst(graph, session, np.array([lower, upper, *inside]), random))
        reached += found[0]
        beyond += found[1]
    try:
        verdicts = verify_all(reached + beyond, Options(semantics="float32", device="cpu", threads=1, max_open=64))
    except InputError:  # numbers of 2^100 and more
        return None
    words = [verdict.word for verdict in verdicts]
    return words[: len(reached)], words[len(reached) :]


def test_no_threshold_that_is_reached_is_proved(tmp_path):
    thresholds = graphs = accepted = decided = proved = 0
    for seed in seeds():
        graphs, words = graphs + 1, asked(seed, tmp_path)
        if words:
            reached, beyond = words
            assert "unsat" not in reached, f"seed {seed}: a value that was executed is proved impossible"
            accepted, thresholds = accepted + 1, thresholds + len(reached)
            decided, proved = decided + len(beyond), proved + beyond.count("unsat")
    print(f"{graphs} graphs, {accepted} accepted, {thresholds} thresholds; beyond: {proved} of {decided} proved")
    if graphs >= 20:
        assert accepted >= graphs / 8 and proved >= decided / 3


# --- what was found -------------------------------------------------------------------------------


def scaled(alpha: float, weight: float, last: float) -> bytes:
    """relu(alpha (x W)) V."""
    nodes = [node("Gemm", "x W", "z", alpha=alpha), node("Relu", "z", "a"), node("MatMul", "a V", "y")]
    return model(nodes, {"W": f32([weight]), "V": f32([last])}, shape=(1, 1)).SerializeToString()


FOUND = {
    "under": (scaled(2.0**120, 2.0**-120, 2.0**39), (2.0**-40, 2.0**-39), row([1], -Fraction(1, 4), n_inputs=1)),
    "over": (scaled(2.0**-120, 2.0**120, 1.0), (200.0, 300.0), row([-1], 1000, n_inputs=1)),
}


@pytest.mark.parametrize("name", FOUND)
def test_scaled_sums(name):
    """Executed, the first gives 0 where it should give 1/2 and more, and the second infinity instead of 300."""
    data, (low, high), unsafe = FOUND[name]
    network, question = parse_network(data, name=name), prop(case([low], [high], [unsafe]))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    runs = [session.run(None, {"x": f32([x])})[0].item() for x in (low, high)]
    assert any(y <= 0.25 if name == "under" else y >= 1000 for y in runs)
    options = Options(semantics="float32", device="cpu", threads=1)
    with pytest.raises(InputError, match="node 'z' .Gemm.: its sums are scaled by alpha"):
        verify_all([Problem(network, question)], options)
    believed = replace(network, float32_obstacle="")  # so that the refusal is what prevents the wrong verdict
    assert [v.word for v in verify_all([Problem(believed, question)], options)] == ["unsat"]
    (verdict,) = verify_all([Problem(network, question)], Options(device="cpu", threads=1))
    assert verdict.word == "unsat"  # in real arithmetic it holds


@pytest.mark.parametrize(
    "operators",
    [
        "Mul MatMul",
        "MatMul Mul",
        "Div MatMul",
        "MatMul Div",
        "Mul Add MatMul",
        "Mul Identity MatMul",
        "Mul Mul",
        "Mul Gemm",
    ],
)
def test_factors_next_to_products(operators, tmp_path):
    """Merged with a product before or after it, a factor scales its sums. Zeros that are added do not part them."""
    given = {
        "Mul": f32(2.0**-120),
        "Div": f32(2.0**120),
        "MatMul": f32([2.0**120]),
        "Gemm": f32([2.0**120]),
        "Add": f32(0),
        "Identity": None,
    }
    nodes = [(name, [] if given[name] is None else [given[name]], {}, False) for name in operators.split()]
    data = onnx_bytes(Graph(1, nodes))
    if "MatMul" in operators:
        assert merged(data, tmp_path) == ["FusedMatMul"]
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        assert np.isinf(session.run(None, {"x": f32([300])})[0])
    with pytest.raises(InputError, match="may merge factors with the product next to them"):
        Stack([parse_network(data, name="net")], semantics="float32")


@pytest.mark.parametrize("operators", ["Mul Bias MatMul", "Mul Relu MatMul", "Gemm Bias Mul", "Mul Bias Mul"])
def test_factors_apart_from_products(operators, tmp_path):
    given = {"Mul": f32(0.5), "MatMul": f32([3]), "Gemm": f32([3]), "Bias": f32(1), "Relu": None}
    nodes = [
        ("Add" if name == "Bias" else name, [] if given[name] is None else [given[name]], {}, False)
        for name in operators.split()
    ]
    data = onnx_bytes(Graph(1, nodes))
    assert "FusedMatMul" not in merged(data, tmp_path)
    Stack([parse_network(data, name="net")], semantics="float32")
