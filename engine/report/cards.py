"""Counterexamples as cards: encounters with a sketch where the units are ACAS Xu's, else the values."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from struct import pack, unpack

from engine.acasxu.identity import METADATA
from engine.audit.certificate import read_certificate
from engine.audit.data import Witness
from engine.audit.failures import Malformed, Rejected
from engine.bench.points import Assignment, Point
from engine.report.encounters import View, seen, views
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder

MAX_CARDS = 500  # the files of the others are in counterexamples/
MAX_VALUES = 40  # of an input or output without units


@dataclass(frozen=True, slots=True)
class Card:
    """A violated instance. With physical units: `views`, the encounter of each network; without, `values` as the
    networks see them.

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
    views: tuple[View, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    margin: float | None = None


def cards(run: RunFolder) -> tuple[Card, ...]:
    """One for each counterexample that could be read, at most MAX_CARDS."""
    return tuple(_card(run, row) for row in run.rows if row.number in run.points)[:MAX_CARDS]


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
    files = [file for _, file in run.names.parts.get(row.network, ())] or [row.network]
    known_to_be = list(filter(None, map(run.names.identity, files)))
    known = Card(
        row,
        title,
        words=spec.words if spec else "",
        unsafe=spec.unsafe_words if spec else "",
        beyond_float32=beyond_float32(run, row),
        meant=meant(run, row),
        standin=any(identity.is_standin for identity in known_to_be),
        origin="; ".join(dict.fromkeys(each.label for each in known_to_be if each.source == METADATA)),
        margin=margin_of(run, row),
    )
    found = seen(run, row, point)
    return replace(known, views=views(found)) if found else replace(known, values=_values(point))


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
