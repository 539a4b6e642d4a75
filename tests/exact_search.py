"""Points that satisfy a query about several networks exactly: by the second checker's reading of query and files."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import second_checker
import second_checker_bounds
import second_checker_file
from second_checker_query import join, read_claim, read_file, read_query


def refutation(files: dict[str, Path], query: Path, boxes) -> list[Fraction] | None:
    """A point of these boxes of free inputs that satisfies the query exactly, if a search finds one.

    The search is in floating point, among random points, corners and what is around the best of these.
    """
    declared, formula = read_query(query.read_text())
    ties, disjuncts = read_claim(declared, formula)
    free = len(boxes[0][0])
    net = join([read_file(network, files) for network in declared], ties, free, "real")
    random = np.random.default_rng(0)
    rows = [Rows.of(disjunct, net) for disjunct in disjuncts]
    for lower, upper in boxes:
        low, high = (np.array([float(end) for end in ends]) for ends in (lower, upper))
        for one, disjunct in zip(rows, disjuncts, strict=True):
            points = random.random((200, free))
            points[:60] = np.round(points[:60] * 4) / 4
            for width in (0.2, 0.05, 0.01, 0.001):
                best = points[np.argsort(one.worst(net, low + points * (high - low)))[:4]]
                around = best[:, None] + width * random.uniform(-1, 1, (4, 30, free))
                points = np.concatenate([best, around.reshape(-1, free).clip(0, 1)])
            for place in points[np.argsort(one.worst(net, low + points * (high - low)))[:2]]:
                point = [a + Fraction(t) * (b - a) for a, b, t in zip(lower, upper, place, strict=True)]
                if is_satisfied(net, disjunct, point):
                    return point
    return None


@dataclass(frozen=True)
class Rows:
    """A disjunct in floating point: coefficients of inputs and outputs, and constants."""

    terms: np.ndarray
    constants: np.ndarray

    @classmethod
    def of(cls, disjunct, net) -> "Rows":
        names = second_checker_file.names("X", net.inputs) + second_checker_file.names("Y", net.outputs)
        terms = [[float(one.form.get(name, 0)) for name in names] for one in disjunct]
        return cls(np.array(terms).reshape(len(disjunct), len(names)), np.array([float(r.constant) for r in disjunct]))

    def worst(self, net, points: np.ndarray) -> np.ndarray:
        """The largest left side at each point: below 0 where all rows hold."""
        values = [points]
        for block in net.blocks:
            h = points[:, list(block.reads)]
            for layer in block.layers:
                h = h @ np.array(layer.weights, dtype=float).reshape(-1, h.shape[1]).T + np.array(
                    layer.bias, dtype=float
                )
                h = np.where(layer.relus, np.maximum(h, 0), h)
            values.append(h)
        return (np.hstack(values) @ self.terms.T + self.constants).max(1, initial=-np.inf)


def is_satisfied(net, disjunct, point: list[Fraction]) -> bool:
    """Whether all rows hold at a point, whatever rounded blocks leave open."""
    names = second_checker_file.names("Y", net.outputs)
    found, spread = dict(zip(second_checker_file.names("X", net.inputs), point, strict=True)), {}
    made = [second_checker.evaluate(block, second_checker_bounds.read_by(block, point)) for block in net.blocks]
    found |= dict(zip(names, [value for values, _ in made for value in values], strict=True))
    spread = dict(zip(names, [radius for _, radii in made for radius in radii], strict=True))
    for one in disjunct:
        most = second_checker.left_side(one, found) + sum(abs(a) * spread.get(n, 0) for n, a in one.form.items())
        if (most, one.strict) > (0, False):
            return False
    return True
