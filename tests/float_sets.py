"""Random questions, small enough for z3, whose sets of inputs hold few numbers of floating point, or none."""

from fractions import Fraction

import numpy as np
from cases import case, executable, prop, row
from conftest import random_network

from engine.network import Network
from engine.property import Property, Row

KINDS = ("pinned", "all_pinned", "equation", "equations", "dyadic", "narrow", "open", "output")


def question(seed: int) -> tuple[str, Network, Property]:
    """Of the kind KINDS[seed mod 8]; thresholds lie near values of the network, so that answers differ."""
    random, kind = np.random.default_rng(seed), KINDS[seed % len(KINDS)]
    net = executable(random_network([(2, 5, 2), (3, 4, 3, 1), (4, 6, 2)][seed % 3], seed=seed))
    lower, upper = [Fraction(-1)] * net.n_inputs, [Fraction(1)] * net.n_inputs
    rows = []
    if kind in ("pinned", "all_pinned"):
        for i in range(net.n_inputs if kind == "all_pinned" else 1):
            lower[i] = upper[i] = odd_tenth(random)
    elif kind in ("narrow", "open"):
        lower[0], upper[0] = between_floats(random) if kind == "narrow" else neighbours(random)
    if kind == "open":
        unit = [int(i == 0) for i in range(net.n_inputs)]
        rows += [strict_row(net, unit, -upper[0]), strict_row(net, [-c for c in unit], lower[0])]
    elif kind in ("equation", "equations", "dyadic"):
        middle = [Fraction(int(v), 10) for v in random.integers(-6, 7, net.n_inputs)]
        for _ in range(2 if kind == "equations" else 1):
            rows += equation(random, net, middle, dyadic=kind == "dyadic")
    points = inside(random, lower, upper, rows)
    values = net.evaluate(points)
    outputs = random.integers(-3, 4, net.n_outputs).tolist()
    outputs[0] = outputs[0] or 1
    level = np.quantile(values @ outputs, random.random() if kind == "output" else 0.05)
    level = Fraction(round((level - random.choice([-0.3, 0, 0.1, 0.5])) * 1000), 1000)
    rows.append(row(outputs, -level, n_inputs=net.n_inputs))
    if kind == "output":
        rows.append(row([-c for c in outputs], level, n_inputs=net.n_inputs))
    return kind, net, prop(case(lower, upper, rows), n_outputs=net.n_outputs)


def odd_tenth(random) -> Fraction:
    """k/10, which is not dyadic."""
    return Fraction(int(random.choice([1, 2, 3, 4, 6, 7, 8, 9]) * random.choice([-1, 1])), 10)


def neighbours(random) -> tuple[Fraction, Fraction]:
    low = np.float32(random.uniform(0.5, 1))
    return Fraction(float(low)), Fraction(float(np.nextafter(low, np.float32(2))))


def between_floats(random) -> tuple[Fraction, Fraction]:
    low, high = neighbours(random)
    return low + (high - low) / 3, high - (high - low) / 3


def strict_row(net: Network, inputs: list, constant: Fraction) -> Row:
    return row([0] * net.n_outputs, constant, inputs=inputs, strict=True)


def equation(random, net: Network, middle: list[Fraction], *, dyadic: bool) -> list[Row]:
    """a . x = c through a point, rounded to a power of two where there are to be dyadic solutions."""
    a = [int(v) for v in random.choice([-3, -1, 1, 2, 5], net.n_inputs)]
    c = sum(v * x for v, x in zip(a, middle))
    c = Fraction(round(c * 8), 8) if dyadic else c
    none = [0] * net.n_outputs
    return [row(none, -c, inputs=a), row(none, c, inputs=[-v for v in a])]


def inside(random, lower, upper, rows) -> np.ndarray:
    """Points of the box, on the equations where there are any."""
    low, high = (np.array([float(v) for v in side]) for side in (lower, upper))
    x = low + (high - low) * random.random((200, len(low)))
    flat = [r for r in rows if not r.strict][::2]
    if flat:
        a = np.array([[float(c) for c in r.inputs] for r in flat])
        c = np.array([float(r.constant) for r in flat])
        x = x - (x @ a.T + c) @ np.linalg.pinv(a).T
    return x
