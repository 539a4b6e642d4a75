"""Formulas of VNN-LIB 2.0: rows that hold throughout, and disjuncts multiplied out (section 10)."""

from collections.abc import Sequence
from itertools import chain, product
from typing import NamedTuple

from engine.audit.data import Polytope
from engine.audit.failures import need
from engine.audit.vnnlib_terms import Parts


class Formula(NamedTuple):
    """All of `base` hold, and all of one of the disjuncts.

    base: the rows that are no part of an `or`; one of a single alternative is that alternative.
    """

    base: Polytope
    disjuncts: tuple[Polytope, ...] = ((),)


class Joiner:
    """Joins formulas; Malformed where all that it has built is too much."""

    def __init__(self) -> None:
        self._parts = Parts()

    def joined(self, word: str, formulas: Sequence[Formula]) -> Formula:
        """The conjunction (`and`) or the disjunction (`or`) of at least one formula."""
        need(formulas, f"{word} takes at least one formula")
        if word == "or":
            formulas = [formula for formula in formulas if not _is_false(formula)]
        if len(formulas) == 1:
            return formulas[0]
        return self._all_of(formulas) if word == "and" else self._any_of(formulas)

    def _all_of(self, formulas: Sequence[Formula]) -> Formula:
        base = tuple(chain(*(formula.base for formula in formulas)))
        several = [formula.disjuncts for formula in formulas if formula.disjuncts != ((),)]
        self._parts.add(len(base), multiplied=len(several) > 1)
        disjuncts = []
        for pick in product(*several):
            disjuncts.append(tuple(chain(*pick)))
            parts = 1 + len(pick) + len(disjuncts[-1])
            self._parts.add(parts, multiplied=len(several) > 1)
        return Formula(base, tuple(disjuncts))

    def _any_of(self, formulas: Sequence[Formula]) -> Formula:
        disjuncts = []
        for base, own in formulas:
            for rows in own:
                disjuncts.append(base + rows)
                self._parts.add(2 + len(disjuncts[-1]), multiplied=False)
        return Formula((), tuple(disjuncts))


def _is_false(formula: Formula) -> bool:
    """True iff it is a false comparison of numbers, or an `or` of nothing else."""
    if not formula.disjuncts:
        return True
    numbers = all(not row.inputs and not row.outputs for row in formula.base)
    false = any(row.constant > 0 or (row.constant == 0 and row.strict) for row in formula.base)
    return formula.disjuncts == ((),) and numbers and false
