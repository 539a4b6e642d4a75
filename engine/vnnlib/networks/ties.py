"""Equalities between inputs, solved exactly: later inputs as linear terms of earlier ones."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.errors import InputError
from engine.vnnlib import terms
from engine.vnnlib.contradiction import Contradiction, is_input_row, tightened
from engine.vnnlib.formulas import Conjunct, Formula
from engine.vnnlib.terms import HalfSpace, Linear, half_space

MAX_TERMS = 5_000_000  # that elimination, or rewriting all atoms, may form: they take seconds and fill the memory

_EQUALITIES = "the equalities of the inputs hold"


@dataclass(slots=True)
class _Effort:
    """How many terms may still be formed."""

    left: int = MAX_TERMS

    def substituted(self, term: Linear, values: Mapping[str, Linear]) -> Linear:
        """Returns the term with variables replaced by their values. InputError where the effort is spent."""
        self.left -= sum(len(values[name].coefficients) if name in values else 1 for name in term.coefficients)
        if self.left < 0:
            raise InputError(
                f"eliminating tied inputs forms more than {MAX_TERMS:,} terms", advice="use simpler equalities"
            )
        return terms.substitute(term, values)


def solved(base: Conjunct) -> dict[str, Linear]:
    """Returns the inputs that equalities in `base` tie, each as a term of those that stay free.

    An equality is an atom over several inputs with its opposite, be it written as == or as two bounds. Those of a
    single input stay what they are, boxes of width 0. The ties are the reduced echelon form, which is unique, with the
    latest declared input of each as its pivot. Contradiction where no point satisfies them.
    """
    effort = _Effort()
    pivots = _echelon(_equalities(base), effort)
    values: dict[str, Linear] = {}
    for name in sorted(pivots, key=_number):  # by then all that its term reads is solved
        values[name] = effort.substituted(pivots[name], values)
    return values


def rewritten(formula: Formula, values: Mapping[str, Linear]) -> Formula:
    """Returns the formula with variables replaced by their values.

    Contradiction where an atom of the base becomes false, or some atom of each branch.
    """
    effort = _Effort()
    base = tuple(_atoms(formula.base, values, effort))
    branches, first = [], None
    for branch in formula.branches:
        try:
            branches.append(tuple(_atoms(branch, values, effort)))
        except Contradiction as contradiction:
            first = first or contradiction
    if first and not branches:
        raise first.in_each_of(len(formula.branches))
    return Formula(base, tuple(branches))


def _equalities(base: Conjunct) -> Iterator[HalfSpace]:
    ends = tightened({}, base)
    for (form, upper), atom in ends.items():
        opposite = ends.get((form, False))
        if upper and opposite and opposite.bound == atom.bound and is_input_row(atom):
            yield atom


def _echelon(rows: Iterable[HalfSpace], effort: _Effort) -> dict[str, Linear]:
    """Returns an input for each independent equality, as a term of earlier ones, by Gaussian elimination."""
    pivots: dict[str, Linear] = {}
    for row in rows:
        term = row.term
        while term.coefficients:
            last = max(term.coefficients, key=_number)
            if last not in pivots:
                pivots[last] = _value(term, last)
                break
            term = effort.substituted(term, {last: pivots[last]})
        else:
            if term.constant:
                raise Contradiction(row, known="the other equalities of the inputs hold")
    return pivots


def _value(term: Linear, name: str) -> Linear:
    """Returns what term = 0 says of a variable that it reads."""
    scaled = terms.divide([term, terms.constant(term.coefficients[name])])
    return terms.subtract([terms.variable(name), scaled])


def _atoms(atoms: Conjunct, values: Mapping[str, Linear], effort: _Effort) -> Iterator[HalfSpace]:
    """Yields the atoms with variables replaced, without those that hold everywhere. Contradiction for a false one."""
    for atom in atoms:
        if values.keys().isdisjoint(atom.term.coefficients):
            yield atom
            continue
        term = effort.substituted(atom.term, values)
        if term.coefficients:
            yield half_space(term, strict=atom.strict, start=atom.start, end=atom.end)
        elif term.constant > 0 or (term.constant == 0 and atom.strict):
            raise Contradiction(atom, known=_EQUALITIES)


def _number(name: str) -> int:
    return int(name[2:])
