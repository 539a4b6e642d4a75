"""Questions about small random networks, made by a number, and an exact answer that shares nothing with the engine.

Weights, biases and most box ends are dyadic with few bits. Thresholds lie at the least value that samples reach, or
some power of two beside it, so that many sets are thin and many margins small. The answer is z3's in exact rationals,
about the numbers that the question was made of; the engine reads ONNX bytes and a VNN-LIB text.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import z3

Vector = list[Fraction]


@dataclass(frozen=True)
class Linear:
    """of_inputs . x + of_outputs . y <= limit, or < where strict."""

    of_inputs: Vector
    of_outputs: Vector
    limit: Fraction
    strict: bool

    def holds(self, x: Vector, y: Vector) -> bool:
        value = dot(self.of_inputs, x) + dot(self.of_outputs, y)
        return value < self.limit if self.strict else value <= self.limit


@dataclass(frozen=True)
class Question:
    """Is there a point of a box at which all rows of a polytope hold?

    layers: (weight, bias, ReLU after it); boxes: (lower, upper)
    """

    layers: list[tuple[np.ndarray, np.ndarray, bool]]
    boxes: list[tuple[Vector, Vector]]
    polytopes: list[list[Linear]]

    def outputs(self, x: Vector) -> Vector:
        for weight, bias, relu in self.layers:
            x = [dot(exact(row), x) + Fraction(b) for row, b in zip(weight, bias.tolist(), strict=True)]
            x = [max(v, Fraction(0)) for v in x] if relu else x
        return x

    def holds_at(self, x: Vector) -> bool:
        """Whether this point answers the question with yes."""
        inside = any(all(l <= v <= u for l, v, u in zip(*box[:1], x, *box[1:], strict=True)) for box in self.boxes)
        y = self.outputs(x)
        return inside and any(all(row.holds(x, y) for row in rows) for rows in self.polytopes)

    @property
    def vnnlib(self) -> str:
        """The question as a text of VNN-LIB 1.0."""
        n_inputs, n_outputs = self.layers[0][0].shape[1], len(self.layers[-1][1])
        names = [f"X_{i}" for i in range(n_inputs)] + [f"Y_{i}" for i in range(n_outputs)]
        ends = [
            [f"(>= X_{i} {decimal(l)}) (<= X_{i} {decimal(u)})" for i, (l, u) in enumerate(zip(*box, strict=True))]
            for box in self.boxes
        ]
        polytopes = [[_row_text(row) for row in rows] for rows in self.polytopes]
        declared = [f"(declare-const {name} Real)" for name in names]
        return "\n".join([*declared, _or([" ".join(box) for box in ends]), _or(list(map(" ".join, polytopes)))])


def _or(parts: list[str]) -> str:
    return "(assert (or " + " ".join(f"(and {part})" for part in parts) + "))"


def _row_text(row: Linear) -> str:
    """Every second row is written the other way round."""
    terms = [
        f"(* {decimal(c)} {n}_{i})"
        for n, cs in (("X", row.of_inputs), ("Y", row.of_outputs))
        for i, c in enumerate(cs)
        if c
    ]
    left, right, word = (
        f"(+ {' '.join(terms)})" if len(terms) > 1 else terms[0],
        decimal(row.limit),
        "<" if row.strict else "<=",
    )
    return f"({word} {left} {right})" if len(terms) % 2 else f"({word.replace('<', '>')} {right} {left})"


def decimal(value: Fraction) -> str:
    """The value as a decimal, which must be finite."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    digits = str(abs(value.numerator * 10**places // value.denominator)).rjust(places + 1, "0")
    whole, rest = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if value < 0 else "") + whole + "." + (rest or "0")


def exact(values: np.ndarray) -> Vector:
    return list(map(Fraction, values.tolist()))


def dot(weights: Vector, values: Vector) -> Fraction:
    return sum((w * v for w, v in zip(weights, values, strict=True) if w), Fraction(0))


# --- making -------------------------------------------------------------------------------------


def make(seed: int) -> Question:
    """The question of this number."""
    random = np.random.default_rng([19, seed])
    hidden = [int(random.integers(2, 11)) for _ in range(random.integers(1, 5))]
    widths = [int(random.integers(1, 7)), *hidden, int(random.integers(1, 4))]
    layers = [_layer(random, n, m, k < len(hidden)) for k, (n, m) in enumerate(zip(widths, widths[1:]))]
    boxes = [_box(random, widths[0]) for _ in range(random.choice([1, 1, 1, 2, 3]))]
    points = np.concatenate([_samples(random, *box) for box in boxes])
    values = np.concatenate([points, _evaluate(layers, points)], 1)
    polytopes = [_polytope(random, values, widths[0]) for _ in range(random.choice([1, 1, 2, 3]))]
    return Question(layers, boxes, polytopes)


def _layer(random: np.random.Generator, n: int, m: int, relu: bool) -> tuple[np.ndarray, np.ndarray, bool]:
    weight = random.integers(-8, 9, (m, n)) / 8 * (random.random((m, n)) < 0.8)
    return weight, random.integers(-8, 9, m) / 8, relu and random.random() < 0.95


def _box(random: np.random.Generator, n: int) -> tuple[Vector, Vector]:
    """Ends in eighths, in tenths, or equal."""
    size = int(random.choice([8, 8, 10]))
    lower = random.integers(-size, size, n)
    upper = lower + random.integers(1, size + 1, n) * (random.random(n) < 0.85)
    return [Fraction(int(v), size) for v in lower], [Fraction(int(v), size) for v in upper]


def _samples(random: np.random.Generator, lower: Vector, upper: Vector) -> np.ndarray:
    """Corners, and points on a grid of 64 steps."""
    low, high = np.array(lower, float), np.array(upper, float)
    corners = np.array(list(product([0.0, 1.0], repeat=len(low))))
    return low + (high - low) * np.concatenate([corners, random.integers(0, 65, (200, len(low))) / 64])


def _evaluate(layers: list[tuple[np.ndarray, np.ndarray, bool]], points: np.ndarray) -> np.ndarray:
    for weight, bias, relu in layers:
        points = points @ weight.T + bias
        points = np.maximum(points, 0) if relu else points
    return points


def _polytope(random: np.random.Generator, values: np.ndarray, n_inputs: int) -> list[Linear]:
    """One row at the samples' least value, or beside it, and perhaps others that half of the samples meet or so."""
    rows = []
    for k in range(random.choice([1, 1, 2, 3])):
        weights = random.integers(-4, 5, values.shape[1]) / 4
        weights[:n_inputs] *= random.random() < 0.25
        weights[n_inputs + random.integers(values.shape[1] - n_inputs)] = random.choice([-1.0, 1.0])
        found = values @ weights
        beside = 2.0 ** -random.integers(2, 25) * random.choice([-1, 0, 1], p=[0.67, 0.03, 0.3])
        limit = found.min() + beside if k == 0 else np.quantile(found, random.random())
        of = exact(weights)
        rows.append(
            Linear(of[:n_inputs], of[n_inputs:], Fraction(round(limit * 2**30), 2**30), bool(random.random() < 0.3))
        )
    return rows


# --- answering ----------------------------------------------------------------------------------


def answer(question: Question, *, seconds: float) -> str:
    """sat, unsat, or unknown where z3 gives up after these seconds of a box."""
    answers = [_answer_in(question, lower, upper, seconds) for lower, upper in question.boxes]
    return next((word for word in ("sat", "unknown") if word in answers), "unsat")


def _answer_in(question: Question, lower: Vector, upper: Vector, seconds: float) -> str:
    solver = z3.SolverFor("QF_LRA")
    solver.set("timeout", round(1000 * seconds))
    x = [z3.Real(f"x{i}") for i in range(len(lower))]
    for v, l, u in zip(x, lower, upper, strict=True):
        solver.add(v >= _z3(l), v <= _z3(u))
    h, ends = x, list(zip(lower, upper, strict=True))
    for k, (weight, bias, relu) in enumerate(question.layers):
        found, new = [], []
        for j, b in enumerate(bias.tolist()):
            row = exact(weight[j])
            low = Fraction(b) + sum(min(w * l, w * u) for w, (l, u) in zip(row, ends, strict=True))
            high = Fraction(b) + sum(max(w * l, w * u) for w, (l, u) in zip(row, ends, strict=True))
            z, out = _sum(row, h, Fraction(b)), z3.Real(f"h{k}_{j}")
            if relu and low < 0:
                solver.add(out == (z3.If(z >= 0, z, _z3(0)) if high > 0 else _z3(0)))
                low, high = Fraction(0), max(high, Fraction(0))
            else:
                solver.add(out == z)
            found.append(out)
            new.append((low, high))
        h, ends = found, new
    solver.add(z3.Or([z3.And([_condition(row, x, h) for row in rows]) for rows in question.polytopes]))
    return str(solver.check())


def _condition(row: Linear, x: list[z3.ArithRef], y: list[z3.ArithRef]) -> z3.BoolRef:
    value = _sum(row.of_inputs + row.of_outputs, x + y, -row.limit)
    return value < 0 if row.strict else value <= 0


def _sum(weights: Vector, values: list[z3.ArithRef], constant: Fraction) -> z3.ArithRef:
    return z3.Sum([_z3(w) * v for w, v in zip(weights, values, strict=True) if w] + [_z3(constant)])


def _z3(value: Fraction | int) -> z3.RatNumRef:
    return z3.RealVal(str(value))
