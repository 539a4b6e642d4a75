"""Equalities between inputs, solved exactly: later inputs as linear terms of earlier ones."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.errors import InputError
from engine.vnnlib import terms
from engine.vnnlib.contradiction import Contradiction, tightened
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


@dataclass(frozen=True, slots=True)
class Solution:
    """What the equalities between inputs say.

    values: the tied inputs, each as a term of those that stay free. rest: the other atoms of the base, and bounds of
    the free inputs to which all equalities together leave one value.
    """

    values: Mapping[str, Linear]
    rest: Conjunct


def solved(base: Conjunct) -> Solution:
    """Returns what the equalities over inputs in `base` say, exactly. Contradiction where no point satisfies them.

    An equality is an atom over inputs with its opposite, be it written as == or as two bounds. The latest declared
    input of each is tied, but an input to which they leave one value is free: it becomes a box of width 0.
    """
    effort = _Effort()
    equalities = _equalities(base)
    pivots = _echelon(equalities, effort)
    values: dict[str, Linear] = {}
    pins: list[HalfSpace] = []
    for name in sorted(pivots, key=_number):  # by then all that its term reads is solved
        term, row = pivots[name]
        value = effort.substituted(term, values)
        if value.coefficients:
            values[name] = value
        else:
            pins += _pinned(name, value, row)
    forms = {row.form for row in equalities}
    return Solution(values, (*(atom for atom in base if atom.form not in forms), *pins))


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


def _equalities(base: Conjunct) -> list[HalfSpace]:
    """Returns the equalities over inputs, those of a single one last: so that ties are found before values."""
    ends = tightened({}, base)
    opposite = ((atom, ends.get((form, False))) for (form, upper), atom in ends.items() if upper)
    equal = (atom for atom, other in opposite if other and other.bound == atom.bound and _reads_inputs_alone(atom))
    return sorted(equal, key=lambda atom: len(atom.form.terms) == 1)


def _echelon(rows: Iterable[HalfSpace], effort: _Effort) -> dict[str, tuple[Linear, HalfSpace]]:
    """Returns an input for each independent equality, as a term of earlier ones, by Gaussian elimination."""
    pivots: dict[str, tuple[Linear, HalfSpace]] = {}
    for row in rows:
        term = row.term
        while term.coefficients:
            last = max(term.coefficients, key=_number)
            if last not in pivots:
                pivots[last] = _value(term, last), row
                break
            term = effort.substituted(term, {last: pivots[last][0]})
        else:
            if term.constant:
                raise Contradiction(row, known="the other equalities of the inputs hold")
    return pivots


def _value(term: Linear, name: str) -> Linear:
    """Returns what term = 0 says of a variable that it reads."""
    scaled = terms.divide([term, terms.constant(term.coefficients[name])])
    return terms.subtract([terms.variable(name), scaled])


def _pinned(name: str, value: Linear, row: HalfSpace) -> Iterator[HalfSpace]:
    """Yields the bounds that say that an input has one value."""
    difference = terms.subtract([terms.variable(name), value])
    for side in (difference, terms.subtract([difference])):
        yield half_space(side, strict=False, start=row.start, end=row.end)


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


def _reads_inputs_alone(atom: HalfSpace) -> bool:
    return atom.form.terms[-1][0][0] == "X"  # they are sorted, inputs first


def _number(name: str) -> int:
    return int(name[2:])
