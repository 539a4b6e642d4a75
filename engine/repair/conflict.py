"""Properties that no network can satisfy together, found before a repair is tried."""

from itertools import combinations

import z3

from ..property import Case, Property, Row

SECONDS = 5.0  # of z3, for each combination


def conflict(properties: list[Property]) -> tuple[Property, ...] | None:
    """The smallest set of one or two properties that contradict each other at some input, whatever the network.

    They do where their boxes meet and every output there lies in an unsafe polytope of one of them. None found is
    no proof that there is a network which satisfies all.
    """
    for n in (1, 2):
        for some in combinations(properties, n):
            if _contradict(some):
                return some
    return None


def _contradict(some: tuple[Property, ...]) -> bool:
    chosen = [()]
    for prop in some:
        chosen = [(*cases, case) for cases in chosen for case in prop.cases]
    return any(_nothing_safe(cases) for cases in chosen)


def _nothing_safe(cases: tuple[Case, ...]) -> bool:
    """Whether the boxes meet, and at the middle of what they share no output is safe for all."""
    lower = [max(ends) for ends in zip(*(case.lower for case in cases))]
    upper = [min(ends) for ends in zip(*(case.upper for case in cases))]
    if any(a > b for a, b in zip(lower, upper)):
        return False
    x = [(a + b) / 2 for a, b in zip(lower, upper)]
    outputs = max((len(row.outputs) for case in cases for p in case.unsafe for row in p.rows), default=0)
    y = [z3.Real(f"y{j}") for j in range(outputs)]
    solver = z3.SolverFor("QF_LRA")
    solver.set("timeout", round(1000 * SECONDS))
    for case in cases:
        for polytope in case.unsafe:
            solver.add(z3.Not(z3.And([_holds(row, x, y) for row in polytope.rows])))
    return solver.check() == z3.unsat


def _holds(row: Row, x: list, y: list):
    constant = row.constant + sum(c * v for c, v in zip(row.inputs, x))
    value = z3.Sum([z3.RealVal(str(c)) * v for c, v in zip(row.outputs, y) if c] + [z3.RealVal(str(constant))])
    return value < 0 if row.strict else value <= 0
