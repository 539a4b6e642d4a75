"""Section 14 of the certificate format by its words, in Python's decimal numbers of 60 digits and in Fractions.

It uses neither the checker nor the engine.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import ceil, floor

import numpy as np

DIGITS = 60
CURVES = ["Sigmoid", "Tanh"]
LAST = 8192


def decimal(number) -> Decimal:
    number = Fraction(number)
    return Decimal(number.numerator) / Decimal(number.denominator)


def value(curve: str, z) -> Decimal:
    """f(z)."""
    with localcontext(prec=DIGITS):
        x = decimal(z)
        if curve == "Sigmoid":
            return 1 / (1 + (-x).exp())
        return (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())


@cache
def at(curve: str, i: int) -> Decimal:
    return value(curve, Fraction(i, 256))


@cache
def slope(curve: str, i: int) -> Decimal:
    """f'(i / 256)."""
    with localcontext(prec=DIGITS):
        f = at(curve, i)
        return f * (1 - f) if curve == "Sigmoid" else (1 - f) * (1 + f)


def multiple(number: Decimal, bits: int, rounding: str) -> Fraction:
    """The multiple of 2^-bits next to it."""
    with localcontext(prec=DIGITS):
        return Fraction(int((number * 2**bits).to_integral_value(rounding)), 2**bits)


def high(curve: str, i: int) -> Fraction:
    return multiple(at(curve, max(-LAST, min(i, LAST))), 40, ROUND_CEILING)


def low(curve: str, i: int) -> Fraction:
    return multiple(at(curve, max(-LAST, min(i, LAST))), 40, ROUND_FLOOR)


def steep(curve: str, i: int) -> Fraction:
    with localcontext(prec=DIGITS):
        return Fraction(round(slope(curve, i) * 2**30), 2**30)


def touches(curve: str, p: int, j: int) -> bool:
    """The condition of touch(P) at j."""
    with localcontext(prec=DIGITS):
        return slope(curve, j) * (j - p) / 256 <= at(curve, j) - at(curve, p)


@cache
def touch(curve: str, p: int) -> int:
    """By bisection: from the least j on, the condition holds."""
    if p >= 0:
        return 0
    least, most = 0, -p
    assert touches(curve, p, most)
    while least < most:
        middle = (least + most) // 2
        least, most = (least, middle) if touches(curve, p, middle) else (middle + 1, most)
    return least


def upper(curve: str, p: int, q: int) -> tuple[Fraction, Fraction]:
    """(c, t)."""
    begin, end = Fraction(p, 256), Fraction(q, 256)
    if p < -LAST or q > LAST:
        return Fraction(0), high(curve, q)
    j = max((p + q) // 2, touch(curve, p))
    if j <= q:
        at_j, c = Fraction(j, 256), steep(curve, j)
        return c, high(curve, j) - c * at_j + Fraction(1, 2**31) * max(end - at_j, at_j - begin)
    c = Fraction(0)
    if p != q:
        nearest = Fraction(float((high(curve, q) - high(curve, p)) / (end - begin)))
        c = Fraction(round(nearest * 2**30), 2**30)
    return c, max(high(curve, p) - c * begin, high(curve, q) - c * end)


def lines(curve: str, l, u):  # noqa: E741 (the format's letter)
    """(a, r, c, t) and H of a neuron with these bounds."""
    p, q = floor(256 * Fraction(l)), ceil(256 * Fraction(u))
    (c, t), (a, other) = upper(curve, p, q), upper(curve, -q, -p)
    return (a, (1 if curve == "Sigmoid" else 0) - other, c, t), max(abs(low(curve, p)), abs(high(curve, q)))


# --- proofs ---------------------------------------------------------------------------------------


def down(number: Fraction) -> Fraction:
    near = float(number)
    return Fraction(float(np.float32(near - 0.75 * abs(near) * 2.0**-23 - 2.0**-149)))


def least(row, constant, box) -> Fraction:
    return constant + sum(a * (lo if a > 0 else hi) for a, (lo, hi) in zip(row, box))


class Plain:
    """Sections 5, 6 and 14 in exact arithmetic and real semantics: layers (rows, biases, kind of each neuron).

    Of kinds there are the curves, and "": none. Bounds of hidden neurons are [l, u], in order.
    """

    def __init__(self, layers):
        self.layers = layers
        self.hidden = [(k, i) for k, (_, _, kinds) in enumerate(layers) for i, kind in enumerate(kinds) if kind]

    def root(self, box) -> list:
        bounds, ends = [], box
        for rows, biases, kinds in self.layers:
            reached = [(least(w, b, ends), -least([-v for v in w], -b, ends)) for w, b in zip(rows, biases)]
            ends = []
            for kind, (p, q) in zip(kinds, reached):
                if kind:
                    l, u = down(p), -down(-q)
                    bounds.append([l, u])
                    p, q = low(kind, floor(256 * l)), high(kind, ceil(256 * u))
                ends.append((p, q))
        return bounds

    def tighten(self, box, bounds) -> list:
        """Improves the bounds in place; the lines (a, r, c, t) of each layer."""
        number, found = 0, []
        for k, (rows, biases, kinds) in enumerate(self.layers):
            own = []
            for w, b, kind in zip(rows, biases, kinds):
                if not kind:
                    own.append((1, 0, 1, 0))
                    continue
                l, u = bounds[number]
                if l < u:
                    below = self.substitute(w, b, k, found, box)
                    above = self.substitute([-v for v in w], -b, k, found, box)
                    l, u = max(l, down(below)), min(u, -down(above))
                bounds[number] = [l, u]
                own.append(lines(kind, l, u)[0])
                number += 1
            found.append(own)
        return found

    def substitute(self, row, constant, k, found, box, multipliers=None, x=()) -> Fraction:
        """Section 6 of a row over the outputs of layer k (from 1; 0 are inputs)."""
        for depth in range(k - 1, -1, -1):
            rows, biases, _ = self.layers[depth]
            down_row = []
            for i, (weight, (a, r, c, t)) in enumerate(zip(row, found[depth])):
                constant += weight * (r if weight > 0 else t)
                weight = weight * (a if weight > 0 else c)
                if multipliers and (depth, i) in self.hidden:
                    weight -= multipliers.get(self.hidden.index((depth, i)), 0)
                down_row.append(weight)
            constant += sum((w * b for w, b in zip(down_row, biases)), Fraction(0))
            row = [sum((w * own[i] for w, own in zip(down_row, rows)), Fraction(0)) for i in range(len(rows[0]))]
        return least([a + b for a, b in zip(row, x)] if x else row, constant, box)
