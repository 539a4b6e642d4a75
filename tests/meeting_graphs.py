"""ONNX graphs at random whose values are read again and meet again, of small integers."""

import numpy as np
from onnx import ModelProto, helper
from onnx_graphs import model

MOST = 24  # elements of a value


class Branches:
    """Nodes that read any values before them; each value is [1, n]."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.values: list[tuple[str, int]] = [("x", 3)]
        self.nodes: list = []
        self.constants = {"image": np.array([1, 1, -1]), "flat": np.array([1, -1])}
        self.constants |= {"low": np.float32(-1), "high": np.float32(2)}

    def some(self) -> tuple[str, int]:
        return self.values[self.rng.integers(len(self.values))]

    def numbers(self, *shape: int, name: str = "") -> str:
        name = name or f"c{len(self.constants)}"
        self.constants.setdefault(name, self.rng.integers(-2, 3, shape).astype(np.float32))
        return name

    def add(self, operator: str, inputs: list[str], size: int, **attributes) -> None:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        self.values.append((name, size))

    def meet(self) -> None:
        (a, n), (b, m) = self.some(), self.some()
        if n == m or 1 in (n, m):
            self.add(self.rng.choice(["Add", "Sub"]), [a, b], max(n, m))

    def join(self) -> None:
        parts = [self.some() for _ in range(self.rng.integers(2, 4))]
        names, size = [name for name, _ in parts], sum(n for _, n in parts)
        if self.rng.integers(3) == 0:
            names.insert(self.rng.integers(len(names) + 1), self.numbers(1, 2))
            size += 2
        if size <= MOST:
            self.add("Concat", names, size, axis=int(self.rng.choice([1, -1])))

    def multiply(self) -> None:
        (a, n), m = self.some(), int(self.rng.integers(1, 5))
        biases = [self.numbers(m)] * int(self.rng.integers(2))
        self.add("Gemm" if biases else "MatMul", [a, self.numbers(n, m), *biases], m)

    def shift(self) -> None:
        """By a constant of its own, or by one that other nodes add, too."""
        a, n = self.some()
        both = [a, self.numbers(1, n, name=f"shared{n}" * int(self.rng.integers(2)))]
        self.add(self.rng.choice(["Add", "Sub", "Mul"]), both[:: self.rng.choice([1, -1])], n)

    def bend(self) -> None:
        a, n = self.some()
        operator = self.rng.choice(["Relu", "Relu", "Relu", "Neg", "Abs", "Clip", "Identity"])
        self.add(operator, [a, *["low", "high"] * (operator == "Clip")], n)

    def cut(self) -> None:
        a, n = self.some()
        if n > 1:
            m = int(self.rng.integers(1, n))
            sizes, names = f"c{len(self.constants)}", [f"v{len(self.nodes)}", f"w{len(self.nodes)}"]
            self.constants[sizes] = np.array([m, n - m])
            self.nodes.append(helper.make_node("Split", [a, sizes], names, axis=1))
            self.values += zip(names, (m, n - m))

    def pool(self) -> None:
        a, n = self.some()
        for operator, inputs, attributes in (
            ("Reshape", ["image"], {}),
            ("MaxPool", [], {"kernel_shape": [2], "pads": [1, 0]}),
            ("Reshape", ["flat"], {}),
        ):
            self.add(operator, [a, *inputs], n, **attributes)
            a, _ = self.values.pop()
        self.values.append((a, n))


def branching(seed: int, *, most: int = 9) -> ModelProto:
    """One such graph; its output is the last value."""
    graph = Branches(np.random.default_rng(seed))
    steps = [graph.meet] * 3 + [graph.join] * 2 + [graph.multiply] * 2 + [graph.bend] * 3
    for _ in range(graph.rng.integers(2, most)):
        graph.rng.choice([*steps, graph.shift, graph.cut, graph.pool])()
    nodes = [*graph.nodes, helper.make_node("Identity", [graph.values[-1][0]], ["y"])]
    return model(nodes, graph.constants, shape=(1, 3))
