"""Does what a certificate claims cover the unsafe set that a VNN-LIB file asserts? Section 2 of the format, exactly.

Rows become pairs (form, tight). form numbers the linear form up to a factor, form ^ 1 being the opposite one; tight is
(constant, strict) where the first coefficient is 1 or -1. A row implies those of its form that are not tighter. Boxes
are told by how they differ from what the file asserts throughout: short, however many inputs there are.
"""

from collections import ChainMap
from fractions import Fraction

from engine.audit.data import Case, Row, Specification, demand

NOTHING = (-float("inf"), False)  # says nothing
MAX_COMPARED = (
    10_000_000  # pairs of a disjunct, not there as it stands in the file, and a box or polytope
)


def check_claim(cases: tuple[Case, ...], specification: Specification) -> bool:
    """Rejected where a disjunct neither contradicts itself nor is covered; it names the first.

    Whether there is a disjunct that does not contradict itself: else the property says nothing about any network.
    All cases must be over the property's variables.
    """
    forms = _Forms(specification.n_inputs)
    base = {0: (Fraction(0), False), 1: (Fraction(0), False)}
    base |= _tighter(map(forms.pair, specification.base), base)
    if _contradicts(base, base, forms):
        return False
    claims, found, compared = _claims(cases, base, forms), False, 0
    weight = len(claims) + sum(map(len, claims.values()))
    pairs = {
        key: forms.pair(row)
        for key, row in {id(r): r for d in specification.disjuncts for r in d}.items()
    }
    base_rest = _rest(base, forms)
    for number, disjunct in enumerate(specification.disjuncts, 1):
        own = _tighter((pairs[id(row)] for row in disjunct), base)
        box = _box(own, base, forms)
        # There may be thousands: look for the very same box and polytope before searching all that are implied.
        if frozenset(_rest(base_rest | own, forms).items()) in claims.get(box, ()):
            found = True
            continue
        tightest = ChainMap(own, base)
        if not _contradicts(base_rest | own if box else own, tightest, forms):
            found = True
            compared += weight
            demand(
                compared <= MAX_COMPARED,
                f"disjunct {number} of the property and others before it are not cases "
                f"as they stand, and to find the cases that cover them takes more than {MAX_COMPARED:,} comparisons",
            )
            demand(_covered(tightest, claims), f"no case covers disjunct {number} of the property")
    return found


class _Forms:
    """Numbers of linear forms. That of x_i <= . is 2 i + 2, of x_i >= . 2 i + 3."""

    def __init__(self, n_inputs: int):
        self.n_inputs = n_inputs
        self._numbers = {(): 0, **{((i, 1),): i + 1 for i in range(n_inputs)}}
        self.terms = list(self._numbers)

    def pair(self, row: Row) -> tuple[int, tuple[Fraction, bool]]:
        terms = sorted(
            [*row.inputs.items(), *((self.n_inputs + j, c) for j, c in row.outputs.items())]
        )
        lead = terms[0][1] if terms else Fraction(1)
        terms = tuple((variable, c / lead) for variable, c in terms)
        number = self._numbers.setdefault(terms, len(self.terms))
        self.terms += [terms] * (number == len(self.terms))
        return 2 * number + (lead < 0), (row.constant / abs(lead), row.strict)

    def is_end(self, form: int) -> bool:
        """Whether it is the end of a box."""
        return 1 < form < 2 * self.n_inputs + 2

    def ends(self, form: int):
        """The ends of a box, and their factors, that together with a row of this form leave no variable of it.

        Lazily: where there is an output there is no such end, and it comes last.
        """
        opposite = form & 1
        for variable, c in self.terms[form >> 1]:
            yield (
                abs(c),
                2 * variable + 2 + ((c > 0) != opposite) if variable < self.n_inputs else None,
            )


def _claims(cases: tuple[Case, ...], base: dict, forms: _Forms) -> dict[frozenset, set[frozenset]]:
    """The cases' polytopes by their box."""
    claims = {}
    for case in cases:
        ends = {2 * i + 2: (-b, False) for i, b in enumerate(case.upper)}
        ends |= {2 * i + 3: (a, False) for i, a in enumerate(case.lower)}
        polytopes = claims.setdefault(_box(ends, base, forms), set())
        polytopes.update(frozenset(map(forms.pair, rows)) for rows in case.unsafe)
    return claims


def _box(ends: dict, base: dict, forms: _Forms) -> frozenset:
    """A closed box, as its ends that are not those of the base."""
    return frozenset(
        (form, (end, False))
        for form, (end, _) in ends.items()
        if forms.is_end(form) and not (form in base and base[form][0] == end)
    )


def _rest(tightest: dict, forms: _Forms) -> dict:
    """What a closed box does not say."""
    return {
        form: tight
        for form, tight in tightest.items()
        if form > 1 and (tight[1] or not forms.is_end(form))
    }


def _tighter(pairs, known: dict) -> dict:
    """The tightest of each form, where it is tighter than what is known."""
    found = {}
    for form, tight in pairs:
        if tight > found.get(form, known.get(form, NOTHING)):
            found[form] = tight
    return found


def _covered(tightest, claims: dict) -> bool:
    return any(
        _implies(tightest, box) and any(_implies(tightest, polytope) for polytope in polytopes)
        for box, polytopes in claims.items()
    )


def _implies(tightest, pairs) -> bool:
    return all(form in tightest and tightest[form] >= tight for form, tight in pairs)


def _contradicts(suspects: dict, tightest, forms: _Forms) -> bool:
    """Whether one of the suspects excludes the opposite row or is false wherever the ends of its inputs hold."""
    return any(
        _is_false(tight, [(1, form ^ 1)], tightest) or _is_false(tight, forms.ends(form), tightest)
        for form, tight in suspects.items()
    )


def _is_false(tight: tuple[Fraction, bool], others, tightest) -> bool:
    """Whether the row's sum with these others times these factors, in which no variable is left, is false."""
    total, strict = tight
    for factor, form in others:
        if form not in tightest:
            return False
        constant, also = tightest[form]
        total, strict = total + factor * constant, strict or also
    return (total, strict) > (0, False)
