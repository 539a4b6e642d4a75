"""Linear equations in exact numbers: their solutions, also in floating-point numbers.

Such numbers are dyadic, integers over powers of two. With a . x = c in integers a there is a dyadic solution just where
c / gcd(a) is dyadic; unimodular changes of the variables bring several equations to that form one by one, and give
all dyadic solutions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from engine.property import Polytope, Row, Vector

MAX_VARIABLES = 64  # of equations whose dyadic solutions are computed; of larger ones only whether there are any
MAX_COEFFICIENT = 2**40  # of a basis: beyond it its points are of no use
Form = tuple[tuple[int, ...], tuple[Fraction, ...]]  # variables and their coefficients, the constant last


def equations(polytope: Polytope) -> tuple[Row, ...]:
    """The rows that hold with equality because their opposite is a row too, one of each pair."""
    terms = [(row, {i: c for i, c in enumerate((*row.inputs, *row.outputs)) if c}) for row in polytope.rows]
    same = Counter(tuple(of) for row, of in terms if not row.strict and of)
    found: list[Row] = []
    seen: set[Form] = set()
    for row, of in terms if same and max(same.values()) > 1 else ():
        if of and not row.strict and same[tuple(of)] > 1:
            places, form = _form(row, of)
            if (places, tuple(-c for c in form)) in seen and (places, form) not in seen:
                found.append(row)
            seen.add((places, form))
    return tuple(found)


def _form(row: Row, terms: dict[int, Fraction]) -> Form:
    """The form that multiples of a row by positive numbers share."""
    scale = abs(next(iter(terms.values())))
    return tuple(terms), tuple(c / scale for c in (*terms.values(), row.constant))


# In rationals


def moved_onto(row: Row, point: Vector, lower: Sequence[Fraction], upper: Sequence[Fraction]) -> Vector | None:
    """A point of the box where the row, one of inputs alone, is zero; None where the box has none.

    As few inputs of the given point as possible are moved.
    """
    x, value = list(point), row.value(point, ())

    def room(i: int) -> Fraction:
        return min(x[i] - lower[i], upper[i] - x[i]) * abs(row.inputs[i])

    for i in sorted((i for i, c in enumerate(row.inputs) if c), key=room, reverse=True):
        moved = min(max(x[i] - value / row.inputs[i], lower[i]), upper[i])
        value += row.inputs[i] * (moved - x[i])
        x[i] = moved
    return None if value else tuple(x)


def pivots(slopes: np.ndarray) -> tuple[list[int], list[int]]:
    """Rows and columns of a part of the matrix [rows, columns] that has full rank, the largest entries first."""
    left = np.array(slopes, float)
    rows: list[int] = []
    columns: list[int] = []
    least = np.abs(left).max(initial=0) * 1e-12
    while left.size and np.abs(left).max() > least:
        i, j = np.unravel_index(np.abs(left).argmax(), left.shape)
        rows.append(int(i))
        columns.append(int(j))
        left = left - np.outer(left[:, j] / left[i, j], left[i])
        left[rows], left[:, columns] = 0, 0
    return rows, columns


def solved(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction] | None:
    """The solution of a square system; None unless there is just one."""
    table = [[*row, value] for row, value in zip(matrix, right)]
    for j in range(len(table)):
        first = next((i for i in range(j, len(table)) if table[i][j]), None)
        if first is None:
            return None
        table[j], table[first] = table[first], table[j]
        table[j] = [v / table[j][j] for v in table[j]]
        for i in range(len(table)):
            if i != j and table[i][j]:
                table[i] = [v - table[i][j] * w for v, w in zip(table[i], table[j])]
    return [row[-1] for row in table]


# In dyadic numbers


@dataclass(frozen=True, slots=True)
class Lattice:
    """The dyadic solutions of equations: of the inputs `used`, basis . (fixed, t) with t any dyadic numbers.

    basis: integers, [used, used]; empty where there are more than MAX_VARIABLES, or its numbers are too large.
    """

    used: tuple[int, ...]
    fixed: tuple[Fraction, ...]
    basis: np.ndarray

    def near(self, x: Vector, step: Fraction) -> Vector | None:
        """A solution near the point, with the free coefficients being multiples of `step`."""
        if not self.basis.size:
            return None
        k = len(self.fixed)
        start = self.basis[:, :k] @ np.array(self.fixed, dtype=object)
        wanted = np.array([float(x[i] - v) for i, v in zip(self.used, start)])
        free = self.basis[:, k:]
        t = np.linalg.lstsq(free.astype(float), wanted, rcond=None)[0] if free.size else np.zeros(0)
        found = start + free @ np.array([round(Fraction(float(v)) / step) * step for v in t], dtype=object)
        moved = dict(zip(self.used, found))
        return tuple(Fraction(moved.get(i, v)) for i, v in enumerate(x))


def dyadic_solutions(rows: Sequence[Row], *, places: int) -> Lattice | Row:
    """The solutions of equations of inputs alone in numbers over 2^places at most.

    Where there are none, it is the first equation with which there are none.
    """
    used = tuple(sorted({i for row in rows for i, c in enumerate(row.inputs) if c}))
    whole = [_integers(row, used) for row in rows]
    small = len(used) <= MAX_VARIABLES
    unit = [[int(i == j) for j in range(len(used))] for i in range(len(used) if small else 0)]
    table = [numbers for numbers, _ in whole] + unit
    fixed: list[Fraction] = []
    for k, (row, (_, right)) in enumerate(zip(rows, whole)):
        rest = right - sum(a * z for a, z in zip(table[k], fixed))
        place = len(fixed)
        _gather(table, table[k], place)
        lead = table[k][place] if place < len(used) else 0
        value = Fraction(rest, lead) if lead else Fraction(rest)
        below = value.denominator
        if (value and not lead) or below & (below - 1) or below.bit_length() > places + 1:
            return row
        if lead:
            fixed.append(value)
    basis = table[len(rows) :]
    small = small and all(abs(v) < MAX_COEFFICIENT for line in basis for v in line)
    return Lattice(used, tuple(fixed), np.array(basis if small else [], dtype=object))


def _integers(row: Row, used: tuple[int, ...]) -> tuple[list[int], int]:
    """The integers (a, c) of an equation a . x = c."""
    values = [*(row.inputs[i] for i in used), -row.constant]
    scale = lcm(*(v.denominator for v in values))
    *numbers, right = (int(v * scale) for v in values)
    return numbers, right


def _gather(table: list[list[int]], line: list[int], start: int) -> None:
    """Adds multiples of the table's columns from `start` on to each other, until its row `line` has one number other
    than zero there at most, which comes first."""
    while len(places := [j for j in range(start, len(line)) if line[j]]) > 1:
        least = min(places, key=lambda j: abs(line[j]))
        factors = [(j, line[j] // line[least]) for j in places if j != least]
        for row in table:
            for j, factor in factors:
                row[j] -= factor * row[least]
    for row in table if places else ():
        row[start], row[places[0]] = row[places[0]], row[start]
