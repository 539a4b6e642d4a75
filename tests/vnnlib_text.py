"""Properties as VNN-LIB text, for programs that only read files."""

from fractions import Fraction

from engine.property import Polytope, Property, Row


def vnnlib(question: Property) -> str:
    """One disjunct for each case and polytope, with all numbers exact."""
    names = [f"X_{i}" for i in range(question.n_inputs)] + [f"Y_{j}" for j in range(question.n_outputs)]
    lines = [f"(declare-const {name} Real)" for name in names]
    branches = [_branch(case.lower, case.upper, polytope) for case in question.cases for polytope in case.unsafe]
    return "\n".join([*lines, f"(assert (or {' '.join(branches)}))", ""])


def _branch(lower, upper, polytope: Polytope) -> str:
    box = [f"(>= X_{i} {_number(a)}) (<= X_{i} {_number(b)})" for i, (a, b) in enumerate(zip(lower, upper))]
    return f"(and {' '.join(box)} {' '.join(map(_row, polytope.rows))})"


def _row(row: Row) -> str:
    terms = [f"(* {_number(c)} {name}_{i})" for name, cs in (("X", row.inputs), ("Y", row.outputs))
             for i, c in enumerate(cs)]
    return f"({'<' if row.strict else '<='} (+ {' '.join(terms)} {_number(row.constant)}) 0)"


def _number(value: Fraction) -> str:
    """As a decimal; VNN-LIB has no fractions, and tests use numbers that have an end."""
    value = Fraction(value)
    digits = next(d for d in range(400) if (value * 10**d).denominator == 1)
    text = f"{abs(value.numerator * 10**digits // value.denominator):0{digits + 1}d}"
    text = f"{text[:-digits]}.{text[-digits:]}" if digits else text
    return f"(- {text})" if value < 0 else text
