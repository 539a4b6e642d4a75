"""A line of the table of results."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import overload

from engine.errors import InputError
from engine.results.words import CHECKS, DECIDED, DECISIONS, ORIGINS, VERDICTS, one_line

#: No run can exceed these: 30 years, and more than any disk or processor does in them.
LARGEST_SECONDS, LARGEST_BOXES, LARGEST_CERTIFICATE = 1e9, 10**15, 2**40
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)


class Impossible(InputError):
    """A number that no run can have written: neither damage nor a result."""


@dataclass(frozen=True, slots=True)
class Row:
    """An instance, by its names, and what came of it.

    `certificate_sha256` and `point_sha256` are those of the files that speak for the verdict. `check` is what the
    independent checker says of the certificate, one of CHECKS. `origin` is one of ORIGINS. `warning` says what is odd
    about the question; `error` says why there is no verdict, or why the certificate was not accepted; in a line each.
    `seconds` and `boxes` are None, and `origin` is empty, where a table of another program does not say them.
    """

    network: str
    property_name: str
    verdict: str
    semantics: str = ""
    seconds: float | None = 0.0
    boxes: int | None = 0
    device: str = ""
    certificate_bytes: int | None = None
    certificate_sha256: str = ""
    point_sha256: str = ""
    check: str = ""
    check_seconds: float | None = None
    origin: str = DECIDED
    warning: str = ""
    error: str = ""

    @property
    def names(self) -> tuple[str, str]:
        return self.network, self.property_name

    @property
    def decided(self) -> bool:
        return self.verdict in DECISIONS

    @property
    def remark(self) -> str:
        """All that is to be said of it."""
        return "; ".join(filter(None, (self.error, self.warning)))

    def by_column(self) -> dict[str, str | float | int | None]:
        """Its values by the names of the table's columns."""
        return {column: getattr(self, field) for column, field in _FIELDS.items()}

    def cells(self) -> list[str]:
        """Its values as the table holds them."""
        return [
            f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
            for value in self.by_column().values()
        ]


#: By column of results.csv, the field of a Row. The column was called `property` before the field could not be.
_FIELDS = {"property" if f.name == "property_name" else f.name: f.name for f in fields(Row)}
COLUMNS = tuple(_FIELDS)


def row_of(cells: Mapping[str, str], *, where: str = "") -> Row:
    """The row with these cells by column; of what a column that is missing would say, nothing is known.

    ValueError where a cell that is to hold a number holds none; Impossible where it holds one that no run can have.
    """
    text = {column: cells.get(column, "") for column in COLUMNS}
    return Row(
        text["network"],
        text["property"],
        text["verdict"],
        text["semantics"],
        amount(text["seconds"], "seconds", most=LARGEST_SECONDS, where=where),
        amount(text["boxes"], "boxes", most=LARGEST_BOXES, where=where),
        text["device"],
        amount(text["certificate_bytes"], "certificate_bytes", most=LARGEST_CERTIFICATE, where=where),
        text["certificate_sha256"],
        text["point_sha256"],
        text["check"],
        amount(text["check_seconds"], "check_seconds", most=LARGEST_SECONDS, where=where),
        text["origin"],
        text["warning"],
        text["error"],
    )


def read_row(cells: list[str], *, where: str = "") -> Row | None:
    """The row that was written as these cells; None where they are none: a disk that lost power may hold anything.

    Impossible where it is one, but holds a number that no run can have.
    """
    if len(cells) != len(COLUMNS) or not all(map(str.isprintable, cells)):
        return None
    try:
        row = row_of(dict(zip(COLUMNS, cells)), where=where)
    except ValueError:
        return None
    known = row.verdict in VERDICTS and row.check in CHECKS and row.origin in ORIGINS
    return row if known and row.seconds is not None and row.boxes is not None else None


@overload
def amount(text: str, name: str, *, most: int, where: str) -> int | None: ...
@overload
def amount(text: str, name: str, *, most: float, where: str) -> float | None: ...
def amount(text: str, name: str, *, most: float | int, where: str) -> float | int | None:
    """A number from 0 to `most`, a whole one where `most` is an int; None for an empty cell.

    ValueError where the text is no such number; Impossible where it is one that no run can have.
    """
    whole = isinstance(most, int)
    if not text:
        return None
    if not (_WHOLE if whole else _NUMBER).fullmatch(text):
        raise ValueError(f"{name} is {text[:40]!r}, which is no such number")
    value = -1 if len(text) >= 100 else int(text) if whole else float(text)
    if not 0 <= value <= most:
        raise Impossible(f"{name} is {text[:40]!r}, which no run can have", where=where, advice="mend or remove it")
    return value


def error_row(names: tuple[str, str], reason: str, semantics: str) -> Row:
    """The row of an instance for which there is no verdict, with the reason, shortened to one line."""
    return Row(*names, "error", semantics, error=one_line(reason))
