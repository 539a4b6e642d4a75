"""Does what a certificate claims cover the unsafe set that a VNN-LIB file asserts? Section 2 of the format, exactly.

Rows become pairs (form, tight). form numbers the linear form up to a factor, form ^ 1 being the opposite one; tight is
(constant, strict) where the first coefficient is 1 or -1. A row implies those of its form that are not tighter.
"""

from fractions import Fraction

from .data import Case, Row, Specification, demand


def check_claim(cases: tuple[Case, ...], specification: Specification) -> None:
    """Rejected where a disjunct neither contradicts itself nor is covered; it names the first.

    All cases must be over the property's variables.
    """
    n, claims = specification.n_inputs, {}  # box: polytopes
    forms = {(): 0, **{((i, 1),): i + 1 for i in range(n)}}  # that of x_i <= . is 2 i + 2, of x_i >= . 2 i + 3
    sides = [*range(2, 2 * n + 2, 2), *range(3, 2 * n + 2, 2)]
    for case in cases:
        box = tuple(zip(sides, [(-b, False) for b in case.upper] + [(a, False) for a in case.lower], strict=True))
        claims.setdefault(box, set()).update(frozenset(_pair(row, n, forms) for row in rows) for rows in case.unsafe)
    pairs = {key: _pair(row, n, forms) for key, row in {id(r): r for d in specification.disjuncts for r in d}.items()}
    for number, disjunct in enumerate(specification.disjuncts, 1):
        tightest = dict.fromkeys((0, 1), (Fraction(0), False))  # 0 <= 0, and the opposite
        for form, tight in (pairs[id(row)] for row in disjunct):
            tightest[form] = max(tight, tightest.get(form, tight))
        # There may be thousands: look for the very same box and polytope before searching all that are implied.
        box = tuple((side, (tightest[side][0], False)) for side in sides if side in tightest)
        rest = frozenset((form, tight) for form, tight in tightest.items() if form > 2 * n + 1 or form > 1 and tight[1])
        covered = rest in claims.get(box, ()) or _contradicts(tightest) or any(
            _implies(tightest, ends) and any(_implies(tightest, p) for p in some) for ends, some in claims.items())
        demand(covered, f"no case covers disjunct {number} of the property")


def _pair(row: Row, n_inputs: int, forms: dict) -> tuple[int, tuple[Fraction, bool]]:
    terms = sorted([*row.inputs.items(), *((n_inputs + j, c) for j, c in row.outputs.items())])
    lead = terms[0][1] if terms else Fraction(1)
    number = forms.setdefault(tuple((variable, c / lead) for variable, c in terms), len(forms))
    return 2 * number + (lead < 0), (row.constant / abs(lead), row.strict)


def _implies(tightest: dict, pairs) -> bool:
    return all(form in tightest and tightest[form] >= tight for form, tight in pairs)


def _contradicts(tightest: dict) -> bool:
    """Whether c + f <= 0 and d - f <= 0 exclude each other, for some form f."""
    opposites = ((tight, tightest[form ^ 1]) for form, tight in tightest.items() if form ^ 1 in tightest)
    return any((c + d, strict or other) > (0, False) for (c, strict), (d, other) in opposites)
