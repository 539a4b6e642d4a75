"""Linear terms over named variables, exact, and the half-spaces that comparing them gives.

Errors raised here carry no place; expressions.py, which knows it, adds it.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from engine.errors import InputError

MAX_DIGITS = 1_000  # of a number as written
MAX_EXPONENT = 999  # 1e999999999 would fill the memory before anyone could compare it
MAX_BITS = 10_000  # of a numerator or denominator: every number as written has fewer
MAX_LOG2 = 1022  # of a number: float64 can hold every number read, if not exactly

_ZERO, _ONE = Fraction(0), Fraction(1)

VARIABLE = re.compile(r"[XY]_(?:0|[1-9][0-9]{0,9})")
# ASCII digits only: int() and Fraction() would also take those of other scripts, and underscores.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?")


@dataclass(frozen=True, slots=True)
class Linear:
    """coefficients . variables + constant; no coefficient is zero."""

    coefficients: Mapping[str, Fraction]
    constant: Fraction


@dataclass(frozen=True, slots=True)
class Form:
    """A linear form: (variable, numerator, denominator) of each coefficient, sorted by variable.

    The first coefficient is 1, so that multiples of one form are equal. The hash is computed once, however
    often the form is looked up. Integers are used as they hash faster than fractions.
    """

    terms: tuple[tuple[str, int, int], ...]
    digest: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hash(self.terms))

    def __hash__(self) -> int:
        return self.digest


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """form <= bound if `upper`, else form >= bound; < or > if `strict`.

    `term` is the same, written as term <= 0 in the scale of the file; `start` and `end` are its place there.
    Both are ignored when half-spaces are compared.
    """

    form: Form
    upper: bool
    bound: Fraction
    strict: bool
    term: Linear = field(compare=False)
    start: int = field(compare=False)
    end: int = field(compare=False)

    def tighter_than(self, other: "HalfSpace") -> bool:
        """True iff it is a proper part of `other`, which bounds the same form on the same side."""
        if self.bound == other.bound:
            return self.strict and not other.strict
        return (self.bound < other.bound) == self.upper

    def excludes(self, other: "HalfSpace") -> bool:
        """True iff no point is in both. `other` bounds the same form on the other side."""
        if self.bound == other.bound:
            return self.strict or other.strict
        return (self.bound < other.bound) == self.upper


def number(text: str) -> Fraction | None:
    """Returns the exact value of a decimal such as -0.5, .5 or 1e-3, or None if `text` is not one."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if len(text) > MAX_DIGITS or abs(int(match[1] or 0)) > MAX_EXPONENT:
        raise InputError(
            f"a number has more than {MAX_DIGITS:,} digits or an exponent beyond {MAX_EXPONENT:,}",
            advice="write a shorter one",
        )
    return checked(Fraction(text))


def checked(value: Fraction) -> Fraction:
    """Returns `value`. InputError where it is too large for later arithmetic."""
    above, below = map(int.bit_length, value.as_integer_ratio())
    if above > MAX_BITS or below > MAX_BITS:
        raise InputError(f"a number grows beyond {MAX_BITS:,} bits", advice="write simpler numbers")
    if above - below > MAX_LOG2:  # then it is larger than 2**MAX_LOG2
        raise InputError(f"a number is larger than 2^{MAX_LOG2}, about 4e307", advice="write a smaller one")
    return value


def constant(value: Fraction) -> Linear:
    return Linear({}, value)


def variable(name: str) -> Linear:
    return Linear({name: _ONE}, _ZERO)


def add(terms: Sequence[Linear]) -> Linear:
    _need(terms, 1, "+")
    return _fold(operator.add, terms)


def subtract(terms: Sequence[Linear]) -> Linear:
    """Returns the negative of one term; of several, the first less the others."""
    _need(terms, 1, "-")
    return _fold(operator.sub, terms) if len(terms) > 1 else _scale(terms[0], -_ONE)


def multiply(terms: Sequence[Linear]) -> Linear:
    _need(terms, 1, "*")
    factors = [term for term in terms if term.coefficients]
    if len(factors) > 1:
        raise InputError("a product of variables is not linear", advice="multiply by constants only")
    product = _ONE
    for term in terms:
        if not term.coefficients:
            product = checked(product * term.constant)
    return _scale(factors[0], product) if factors else constant(product)


def divide(terms: Sequence[Linear]) -> Linear:
    """Returns the first term divided by all others. InputError unless those are constants, and not 0."""
    _need(terms, 2, "/")
    result = terms[0]
    for divisor in terms[1:]:
        if divisor.coefficients:
            raise InputError("division by a variable is not linear", advice="divide by constants only")
        if not divisor.constant:
            raise InputError("division by zero", advice="divide by another constant")
        result = _scale(result, 1 / divisor.constant)
    return result


def substitute(term: Linear, values: Mapping[str, Linear]) -> Linear:
    """Returns the term with each variable that has one of `values` replaced by it, all at once."""
    kept = {name: c for name, c in term.coefficients.items() if name not in values}
    replaced = (_scale(values[name], c) for name, c in term.coefficients.items() if name in values)
    return _fold(operator.add, [Linear(kept, term.constant), *replaced])


def half_space(term: Linear, *, strict: bool, start: int = 0, end: int = 0) -> HalfSpace:
    """Returns term <= 0, or term < 0 if `strict`. The term must not be constant."""
    (first, lead), *others = sorted(term.coefficients.items())
    form = Form(((first, 1, 1), *((name, *(c / lead).as_integer_ratio()) for name, c in others)))
    bound = checked(-term.constant / lead)
    return HalfSpace(form, lead > _ZERO, bound, strict, term, start, end)


def _fold(combine: Callable[[Fraction, Fraction], Fraction], terms: Sequence[Linear]) -> Linear:
    """Returns the first term with all others added to it, or subtracted from it."""
    coefficients = dict(terms[0].coefficients)
    total = terms[0].constant
    for term in terms[1:]:
        total = checked(combine(total, term.constant))
        for name, c in term.coefficients.items():
            coefficients[name] = checked(combine(coefficients.get(name, _ZERO), c))
    return Linear({name: c for name, c in coefficients.items() if c}, total)


def _scale(term: Linear, by: Fraction) -> Linear:
    if not by:
        return constant(by)
    coefficients = {name: checked(c * by) for name, c in term.coefficients.items()}
    return Linear(coefficients, checked(term.constant * by))


def _need(terms: Sequence[Linear], least: int, operator: str) -> None:
    if len(terms) < least:
        raise InputError(f"'{operator}' has too few arguments, {len(terms)}", advice=f"give at least {least}")
