"""Counterexamples in physical units, with the encounter's sketch where the units are ACAS Xu's."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from struct import pack, unpack

from engine.acasxu.encounter import Encounter, describe_point
from engine.acasxu.identity import METADATA
from engine.acasxu.quantities import ADVISORIES, INPUTS
from engine.audit.certificate import read_certificate
from engine.audit.data import Malformed, Rejected, Witness
from engine.bench.points import Assignment, Point
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.report.sketch import sketch

MAX_CARDS = 500  # the files of the others are in counterexamples/
MAX_VALUES = 40  # of an input or output without units


@dataclass(frozen=True, slots=True)
class Score:
    """An advisory's score at a point; `lowest`, `highest`: it is the first of all with that value."""

    advisory: str
    value: float
    lowest: bool
    highest: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A violated instance. With physical units: `facts` of the encounter, its `scores` and its `picture`; without,
    `values` as the network sees them.

    `margin`: the exact left-hand side of the violated row that is nearest to zero, from the certificate; 0 or less is
    unsafe. `beyond_float32`: the point is exact, and float32 cannot hold it. `meant`: the property was written for this
    network, None where that is not known. `origin`: what the network's own file says it was made from.
    """

    row: NumberedRow
    title: str
    words: str = ""
    unsafe: str = ""
    beyond_float32: bool = False
    meant: bool | None = None
    standin: bool = False
    origin: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    scores: tuple[Score, ...] = ()
    picture: str = ""
    values: tuple[tuple[str, str], ...] = ()
    margin: float | None = None


def cards(run: RunFolder) -> tuple[Card, ...]:
    """One for each counterexample that could be read, at most MAX_CARDS."""
    return tuple(_card(run, row) for row in run.rows if row.number in run.points)[:MAX_CARDS]


def encounter_of(run: RunFolder, row: NumberedRow, point: Point | Assignment) -> Encounter | None:
    """The point in feet, degrees and ft/s, where the network is known to have these units."""
    if isinstance(point, Assignment):
        return None
    shaped = (len(point.inputs), len(point.outputs)) == (len(INPUTS), len(ADVISORIES))
    if not (run.names.identity(row.network) and shaped and all(map(math.isfinite, (*point.inputs, *point.outputs)))):
        return None
    return describe_point(point.inputs, point.outputs)


def meant(run: RunFolder, row: NumberedRow) -> bool | None:
    """True iff the property was written for this network; None where one of the two is not known."""
    network, spec = run.names.index(row.network), run.names.specification(*row.names)
    return network in spec.meant_for if network and spec else None


def margin_of(run: RunFolder, row: NumberedRow) -> float | None:
    """The exact margin in the certificate, if there is one that can be read and is about this point."""
    witness = _witness(run, row)
    return float(max(witness.margins)) if witness and witness.margins else None


def _witness(run: RunFolder, row: NumberedRow) -> Witness | None:
    """The exact point in the certificate of a row, if that can be read and is about the point in the row's file."""
    path, point = run.certificates.get(row.number), run.points.get(row.number)
    if not (path and isinstance(point, Point)):
        return None
    try:
        witness: Witness | None = read_certificate(path).witness
        return witness if witness and tuple(map(float, witness.point)) == point.inputs else None
    except (Malformed, Rejected, OverflowError):  # a point beyond the range of floats is not the one in the file
        return None


def beyond_float32(run: RunFolder, row: NumberedRow) -> bool:
    """True iff float32 cannot hold the row's point: then it violates in exact arithmetic alone, not as executed.

    The certificate has the exact point; without one, its file has the nearest numbers of float64. Of an assignment it
    is not known which variables are inputs, and False.
    """
    found, witness = run.points[row.number], _witness(run, row)
    if isinstance(found, Assignment):
        return False
    point = witness.point if witness else found.inputs
    return any(not _is_float32(value) for value in point)


def _is_float32(value: Fraction | float) -> bool:
    try:
        return bool(unpack("f", pack("f", float(value)))[0] == value)
    except OverflowError:
        return False


def _card(run: RunFolder, row: NumberedRow) -> Card:
    point, spec = run.points[row.number], run.names.specification(*row.names)
    title = (
        f"{run.names.network_label(row.network)} / {run.names.property_label(row.property_name, network=row.network)}"
    )
    identity = run.names.identity(row.network)
    known = Card(
        row,
        title,
        words=spec.words if spec else "",
        unsafe=spec.unsafe_words if spec else "",
        beyond_float32=beyond_float32(run, row),
        meant=meant(run, row),
        standin=bool(identity and identity.is_standin),
        origin=identity.label if identity and identity.source == METADATA else "",
        margin=margin_of(run, row),
    )
    encounter = encounter_of(run, row, point)
    if not encounter:
        return replace(known, values=_values(point))
    return replace(
        known,
        facts=_facts(encounter),
        scores=_scores(encounter.scores),
        picture=sketch(encounter, title=_spoken(encounter)),
    )


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


def _values(point: Point | Assignment) -> tuple[tuple[str, str], ...]:
    named: Iterable[tuple[str, tuple[float, ...]]] = (
        ((tensor.name, tensor.values) for tensor in point.tensors)
        if isinstance(point, Assignment)
        else (("inputs", point.inputs), ("outputs", point.outputs))
    )
    return tuple(
        (
            name,
            ", ".join(f"{v:.9g}" for v in values[:MAX_VALUES])
            + (f", ... {len(values):,} in all" if len(values) > MAX_VALUES else ""),
        )
        for name, values in named
    )
