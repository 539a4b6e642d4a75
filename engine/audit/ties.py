"""Inputs that equations tie to others, and the query over the inputs that are left (section 10).

A sum is a dict, input -> coefficient and CONSTANT -> constant, without zeros.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

from engine.audit.data import Polytope, Row, Specification, Tie
from engine.audit.failures import need
from engine.audit.vnnlib_terms import MAX_BITS, MAX_PARTS

Sum: TypeAlias = dict[int, Fraction]
Form: TypeAlias = tuple[tuple[int, Fraction], ...]  # of a sum without constant; the first is 1

CONSTANT = -1
FALSE = Row({}, {}, Fraction(1), False)


def solve_ties(specification: Specification) -> tuple[tuple[Tie, ...], Specification]:
    """The tie of each input, and the same query over the free inputs alone.

    Where its equations have no solution every input is free, and a row that is false is added.
    """
    adder, n_inputs, base = _Adder(), specification.n_inputs, specification.base
    solved = _solved(list(_equations(base)), adder)
    if solved is None:
        solved, base = {}, (*base, FALSE)
    free = [i for i in range(n_inputs) if i not in solved]
    number = {i: u for u, i in enumerate(free)} | {CONSTANT: CONSTANT}
    sums = [solved.get(i, {i: Fraction(1)}) for i in range(n_inputs)]
    values = [{number[i]: c for i, c in one.items()} for one in sums]
    ties = tuple(Tie(*_parted(one)) for one in values)
    rows = _Rows(values, adder)
    disjuncts = tuple(map(rows.replaced, specification.disjuncts))
    n_outputs, digest = specification.n_outputs, specification.sha256
    return ties, Specification(len(free), n_outputs, rows.replaced(base), disjuncts, digest)


def _parted(one: Sum) -> tuple[dict[int, Fraction], Fraction]:
    """The coefficients and the constant of a sum."""
    return {i: c for i, c in one.items() if i != CONSTANT}, one.get(CONSTANT, Fraction(0))


# --- equations ------------------------------------------------------------------------------------


def _equations(base: Polytope) -> Iterator[Sum]:
    """Sums that are 0: of at least two inputs, neither above nor below a number by two rows."""
    bounds: dict[Form, tuple[set[Fraction], set[Fraction]]] = {}
    for row in base:
        if len(row.inputs) > 1 and not row.outputs and not row.strict:
            terms = sorted(row.inputs.items())
            lead = terms[0][1]
            form = tuple((i, c / lead) for i, c in terms)
            bounds.setdefault(form, (set(), set()))[lead < 0].add(row.constant / lead)
    for form, (above, below) in bounds.items():
        for constant in sorted(above & below):
            yield _without_zeros({**dict(form), CONSTANT: constant})


def _without_zeros(one: Sum) -> Sum:
    return {i: c for i, c in one.items() if c}


def _solved(equations: list[Sum], adder: "_Adder") -> dict[int, Sum] | None:
    """The value of each pivot, the last input of an equation, over inputs that are none.

    None where there is no solution.
    """
    values: dict[int, Sum] = {}
    for equation in equations:
        rest = _reduced(equation, values, adder)
        pivot = max(rest, default=CONSTANT)
        if pivot != CONSTANT:
            lead = rest.pop(pivot)
            values[pivot] = {i: -c / lead for i, c in rest.items()}
        elif rest:
            return None
    for pivot in sorted(values):
        values[pivot] = _reduced(values[pivot], values, adder)
    return values


def _reduced(one: Sum, values: dict[int, Sum], adder: "_Adder") -> Sum:
    """The sum with each pivot replaced by its value, which is over inputs before it."""
    total = dict(one)
    while pivots := total.keys() & values.keys():
        pivot = max(pivots)
        adder.add(total, total.pop(pivot), values[pivot])
    return total


class _Adder:
    """Adds sums to others; Malformed where that is too much work."""

    def __init__(self) -> None:
        self._parts = 0

    def add(self, total: Sum, factor: Fraction, one: Sum) -> None:
        """total += factor * one"""
        self._parts += len(total) + len(one) + 1
        need(self._parts <= MAX_PARTS, f"its ties take more than {MAX_PARTS:,} steps")
        for i, c in one.items():
            found = total.pop(i, Fraction(0)) + factor * c
            bits = max(map(int.bit_length, found.as_integer_ratio()))
            need(bits <= MAX_BITS, f"a number of its ties grows beyond {MAX_BITS:,} bits")
            if found:
                total[i] = found


# --- rows -----------------------------------------------------------------------------------------


class _Rows:
    """Rows in which each input is replaced by its value; those that were shared still are."""

    def __init__(self, values: list[Sum], adder: _Adder) -> None:
        self._values, self._adder = values, adder
        self._found: dict[int, tuple[Row, Row]] = {}  # by id(): the row itself keeps that unique

    def replaced(self, rows: Polytope) -> Polytope:
        """The rows over free inputs."""
        return tuple(map(self._replaced, rows))

    def _replaced(self, row: Row) -> Row:
        if id(row) not in self._found:
            total = _without_zeros({CONSTANT: row.constant})
            for i, c in row.inputs.items():
                self._adder.add(total, c, self._values[i])
            inputs, constant = _parted(total)
            self._found[id(row)] = row, Row(inputs, row.outputs, constant, row.strict)
        return self._found[id(row)][1]
