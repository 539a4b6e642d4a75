"""Whether a theorem for every input can mend what is violated, found before a repair is tried.

With such a theorem (engine/comparison/structure.py) each output is nowhere smaller than before, or nowhere larger. To
leave an unsafe polytope some row has to grow, so some output in it has to be raised, or lowered, as its sign says.
"""

from collections.abc import Sequence
from dataclasses import replace

import z3

from engine.errors import InputError
from engine.network import Network
from engine.property import Polytope, Property
from engine.search.problem import Options, Problem
from engine.search.verify import verify_all
from engine.verdict import Violated

SECONDS = 5.0  # of z3
#: Ways out of a polytope: an output, and True where it has to be raised, False where it has to be lowered.
_Ways = frozenset[tuple[int, bool]]


def demand_theorem(network: Network, targets: Sequence[Property], options: Options) -> None:
    """InputError where counterexamples show that no theorem for every input can mend all targets.

    Only polytopes with a counterexample count: a bound that holds already needs no output to move.
    """
    parts = _parts(targets)
    if _agree(list(parts)):
        return
    verdicts = verify_all([Problem(network, prop) for prop in parts.values()], options)
    needed = [ways for ways, verdict in zip(parts, verdicts) if isinstance(verdict, Violated)]
    if _agree(needed):
        return
    every = frozenset[tuple[int, bool]]().union(*needed)
    both = [f"y{j}" for j in sorted({j for j, _ in every}) if {(j, True), (j, False)} <= every]
    names = " and ".join(prop.name for prop in targets)
    raise InputError(
        f"no theorem for every input can mend {names}: at counterexamples {', '.join(both)} would have to be raised at "
        "one and lowered at another",
        advice="leave out the guarantee, or ask for one of them alone",
    )


def _parts(targets: Sequence[Property]) -> dict[_Ways, Property]:
    """What the targets say of the polytopes with the same ways out, for each of these."""
    found: dict[_Ways, Property] = {}
    for prop in targets:
        for case in prop.cases:
            groups: dict[_Ways, list[Polytope]] = {}
            for polytope in case.unsafe:
                groups.setdefault(_ways(polytope), []).append(polytope)
            for ways, polytopes in groups.items():
                part = replace(case, unsafe=tuple(polytopes))
                before = found[ways].cases if ways in found else ()
                found[ways] = replace(prop, cases=(*before, part))
    return found


def _ways(polytope: Polytope) -> _Ways:
    return frozenset((j, c > 0) for row in polytope.rows for j, c in enumerate(row.outputs) if c)


def _agree(ways: Sequence[_Ways]) -> bool:
    """True iff each output can be raised or lowered, so that there is a way out of each; also where z3 cannot tell."""
    solver = z3.Solver()
    solver.set("timeout", round(1000 * SECONDS))
    for some in ways:
        raised = [(z3.Bool(f"y{j}"), up) for j, up in some]
        solver.add(z3.Or([y if up else z3.Not(y) for y, up in raised]))
    return bool(solver.check() != z3.unsat)
