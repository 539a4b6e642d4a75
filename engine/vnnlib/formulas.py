"""And, or and comparisons, kept in disjunctive normal form with the common part factored out.

Errors raised here carry no place; expressions.py, which knows it, adds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, product
from math import prod

from engine.errors import InputError
from engine.vnnlib.terms import HalfSpace, Linear, half_space, subtract

MAX_BRANCHES = 250_000
MAX_ATOMS = 5_000_000  # in all branches together: they fill the memory

Conjunct = tuple[HalfSpace, ...]


@dataclass(frozen=True, slots=True)
class Formula:
    """True where all of `base` holds, and all of one of the `branches`.

    A formula without disjunction has the one empty branch; an unsatisfiable one has no branch. Input bounds
    that hold throughout stay in `base` and are not copied into every branch.
    """

    base: Conjunct
    branches: tuple[Conjunct, ...]


_NO_CHOICE = ((),)
TRUE = Formula((), _NO_CHOICE)
FALSE = Formula((), ())


def conjunction(parts: Sequence[Formula]) -> Formula:
    """Returns the formula that is true where all parts are. Of no parts it is true."""
    parts = [part for part in parts if part != TRUE]
    if not all(part.branches for part in parts):
        return FALSE
    if len(parts) == 1:  # before anything is copied: towers of one-argument `and` stay cheap
        return parts[0]
    choices = [part.branches for part in parts if part.branches != _NO_CHOICE]
    count = prod(map(len, choices))
    atoms = sum(count // len(choice) * sum(map(len, choice)) for choice in choices)
    base = tuple(chain.from_iterable(part.base for part in parts))
    what = "multiplied out, the disjunctions have" if len(choices) > 1 else "this conjunction has"
    check_size(count, len(base) + atoms, what)
    if len(choices) == 1:
        return Formula(base, choices[0])
    return Formula(base, tuple(tuple(chain.from_iterable(pick)) for pick in product(*choices)))


def disjunction(parts: Sequence[Formula]) -> Formula:
    """Returns the formula that is true where some part is. Of no parts it is false."""
    parts = [part for part in parts if part.branches]
    if len(parts) == 1:
        return parts[0]
    count = sum(len(part.branches) for part in parts)
    atoms = sum(len(part.base) * len(part.branches) + sum(map(len, part.branches)) for part in parts)
    check_size(count, atoms, "this disjunction has")
    branches = (tuple(part.base + branch for branch in part.branches) if part.base else part.branches for part in parts)
    return Formula((), tuple(chain.from_iterable(branches)))


def comparison(operator: str, terms: Sequence[Linear], *, start: int = 0, end: int = 0) -> Formula:
    """Returns two terms compared: one half-space, for `=` two, for `!=` either of two, TRUE or FALSE for constants."""
    if len(terms) != 2:
        raise InputError(f"'{operator}' takes 2 arguments, not {len(terms)}", advice="compare two terms")
    if operator == "!=":
        return disjunction([comparison(side, terms, start=start, end=end) for side in ("<", ">")])
    orders = {"<": (1,), "<=": (1,), ">": (-1,), ">=": (-1,), "=": (1, -1), "==": (1, -1)}[operator]
    differences = [subtract(terms[::order]) for order in orders]
    strict = operator in ("<", ">")
    if not differences[0].coefficients:
        holds = all(d.constant < 0 or (d.constant == 0 and not strict) for d in differences)
        return TRUE if holds else FALSE
    atoms = (half_space(d, strict=strict, start=start, end=end) for d in differences)
    return Formula(tuple(atoms), _NO_CHOICE)


def check_size(branches: int, atoms: int, what: str) -> None:
    """Raises InputError where so much would not fit into memory; `what` says what has these branches and atoms."""
    for count, most, kind in (branches, MAX_BRANCHES, "alternatives"), (atoms, MAX_ATOMS, "comparisons"):
        if count > most:
            raise InputError(
                f"{what} {_count(count)} {kind}, more than {most:,}", advice="split the property into several files"
            )


def _count(n: int) -> str:
    return f"{n:,}" if n < 10**15 else "over 10^15"
