"""Properties as VNN-LIB text."""

from fractions import Fraction

from engine.property import Polytope, Property, Row, Vector

MAX_DECIMALS = 400  # digits behind the point: float32 numbers have at most 149


def property_text(prop: Property) -> str:
    """Returns the property as VNN-LIB 1.0: one disjunct for each case and polytope, with all numbers exact.

    ValueError where a number is no finite decimal, as VNN-LIB has no fractions.
    """
    names = [f"X_{i}" for i in range(prop.n_inputs)] + [f"Y_{j}" for j in range(prop.n_outputs)]
    lines = [f"(declare-const {name} Real)" for name in names]
    branches = [_branch(case.lower, case.upper, polytope) for case in prop.cases for polytope in case.unsafe]
    return "\n".join([*lines, f"(assert (or {' '.join(branches)}))", ""])


def _branch(lower: Vector, upper: Vector, polytope: Polytope) -> str:
    box = [f"(>= X_{i} {_number(a)}) (<= X_{i} {_number(b)})" for i, (a, b) in enumerate(zip(lower, upper))]
    return f"(and {' '.join(box)} {' '.join(map(_row, polytope.rows))})"


def _row(row: Row) -> str:
    terms = [
        f"(* {_number(c)} {name}_{i})" for name, cs in (("X", row.inputs), ("Y", row.outputs)) for i, c in enumerate(cs)
    ]
    return f"({'<' if row.strict else '<='} (+ {' '.join(terms)} {_number(row.constant)}) 0)"


def _number(value: Fraction) -> str:
    text = decimal_text(abs(value))
    return f"(- {text})" if value < 0 else text


def decimal_text(value: Fraction) -> str:
    """Returns the number as a decimal without exponent, exactly. ValueError where it has no end as a decimal."""
    digits = next((d for d in range(MAX_DECIMALS) if (value * 10**d).denominator == 1), None)
    if digits is None:
        raise ValueError(f"{value} has no end as a decimal")
    text = f"{abs(value.numerator * 10**digits // value.denominator):0{digits + 1}d}"
    text = f"{text[:-digits]}.{text[-digits:]}" if digits else text
    return f"-{text}" if value < 0 else text
