"""Formulas as trees, evaluated directly at points: what a reader's answer is compared with."""

import operator
from functools import reduce

COMPARE = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def evaluate(tree: tuple, point: dict):
    """The tree's value at a point: a fraction or a truth value."""
    head, *parts = tree
    if head == "number":
        return parts[0]
    if head == "variable":
        return point[parts[0]]
    values = [evaluate(part, point) for part in parts]
    if head in ("and", "or"):
        return all(values) if head == "and" else any(values)
    if head in COMPARE:
        return COMPARE[head](*values)
    if len(values) == 1:
        return -values[0] if head == "-" else values[0]
    return reduce(ARITHMETIC[head], values)
