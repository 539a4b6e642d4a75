"""Terms of VNN-LIB files, linear and exact, and the rows that comparisons of them stand for.

Section 2 of the format. A term is a dict, variable -> coefficient and "" -> constant, without
zeros. Its variables are X_0, X_1, .. and Y_0, Y_1, ..
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import TypeAlias

from engine.audit.data import Polytope, Row
from engine.audit.failures import Malformed, need

Term: TypeAlias = dict[str, Fraction]

MAX_BITS = 10_000  # of a numerator or denominator
#: Of all disjuncts that are ever built: themselves, the disjuncts they are made of, their rows.
MAX_PARTS = 5_000_000
#: The signs of left - right in each row that a comparison stands for.
SIGNS = {"<=": (1,), "<": (1,), ">=": (-1,), ">": (-1,), "=": (1, -1), "==": (1, -1)}
STRICT = ("<", ">")


def comparison(operator: str, terms: list[Term]) -> Polytope:
    """left <= right and the like, as rows."""
    need(len(terms) == 2, f"{operator} takes other arguments")
    return tuple(row_of(terms, sign, operator in STRICT) for sign in SIGNS[operator])


class Parts:
    """Counts the parts of the disjuncts that a file's formulas are multiplied out to."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, parts: int, *, multiplied: bool) -> None:
        """Malformed where they are too many; whether they were multiplied is told."""
        self._count += parts
        if self._count > MAX_PARTS:
            how = "multiplied out, " if multiplied else ""
            raise Malformed(f"{how}its disjuncts have more than {MAX_PARTS:,} parts")


def check_size(base: Polytope, disjuncts: tuple[Polytope, ...]) -> None:
    """Malformed where rows that always hold, times disjuncts, are more than can be compared.

    Rows of one variable that are not strict, mostly ends of a box, do not count.
    """
    rows = sum(row.strict or len(row.inputs) + len(row.outputs) != 1 for row in base)
    need(
        rows * len(disjuncts) <= MAX_PARTS,
        f"{rows:,} rows times {len(disjuncts):,} disjuncts are too many",
    )


def arithmetic(operator: str, terms: list[Term]) -> Term:
    """A sum, difference, negation, product or quotient."""
    match operator, *terms:
        case ("+" | "-", _, *rest):
            sign = 1 if operator == "+" else -1
            return sum_of(terms, [1 if rest else sign] + [sign] * len(rest))
        case ("*", _, *_):
            return _product(terms)
        case ("/", _, _, *_) if all(term.keys() == {""} for term in terms[1:]):
            return _product([terms[0], *({"": 1 / term[""]} for term in terms[1:])])
    raise Malformed(f"{operator} takes other arguments")


def row_of(terms: list[Term], sign: int, strict: bool) -> Row:
    """sign * (left - right) <= 0, or < 0."""
    term = sum_of(terms, (sign, -sign))
    inputs, outputs = (
        {int(name[2:]): c for name, c in term.items() if name[:1] == letter} for letter in "XY"
    )
    return Row(inputs, outputs, term.get("", Fraction(0)), strict)


def sum_of(terms: list[Term], factors: Sequence[int | Fraction]) -> Term:
    """The sum of each term times its factor."""
    total: Term = {}
    for term, factor in zip(terms, factors):
        for name, value in term.items():
            total[name] = found = total.get(name, 0) + factor * value
            bits = max(map(int.bit_length, found.as_integer_ratio()))
            need(bits <= MAX_BITS, f"a number grows beyond {MAX_BITS:,} bits")
    return {name: value for name, value in total.items() if value}


def _product(terms: list[Term]) -> Term:
    """The product of terms of which at most one has variables."""
    *constants, last = sorted(terms, key=_has_variables)
    need(not any(map(_has_variables, constants)), "a product of variables is not linear")
    factor = reduce(_times, constants, {"": Fraction(1)})
    return _times(last, factor)


def _has_variables(term: Term) -> bool:
    return not term.keys() <= {""}


def _times(term: Term, constant: Term) -> Term:
    return sum_of([term], [constant.get("", 0)])
