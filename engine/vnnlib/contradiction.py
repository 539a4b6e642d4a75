"""Finds, exactly, half-spaces that no point satisfies together."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.vnnlib.formulas import Conjunct
from engine.vnnlib.source import Source
from engine.vnnlib.terms import Form, HalfSpace

MAX_STEPS = 5_000_000  # terms of rows that are compared with boxes; what is left is left to the search

# The tightest half-space on each side (form, upper) of each linear form.
Ends = dict[tuple[Form, bool], HalfSpace]


class Contradiction(Exception):
    """Two half-spaces over one linear form exclude each other, or one is false wherever `known` holds.

    There is such a contradiction in each of `branches`, and these half-spaces are that of the first.
    """

    def __init__(self, *atoms: HalfSpace, known: str = "the bounds of its inputs hold", branches: int = 1) -> None:
        super().__init__()
        self._atoms, self._known, self._branches = sorted(atoms, key=lambda atom: atom.start), known, branches

    def in_each_of(self, branches: int) -> "Contradiction":
        return Contradiction(*self._atoms, known=self._known, branches=branches)

    def description(self, source: Source) -> str:
        """Returns the contradiction in words, with the lines."""
        text = " and ".join(f"{source.excerpt(a.start, a.end)} (line {source.line(a.start)})" for a in self._atoms)
        text += " exclude each other" if len(self._atoms) > 1 else f" is false wherever {self._known}"
        return f"in each of {self._branches:,} alternatives, as in the first: {text}" if self._branches > 1 else text


def tightened(known: Ends, atoms: Conjunct) -> Ends:
    """Returns the ends that `atoms` tighten beyond `known`. Contradiction where two exclude each other."""
    ends: Ends = {}
    for atom in atoms:
        here, there = (atom.form, atom.upper), (atom.form, not atom.upper)
        opposite = ends.get(there) or known.get(there)
        if opposite and atom.excludes(opposite):
            raise Contradiction(opposite, atom)
        tightest = ends.get(here) or known.get(here)
        if tightest is None or atom.tighter_than(tightest):
            ends[here] = atom
    return ends


@dataclass(slots=True)
class Refuter:
    """Finds rows over several inputs that are false on a whole box. Those of the base are checked when it is made.

    steps: how many more terms it may compare; it finds nothing after that.
    """

    base: Ends
    steps: int = MAX_STEPS
    rows: list[HalfSpace] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = list(filter(is_input_row, self.base.values()))
        self._check(self.rows, {})

    def check(self, ends: Ends) -> None:
        """Raises Contradiction if a row is false on the box of a branch, which tightens the base to `ends`."""
        own = list(ends.values())
        if any(len(atom.form.terms) == 1 for atom in own):  # it may have another box
            own += self.rows
        self._check(filter(is_input_row, own), ends)

    def _check(self, rows: Iterable[HalfSpace], ends: Ends) -> None:
        for row in rows:
            self.steps -= len(row.form.terms)
            if self.steps >= 0 and self._is_false(row, ends):
                raise Contradiction(row)

    def _is_false(self, row: HalfSpace, ends: Ends) -> bool:
        """True iff the least value of its term on the box is above 0, or is 0 and not reached."""
        least, strict = row.term.constant, row.strict
        for name, factor in row.term.coefficients.items():
            side = Form(((name, 1, 1),)), factor < 0
            end = ends.get(side) or self.base.get(side)
            if end is None:
                return False
            least, strict = least + factor * end.bound, strict or end.strict
        return least > 0 or (least == 0 and strict)


def is_input_row(atom: HalfSpace) -> bool:
    """True iff it reads several inputs and no output."""
    terms = atom.form.terms
    return len(terms) > 1 and terms[-1][0][0] == "X"  # they are sorted, inputs first
