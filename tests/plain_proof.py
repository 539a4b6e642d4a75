"""A proof about a network in real semantics, checked as docs/certificate-format.md, sections 4 to 6 and 14, has it.

In plain fractions, neuron by neuron; each neuron has a ReLU, a curve or none.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import plain_curves

ZERO = Fraction(0)
STEEP = Fraction(3, 2)  # section 17


@dataclass(frozen=True)
class Neuron:
    """hidden: its number among the hidden neurons, None without a ReLU or a curve."""

    weights: list
    bias: Fraction
    hidden: int | None
    curve: str


@dataclass(frozen=True)
class Node:
    """low, high: bounds of hidden neurons; signs: assumed ones, +1 or -1."""

    case: object
    lower: list
    upper: list
    low: list
    high: list
    signs: dict


def layers_of(network) -> list[list[Neuron]]:
    count, layers = 0, []
    for layer in network.layers:
        neurons = []
        for weights, bias, relu in zip(layer.weight, layer.bias, np.broadcast_to(layer.relu, layer.bias.shape)):
            neurons.append(
                Neuron(
                    list(map(Fraction, weights.tolist())), Fraction(float(bias)), count if relu else None, layer.curve
                )
            )
            count += bool(relu)
        layers.append(neurons)
    return layers


def check(network, cases, proof) -> int:
    """AssertionError unless the proof shows that no case's polytope is reached. The number of exclusions."""
    layers = layers_of(network)
    nodes = [root(layers, case) for case in cases]
    cuts, excluded, exclusions = iter(proof.cut.tolist()), {}, exclusions_of(proof)
    for number, split in enumerate(proof.split.tolist()):
        node, lines = tighten(layers, nodes[number])
        here = excluded.setdefault(number, set())
        for polytope, rows, slopes, multipliers in exclusions.pop(number, []):
            assert set(multipliers) <= set(node.signs) and all(m >= 0 for m in multipliers.values())
            assert shown(layers, lines, node, node.case.unsafe[polytope], rows, slopes, multipliers)
            here.add(polytope)
        if split < 0:
            assert all(number in here or is_empty(polytope) for number, polytope in enumerate(node.case.unsafe))
        else:
            excluded |= {len(nodes): set(here), len(nodes) + 1: set(here)}
            nodes += halves(node, split, cuts)
    assert len(nodes) == len(proof.split) and not exclusions
    return len(proof.node)


def is_empty(polytope) -> bool:
    """Whether a row without variables is false."""
    return any(not any(row.inputs + row.outputs) and not row.holds((), ()) for row in polytope.rows)


def exclusions_of(proof) -> dict[int, list]:
    def parts(counts, keys, values, unit):
        ends = accumulate(counts.tolist(), initial=0)
        return [
            dict(zip(keys[a:b].tolist(), (Fraction(v) / unit for v in values[a:b].tolist()))) for a, b in pairwise(ends)
        ]

    found = {}
    rows = parts(proof.rows, proof.row, proof.row_weight, 1024)
    slopes = parts(proof.slopes, proof.slope, proof.slope_value, 1024)
    multipliers = parts(proof.multipliers, proof.multiplier, proof.multiplier_value, 1)
    for node, *rest in zip(proof.node.tolist(), proof.polytope.tolist(), rows, slopes, multipliers):
        found.setdefault(node, []).append(rest)
    return found


def down(value: Fraction) -> Fraction:
    number = float(value)
    return Fraction(float(np.float32(number - 0.75 * abs(number) * 2.0**-23 - 2.0**-149)))


def up(value: Fraction) -> Fraction:
    return -down(-value)


def least(row, constant, lower, upper) -> Fraction:
    return constant + sum(a * (lo if a > 0 else hi) for a, lo, hi in zip(row, lower, upper))


def root(layers, case) -> Node:
    """The case's ends are float64 numbers."""
    a, b, low, high = list(case.lower), list(case.upper), [], []
    for layer in layers:
        p = [least(n.weights, n.bias, a, b) for n in layer]
        q = [-least([-w for w in n.weights], -n.bias, a, b) for n in layer]
        low += [down(v) for v, n in zip(p, layer) if n.hidden is not None]
        high += [up(v) for v, n in zip(q, layer) if n.hidden is not None]
        a, b = ([bent(*pair, n)[side] for *pair, n in zip(p, q, layer)] for side in range(2))
    return Node(case, list(case.lower), list(case.upper), low, high, {})


def bent(p, q, n) -> tuple[Fraction, Fraction]:
    """The ends of what a neuron makes of values from p to q."""
    if n.hidden is None:
        return p, q
    return plain_curves.ends(n.curve, down(p), up(q)) if n.curve else (max(p, ZERO), max(q, ZERO))


def halves(node: Node, split: int, cuts) -> list[Node]:
    change = lambda values, i, value: [*values[:i], value, *values[i + 1 :]]
    if split < len(node.lower):
        cut = Fraction(next(cuts))
        assert node.lower[split] < cut < node.upper[split]
        return [
            replace(node, upper=change(node.upper, split, cut)),
            replace(node, lower=change(node.lower, split, cut)),
        ]
    j = split - len(node.lower)
    assert j < len(node.low) and j not in node.signs
    return [
        replace(node, high=change(node.high, j, min(node.high[j], ZERO)), signs=node.signs | {j: -1}),
        replace(node, low=change(node.low, j, max(node.low[j], ZERO)), signs=node.signs | {j: 1}),
    ]


def tighten(layers, node: Node):
    """The node with its own bounds, and the lines (a, c, t, r) of each neuron: a z + r <= h <= c z + t."""
    node, lines = replace(node, low=list(node.low), high=list(node.high)), []
    ratio = 1 if any(n.curve for layer in layers for n in layer) else STEEP
    for k, layer in enumerate(layers):
        for n in layer:
            j = n.hidden
            if j is not None and (node.low[j] < node.high[j] if n.curve else node.low[j] < 0 < node.high[j]):
                below = substitute(layers, lines, node, n.weights, n.bias, k)
                above = -substitute(layers, lines, node, [-w for w in n.weights], -n.bias, k)
                node.low[j], node.high[j] = max(node.low[j], down(below)), min(node.high[j], up(above))
        lines.append(
            [
                (1, 1, ZERO, ZERO)
                if n.hidden is None
                else line(n.curve, node.low[n.hidden], node.high[n.hidden], ratio=ratio)
                for n in layer
            ]
        )
    return node, lines


def line(curve, low: Fraction, high: Fraction, *, ratio=1):
    if curve:
        return plain_curves.line(curve, low, high)
    below, above = min(low, ZERO), max(high, ZERO)
    c = Fraction(round(1024 * above / (above - below)), 1024) if above > below else ZERO
    return int(high > -ratio * low), c, max(-c * below, (1 - c) * above), ZERO


def substitute(layers, lines, node, row, constant, k, slopes=(), multipliers=(), x=()) -> Fraction:
    """The least value of row . h_k + constant + x . inputs on the node's set, by the lines of the first k layers."""
    for layer, own in zip(reversed(layers[:k]), reversed(lines[:k])):
        relaxed = []
        for weight, n, (a, c, t, r) in zip(row, layer, own):
            if n.hidden in slopes:
                assert not n.curve
                low, high = node.low[n.hidden], node.high[n.hidden]
                a = slopes[n.hidden] if low < 0 < high else int(high > 0)
            relaxed.append(weight * (a if weight > 0 else c))
            constant += min(weight, ZERO) * t + max(weight, ZERO) * r
            if n.hidden in multipliers:
                relaxed[-1] -= node.signs[n.hidden] * multipliers[n.hidden]
        constant += sum(a * n.bias for a, n in zip(relaxed, layer))
        row = [sum(column) for column in zip(*([a * w for w in n.weights] for a, n in zip(relaxed, layer)))]
    row = [a + b for a, b in zip(row, x)] if x else row
    return least(row, constant, node.lower, node.upper)


def shown(layers, lines, node, polytope, weights, slopes, multipliers) -> bool:
    rows = [(w, polytope.rows[i]) for i, w in weights.items()]
    outputs, inputs = (
        [sum(column) for column in zip(*([w * c for c in getattr(row, part)] for w, row in rows))]
        for part in ("outputs", "inputs")
    )
    constant = sum(w * row.constant for w, row in rows)
    bound = substitute(layers, lines, node, outputs, constant, len(layers), slopes, multipliers, inputs)
    return bound > 0 or (bound == 0 and any(row.strict for _, row in rows))
