"""Counterexamples as encounters of ACAS Xu, where each network of a row is known to have its inputs and outputs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.acasxu.encounter import Encounter, describe_point
from engine.acasxu.quantities import ADVISORIES, INPUTS
from engine.bench.points import Assignment, Point
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.report.sketch import sketch


@dataclass(frozen=True, slots=True)
class Seen:
    """What one network of a row is given and its scores there.

    inputs, outputs: the names of its variables, empty in VNN-LIB 1.0; executed: the scores are onnxruntime's, else
    those of exact arithmetic, rounded.
    """

    encounter: Encounter
    inputs: str = ""
    outputs: str = ""
    executed: bool = True


@dataclass(frozen=True, slots=True)
class Score:
    """An advisory's score at a point; `lowest`, `highest`: it is the first of all with that value."""

    advisory: str
    value: float
    lowest: bool
    highest: bool


@dataclass(frozen=True, slots=True)
class View:
    """An encounter as a card shows it.

    title: whose scores these are, empty where the row has one network; picture: empty where the card shows the same
    encounter already.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    scores: tuple[Score, ...]
    picture: str


def seen(run: RunFolder, row: NumberedRow, point: Point | Assignment) -> tuple[Seen, ...]:
    """What each network is given, in order of declaration; empty unless all are known to be ACAS Xu's.

    Of a question in VNN-LIB 2.0 the point does not say whose the variables are. They are one input and one output of
    each network in turn where there are two for each file: each network has one of both, and each file is a network's.
    """
    files = [file for _, file in run.names.parts.get(row.network, ())] or [row.network]
    if not all(map(run.names.identity, files)):
        return ()
    if isinstance(point, Point):
        found = describe(point.inputs, point.outputs)
        return (Seen(found),) if found else ()
    tensors = point.tensors
    if len(tensors) != 2 * len(files):  # hidden tensors, or networks that are equal to others
        return ()
    pairs = [(x, y, describe(x.values, y.values)) for x, y in zip(tensors[::2], tensors[1::2])]
    views = tuple(Seen(found, x.name, y.name, y.element != "real") for x, y, found in pairs if found)
    return views if len(views) == len(files) else ()


def describe(inputs: Sequence[float], outputs: Sequence[float]) -> Encounter | None:
    """The point of a network of ACAS Xu in feet, degrees and ft/s; None where it cannot be one."""
    shaped = (len(inputs), len(outputs)) == (len(INPUTS), len(ADVISORIES))
    return describe_point(inputs, outputs) if shaped and all(map(math.isfinite, (*inputs, *outputs))) else None


def views(found: Sequence[Seen]) -> tuple[View, ...]:
    """The encounters as a card shows them, each drawn once."""
    drawn: dict[str, None] = {}
    result = []
    for one in found:
        picture = sketch(one.encounter, title=_spoken(one.encounter))
        title = f"{one.inputs}, {one.outputs} {'as executed' if one.executed else 'exactly'}" if one.outputs else ""
        again = picture in drawn
        result.append(View(title, _facts(one.encounter), _scores(one.encounter.scores), "" if again else picture))
        drawn[picture] = None
    return tuple(result)


def _facts(encounter: Encounter) -> tuple[tuple[str, str], ...]:
    return (
        ("distance rho", f"{encounter.distance:,.1f} ft"),
        ("bearing theta", _side(encounter.bearing)),
        ("heading psi", _side(encounter.heading)),
        ("ownship", f"{encounter.own_speed:,.1f} ft/s"),
        ("intruder", f"{encounter.intruder_speed:,.1f} ft/s"),
    )


def _side(degrees: float) -> str:
    """With two digits, from the ownship's heading."""
    if abs(degrees) < 0.005:
        return "0.00°"
    return f"{abs(degrees):.2f}° {'left' if degrees > 0 else 'right'}"


def _scores(values: tuple[float, ...]) -> tuple[Score, ...]:
    lowest, highest = (pick(range(len(values)), key=values.__getitem__) for pick in (min, max))  # the first of equals
    return tuple(
        Score(name, value, i == lowest, i == highest) for i, (name, value) in enumerate(zip(ADVISORIES, values))
    )


def _spoken(encounter: Encounter) -> str:
    return (
        f"Seen from above: the intruder is {encounter.distance:,.0f} ft away, {_side(encounter.bearing)} of the "
        f"ownship's heading, and heads {_side(encounter.heading)} of it"
    )
