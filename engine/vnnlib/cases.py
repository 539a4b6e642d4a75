"""From a formula to the cases of a property: boxes, and the polytopes that are unsafe on each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

from engine.errors import InputError
from engine.property import Case, Polytope, Row, Vector
from engine.vnnlib.contradiction import Contradiction, Ends, Refuter, tightened
from engine.vnnlib.formulas import Conjunct, Formula, check_size
from engine.vnnlib.source import Source
from engine.vnnlib.terms import HalfSpace

MAX_NUMBERS = 20_000_000  # in all boxes and rows of a property: they are not sparse

_ZERO = Fraction(0)

# The end of input i is at 2 i, the upper one at 2 i + 1.
Box = list[HalfSpace | None]


@dataclass(frozen=True, slots=True)
class Variables:
    """The names X_0, X_1, ... and Y_0, Y_1, ... with the offset of each declaration, in order of their index.

    label: what the text calls a name.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    label: Callable[[str], str] = str

    def row(self, atom: HalfSpace) -> Row:
        of = atom.term.coefficients
        inputs, outputs = (tuple(of.get(name, _ZERO) for name in names) for names in (self.inputs, self.outputs))
        return Row(inputs, outputs, atom.term.constant, atom.strict)

    def output_row(self, atom: HalfSpace, no_inputs: Vector) -> Row:
        """Returns the row of an atom that reads no input. All these rows share the vector `no_inputs`."""
        of = atom.term.coefficients
        outputs = tuple(of.get(name, _ZERO) for name in self.outputs)
        return Row(no_inputs, outputs, atom.term.constant, atom.strict)


@dataclass(frozen=True, slots=True)
class _Group:
    """A box, as the ends that its branches tighten beyond the base's, and the distinct polytopes on it."""

    moved: Mapping[int, HalfSpace]
    polytopes: dict[frozenset[HalfSpace], tuple[HalfSpace, ...]] = field(default_factory=dict)


def cases(formula: Formula, variables: Variables, source: Source) -> tuple[Case, ...]:
    """Returns the formula's branches in the order of the file, those with the same box as one case.

    Branches that contradict themselves are dropped. Contradiction if none is left. Of the half-spaces
    on one side of one linear form only the tightest is kept. A strict bound of an input is both a
    closed bound of the box and a strict row.
    """
    base = tightened({}, formula.base)
    groups = _grouped(base, formula.branches, source)
    box: Box = [None] * (2 * len(variables.inputs))
    for atom in filter(_bounds_input, base.values()):
        box[_side(atom)] = atom
    row = _rows(groups, variables, source)
    result = []
    for place, group in enumerate(groups, 1):
        which = f" in input box {place} of {len(groups)}" if len(groups) > 1 else ""
        lower, upper = _corners(box, group.moved, variables, source, which=which)
        unsafe = (Polytope(tuple(map(row.__getitem__, rows))) for rows in group.polytopes.values())
        result.append(Case(lower, upper, tuple(unsafe)))
    return tuple(result)


def _grouped(base: Ends, branches: tuple[Conjunct, ...], source: Source) -> list[_Group]:
    """Returns the branches that do not contradict themselves, by box. The first's Contradiction if all do."""
    base_rows = {side: atom for side, atom in base.items() if _needs_row(atom)}
    _check_rows(branches, len(base_rows), source)
    refuter = Refuter(base)
    groups: dict[frozenset[tuple[int, Fraction]], _Group] = {}
    first = None
    for branch in branches:
        try:
            ends = tightened(base, branch)
            refuter.check(ends)
        except Contradiction as contradiction:
            first = first or contradiction
            continue
        rows = tuple(filter(_needs_row, {**base_rows, **ends}.values()))
        moved = {
            _side(atom): atom
            for side, atom in ends.items()
            if _bounds_input(atom) and not (side in base and base[side].bound == atom.bound)
        }
        key = frozenset((side, atom.bound) for side, atom in moved.items())
        groups.setdefault(key, _Group(moved)).polytopes.setdefault(frozenset(rows), rows)
    if first and not groups:
        raise first.in_each_of(len(branches))
    return list(groups.values())


def _check_rows(branches: tuple[Conjunct, ...], base_rows: int, source: Source) -> None:
    """Raises InputError where the polytopes have too many rows: each branch becomes one, with those of the base."""
    atoms = len(branches) * base_rows + sum(map(len, branches))
    try:
        check_size(len(branches), atoms, "multiplied out, the asserts have")
    except InputError as error:
        raise source.error(error.what, len(source.text), advice=error.advice) from None


def _bounds_input(atom: HalfSpace) -> bool:
    """True iff it bounds a single input, so that it belongs to the box."""
    return len(atom.form.terms) == 1 and _reads_inputs(atom)


def _reads_inputs(atom: HalfSpace) -> bool:
    return atom.form.terms[0][0][0] == "X"  # they are sorted


def _needs_row(atom: HalfSpace) -> bool:
    """True iff a closed box does not say all of it."""
    return atom.strict or not _bounds_input(atom)


def _side(atom: HalfSpace) -> int:
    return 2 * int(atom.form.terms[0][0][2:]) + atom.upper


def _rows(groups: list[_Group], variables: Variables, source: Source) -> dict[HalfSpace, Row]:
    """Returns each distinct row once. InputError where they have too many numbers."""
    polytopes = chain.from_iterable(group.polytopes.values() for group in groups)
    distinct = dict.fromkeys(chain.from_iterable(polytopes))
    n_inputs, n_outputs = len(variables.inputs), len(variables.outputs)
    wide = sum(map(_reads_inputs, distinct))
    numbers = 2 * len(groups) * n_inputs + wide * n_inputs + len(distinct) * n_outputs
    if numbers > MAX_NUMBERS:
        raise source.error(
            f"{len(groups):,} boxes and {len(distinct):,} rows over {n_inputs:,} inputs and "
            f"{n_outputs:,} outputs have {numbers:,} numbers, more than {MAX_NUMBERS:,}",
            len(source.text),
            advice="split the property into several files",
        )
    none = (_ZERO,) * n_inputs
    return {atom: variables.row(atom) if _reads_inputs(atom) else variables.output_row(atom, none) for atom in distinct}


def _corners(
    box: Box, moved: Mapping[int, HalfSpace], variables: Variables, source: Source, *, which: str
) -> tuple[Vector, Vector]:
    """Returns the lower and the upper ends of all inputs. InputError where one has none."""
    ends = box.copy()
    for side, atom in moved.items():
        ends[side] = atom
    bounds = [atom.bound for atom in ends if atom is not None]
    if len(bounds) < len(ends):
        index, upper = divmod(ends.index(None), 2)
        name, kind, operator = f"X_{index}", ("lower", "upper")[upper], (">=", "<=")[upper]
        label = variables.label(name)
        raise source.error(
            f"{label} has no {kind} bound{which}",
            variables.inputs[name],
            advice=f"add (assert ({operator} {label} ...))",
        )
    return tuple(bounds[0::2]), tuple(bounds[1::2])
