"""Properties that no network can satisfy together, found before a repair is tried."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, product

import z3

from engine.property import Case, Property, Row, Vector

SECONDS = 5.0  # of z3, for each combination
#: Row at a point: outputs, constant, strict. A polytope is the set of its rows, an unsafe set of polytopes.
_RowAt = tuple[Vector, Fraction, bool]
_Polytopes = frozenset[frozenset[_RowAt]]


def conflict(properties: Sequence[Property]) -> tuple[Property, ...] | None:
    """The smallest set of one or two properties that contradict each other at some input, whatever the network.

    They do where a case of each meet and every output there lies in an unsafe polytope of one of them. None found is
    no proof that there is a network which satisfies all.
    """
    known: dict[_Polytopes, bool] = {}
    for n in (1, 2):
        for some in combinations(properties, n):
            if any(_nothing_safe(cases, known) for cases in product(*(prop.cases for prop in some))):
                return some
    return None


def _nothing_safe(cases: tuple[Case, ...], known: dict[_Polytopes, bool]) -> bool:
    """True iff the boxes meet, and at the middle of what they share no output is safe for all.

    known: what was found before; thousands of point boxes say the same of few outputs.
    """
    lower = [max(ends) for ends in zip(*(case.lower for case in cases))]
    upper = [min(ends) for ends in zip(*(case.upper for case in cases))]
    if any(a > b for a, b in zip(lower, upper)):
        return False
    x = [(a + b) / 2 for a, b in zip(lower, upper)]
    polytopes = frozenset(frozenset(_at(row, x) for row in p.rows) for case in cases for p in case.unsafe)
    if polytopes not in known:
        known[polytopes] = _all_covered(polytopes)
    return known[polytopes]


def _at(row: Row, x: Sequence[Fraction]) -> _RowAt:
    """The row where the inputs are x."""
    return row.outputs, row.constant + sum(c * v for c, v in zip(row.inputs, x) if c), row.strict


def _all_covered(polytopes: _Polytopes) -> bool:
    """True iff every output lies in one of them; False where z3 cannot tell."""
    solver = z3.SolverFor("QF_LRA")
    solver.set("timeout", round(1000 * SECONDS))
    for rows in polytopes:
        solver.add(z3.Not(z3.And([_holds(*row) for row in rows])))
    return bool(solver.check() == z3.unsat)


def _holds(outputs: Vector, constant: Fraction, strict: bool) -> z3.BoolRef:
    terms = [z3.RealVal(str(c)) * z3.Real(f"y{j}") for j, c in enumerate(outputs) if c]
    value = z3.Sum([*terms, z3.RealVal(str(constant))])
    return value < 0 if strict else value <= 0
