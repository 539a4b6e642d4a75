"""From a formula to the cases of a property: boxes, and the polytopes that are unsafe on each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from engine.errors import InputError
from engine.property import Case, Polytope, Row, Vector
from engine.vnnlib.formulas import Conjunct, Formula
from engine.vnnlib.source import Source
from engine.vnnlib.terms import HalfSpace

_ZERO = Fraction(0)

# The tightest half-space on each side (form, upper) of each linear form.
Ends = dict[tuple, HalfSpace]


class Contradiction(Exception):
    """Two half-spaces over one linear form that do not meet."""

    def __init__(self, first: HalfSpace, second: HalfSpace):
        super().__init__()
        self.first, self.second = first, second


@dataclass(frozen=True, slots=True)
class Variables:
    """The declared names with the offset of each declaration, in order of their index."""

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    def bounds_input(self, atom: HalfSpace) -> bool:
        """Whether it bounds a single input, so that it belongs to the box."""
        return len(atom.form) == 1 and atom.form[0][0] in self.inputs

    def needs_row(self, atom: HalfSpace) -> bool:
        """Whether a closed box does not say all of it."""
        return atom.strict or not self.bounds_input(atom)

    def row(self, atom: HalfSpace) -> Row:
        of = atom.term.coefficients
        inputs = tuple(of.get(name, _ZERO) for name in self.inputs)
        outputs = tuple(of.get(name, _ZERO) for name in self.outputs)
        return Row(inputs, outputs, atom.term.constant, atom.strict)


@dataclass(frozen=True, slots=True)
class _Group:
    """A box, as what its branches tighten beyond the base, and the distinct polytopes on it."""

    ends: Ends
    polytopes: dict[frozenset, tuple[HalfSpace, ...]] = field(default_factory=dict)


def cases(formula: Formula, variables: Variables, source: Source) -> tuple[Case, ...]:
    """The formula's branches in the order of the file, those with the same box as one case.

    Branches that contradict themselves are dropped; it is an error if none is left. Of the half-spaces
    on one side of one linear form only the tightest is kept. A strict bound of an input is both a
    closed bound of the box and a strict row.
    """
    try:
        base = _tightened({}, formula.base)
        groups = _grouped(base, formula.branches, variables)
    except Contradiction as contradiction:
        raise _contradiction(contradiction, source) from None
    row = cache(variables.row)
    result = []
    for place, group in enumerate(groups, 1):
        which = f" in input box {place} of {len(groups)}" if len(groups) > 1 else ""
        lower, upper = _box({**base, **group.ends}, variables, source, which=which)
        unsafe = (Polytope(tuple(map(row, rows))) for rows in group.polytopes.values())
        result.append(Case(lower, upper, tuple(unsafe)))
    return tuple(result)


def _grouped(base: Ends, branches: tuple[Conjunct, ...], variables: Variables) -> list[_Group]:
    """The branches that do not contradict themselves, by box; where all do, raises what the first says."""
    base_rows = {side: atom for side, atom in base.items() if variables.needs_row(atom)}
    groups: dict[frozenset, _Group] = {}
    first = None
    for branch in branches:
        try:
            ends = _tightened(base, branch)
        except Contradiction as contradiction:
            first = first or contradiction
            continue
        rows = tuple(filter(variables.needs_row, {**base_rows, **ends}.values()))
        group = groups.setdefault(_moved(base, ends, variables), _Group(ends))
        group.polytopes.setdefault(frozenset(rows), rows)
    if first and not groups:
        raise first
    return list(groups.values())


def _tightened(known: Ends, atoms: Conjunct) -> Ends:
    """The ends that `atoms` tighten beyond `known`; raises where two do not meet."""
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


def _moved(base: Ends, ends: Ends, variables: Variables) -> frozenset:
    """What tells a branch's box from the base's: short, however many inputs there are."""
    return frozenset(
        (side, atom.bound) for side, atom in ends.items()
        if variables.bounds_input(atom) and not (side in base and base[side].bound == atom.bound))


def _box(ends: Ends, variables: Variables, source: Source, *, which: str) -> list[Vector]:
    """The lower and the upper ends of all inputs."""
    corners = []
    for upper, side, operator in (False, "lower", ">="), (True, "upper", "<="):
        atoms = {name: ends.get((((name, 1, 1),), upper)) for name in variables.inputs}
        for name, atom in atoms.items():
            if atom is None:
                raise source.error(f"{name} has no {side} bound{which}", variables.inputs[name],
                                   advice=f"add (assert ({operator} {name} ...))")
        corners.append(tuple(atom.bound for atom in atoms.values()))
    return corners


def _contradiction(pair: Contradiction, source: Source) -> InputError:
    first, second = sorted((pair.first, pair.second), key=lambda atom: atom.start)
    letters = {name[0] for name, *_ in first.form}
    kind = {"X": "input", "Y": "output"}[letters.pop()] if len(letters) == 1 else "linear"
    texts = (f"{source.excerpt(a.start, a.end)} (line {source.line(a.start)})" for a in (first, second))
    return source.error(f"the {kind} constraints contradict each other: {' and '.join(texts)}", second.start,
                        advice="no point satisfies all asserts; correct one of them")
