"""Does what a certificate claims cover the unsafe set of a VNN-LIB file? Section 2, exactly.

A row becomes a pair (form, tight). `form` numbers the row's linear form up to a factor > 0, form ^
1 being the opposite one; `tight` is (constant, strict) of the row whose first coefficient is 1 or
-1. A row implies those of its form that are not tighter. Form 0 is that of rows without variables.

Boxes are told by how they differ from what the file asserts throughout: short, however many inputs
there are.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from engine.audit.data import Case, Polytope, Row, Specification
from engine.audit.failures import demand

Tight: TypeAlias = tuple[Fraction | float, bool]
Pair: TypeAlias = tuple[int, Tight]
Pairs: TypeAlias = frozenset[Pair]  # of a box, or of a polytope
Claims: TypeAlias = dict[Pairs, set[Pairs]]  # the cases' polytopes by their box
Term: TypeAlias = tuple[int, Fraction]  # a variable, inputs before outputs, and its coefficient

NOTHING: Tight = (-float("inf"), False)  # less tight than any row
TRUE: Tight = (Fraction(0), False)  # of the row 0 <= 0

#: Pairs of a disjunct, if it is not there as it stands in the file, and a box or polytope.
MAX_COMPARED = 10_000_000


def check_claim(cases: tuple[Case, ...], specification: Specification) -> bool:
    """Rejected where a disjunct neither contradicts itself nor is covered; it names the first.

    Returns True iff there is a disjunct that does not contradict itself: else the property says
    nothing about any network. All cases must be over the property's variables.
    """
    forms = _Forms(specification.n_inputs)
    base = {0: TRUE, 1: TRUE}
    base |= _tighter(map(forms.pair, specification.base), base)
    if _contradicts(base, base, forms):
        return False
    claims, base_rest = _claims(cases, base, forms), _rest(base, forms)
    size = len(claims) + sum(map(len, claims.values()))
    pairs = _pairs(specification.disjuncts, forms)
    found, compared = False, 0
    for number, disjunct in enumerate(specification.disjuncts, 1):
        own = _tighter((pairs[id(row)] for row in disjunct), base)
        box = _box(own, base, forms)
        rest = base_rest | own
        # There may be thousands: look for the same box and polytope before all that are implied.
        if frozenset(_rest(rest, forms).items()) in claims.get(box, ()):
            found = True
            continue
        tightest = ChainMap(own, base)
        if _contradicts(rest if box else own, tightest, forms):
            continue
        found = True
        compared += size
        _demand_few(compared, number)
        demand(_covered(tightest, claims), f"no case covers disjunct {number} of the property")
    return found


def _demand_few(compared: int, number: int) -> None:
    """Section 2, at the end: a checker may refuse to compare more."""
    demand(
        compared <= MAX_COMPARED,
        f"disjunct {number} of the property and others before it are not cases as they stand, and "
        f"to find the cases that cover them takes more than {MAX_COMPARED:,} comparisons",
    )


# --- rows as pairs --------------------------------------------------------------------------------


class _Forms:
    """Numbers of linear forms. That of x_i <= . is 2 i + 2, that of x_i >= . is 2 i + 3."""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self._numbers: dict[tuple[Term, ...], int] = {(): 0}
        self._numbers |= {((i, Fraction(1)),): i + 1 for i in range(n_inputs)}
        self.terms = list(self._numbers)

    def pair(self, row: Row) -> Pair:
        """The row's form, with a new number where it has none yet, and how tight the row is."""
        outputs = ((self.n_inputs + j, c) for j, c in row.outputs.items())
        terms = sorted([*row.inputs.items(), *outputs])
        lead = terms[0][1] if terms else Fraction(1)
        form = tuple((variable, c / lead) for variable, c in terms)
        number = self._numbers.setdefault(form, len(self.terms))
        if number == len(self.terms):
            self.terms.append(form)
        return 2 * number + (lead < 0), (row.constant / abs(lead), row.strict)

    def is_end(self, form: int) -> bool:
        """True iff it is the form of an end of a box."""
        return 1 < form < 2 * self.n_inputs + 2

    def ends(self, form: int) -> Iterator[tuple[Fraction, int | None]]:
        """The ends of a box, and their factors, that leave no variable of a row of this form.

        Lazily: for an output there is no such end (None), and it comes last.
        """
        is_opposite = bool(form & 1)
        for variable, c in self.terms[form >> 1]:
            end = 2 * variable + 2 + ((c > 0) != is_opposite)
            yield abs(c), end if variable < self.n_inputs else None


def _pairs(disjuncts: tuple[Polytope, ...], forms: _Forms) -> dict[int, Pair]:
    """The pair of each row by the row's id(): disjuncts that are multiplied out share rows."""
    rows = {id(row): row for disjunct in disjuncts for row in disjunct}
    return {key: forms.pair(row) for key, row in rows.items()}


def _tighter(pairs: Iterable[Pair], known: Mapping[int, Tight]) -> dict[int, Tight]:
    """The tightest pair of each form, where it is tighter than what is known."""
    found: dict[int, Tight] = {}
    for form, tight in pairs:
        if tight > found.get(form, known.get(form, NOTHING)):
            found[form] = tight
    return found


# --- what is claimed ------------------------------------------------------------------------------


def _claims(cases: tuple[Case, ...], base: dict[int, Tight], forms: _Forms) -> Claims:
    """The cases' polytopes by their box."""
    claims: Claims = {}
    for case in cases:
        ends: dict[int, Tight] = {2 * i + 2: (-b, False) for i, b in enumerate(case.upper)}
        ends |= {2 * i + 3: (a, False) for i, a in enumerate(case.lower)}
        polytopes = claims.setdefault(_box(ends, base, forms), set())
        polytopes.update(frozenset(map(forms.pair, rows)) for rows in case.unsafe)
    return claims


def _box(ends: dict[int, Tight], base: dict[int, Tight], forms: _Forms) -> Pairs:
    """A closed box, as its ends that are not those of the base."""
    return frozenset(
        (form, (end, False))
        for form, (end, _) in ends.items()
        if forms.is_end(form) and not (form in base and base[form][0] == end)
    )


def _rest(tightest: dict[int, Tight], forms: _Forms) -> dict[int, Tight]:
    """Returns the bounds that a closed box does not express: of sums of terms, and strict ends."""
    return {
        form: tight
        for form, tight in tightest.items()
        if form > 1 and (tight[1] or not forms.is_end(form))
    }


# --- the two ways to be covered -------------------------------------------------------------------


def _covered(tightest: Mapping[int, Tight], claims: Claims) -> bool:
    """Section 2, the second way: a case's box contains the disjunct's, a polytope of it too."""
    return any(
        _implies(tightest, box) and any(_implies(tightest, polytope) for polytope in polytopes)
        for box, polytopes in claims.items()
    )


def _implies(tightest: Mapping[int, Tight], pairs: Pairs) -> bool:
    """True iff each of the rows is implied by a single one of the disjunct."""
    return all(form in tightest and tightest[form] >= tight for form, tight in pairs)


def _contradicts(
    suspects: Mapping[int, Tight], tightest: Mapping[int, Tight], forms: _Forms
) -> bool:
    """Section 2, the first way: no point satisfies the disjunct.

    One of the suspects excludes the opposite row, or is false wherever the ends of its inputs hold.
    """
    return any(
        _is_false(tight, [(Fraction(1), form ^ 1)], tightest)
        or _is_false(tight, forms.ends(form), tightest)
        for form, tight in suspects.items()
    )


def _is_false(
    tight: Tight,
    others: Iterable[tuple[Fraction, int | None]],
    tightest: Mapping[int, Tight],
) -> bool:
    """True iff the row's sum with these others times these factors is false.

    No variable is left in the sum.
    """
    total, strict = tight
    for factor, form in others:
        if form is None or form not in tightest:
            return False
        constant, also_strict = tightest[form]
        total, strict = total + factor * constant, strict or also_strict
    return (total, strict) > (0, False)
