"""Parts of a property that are repaired one after the other: each box by itself, and what needs different directions.

A new feature moves scores in one direction. Where an output must not be too large in one box, nor too small in another,
no direction helps both; each part has one that does. The parts together say what the property says.
"""

from dataclasses import replace

from engine.comparison.region import region_of
from engine.property import Case, Polytope, Property
from engine.repair.milp.limits import directions

MOST = 4  # parts: each is a repair of its own


def parts(prop: Property) -> tuple[Property, ...]:
    """Each case by itself, and of these polytopes that some direction leads out of; the property where there are many.

    Points are no parts: they are many, and all alike.
    """
    cases = [part for case in prop.cases for part in _of_case(case, prop.n_outputs)]
    wide = all(any(a < b for a, b in zip(case.lower, case.upper)) for case in cases)
    if not (1 < len(cases) <= MOST and wide):
        return (prop,)
    return tuple(replace(prop, cases=(case,)) for case in cases)


def _of_case(case: Case, n_outputs: int) -> list[Case]:
    """The case for polytopes that share a direction, in as few groups as one pass finds."""
    groups: list[list[Polytope]] = []
    for polytope in case.unsafe:
        for group in groups:
            if _shares_direction(case, [*group, polytope], n_outputs):
                group.append(polytope)
                break
        else:
            groups.append([polytope])
    return [replace(case, unsafe=tuple(group)) for group in groups]


def _shares_direction(case: Case, polytopes: list[Polytope], n_outputs: int) -> bool:
    """True iff one score, or several raised together, lead out of all of these."""
    region = region_of(replace(case, unsafe=tuple(polytopes)), n_outputs)
    single, several = directions([region])
    helped = (all(bool((rows.outputs @ v > 0).any()) for rows in region.unsafe.polytopes) for v in single)
    return any(helped) or bool(several)
