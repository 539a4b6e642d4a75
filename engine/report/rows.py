"""results.csv -> Rows."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from engine.bench import row
from engine.bench.row import CHECKS, COLUMNS
from engine.errors import InputError
from engine.report.table import read_table

REQUIRED = 3
WORDS = {"unsat": "holds", "sat": "violated", "unknown": "unknown", "timeout": "out of time", "error": "error"}
LARGEST = 1e30  # what is above can only be damage


@dataclass(frozen=True, slots=True)
class Row(row.Row):
    """One instance's line; None or "" where the file has no such column, or nothing in it.

    `number` counts rows from 1 as the report lists them: the page's links use it.
    """

    seconds: float | None = None
    boxes: int | None = None
    number: int = 0


def read_rows(path: Path) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """All rows by property and network, so that the order of work does not matter, and what was left out.

    InputError names the line that is wrong.
    """
    table = read_table(path, columns=COLUMNS, required=REQUIRED)
    rows = sorted((_row(*entry) for entry in table.rows), key=lambda row: (_order(row.property), _order(row.network)))
    return tuple(replace(row, number=number) for number, row in enumerate(rows, 1)), table.notes


def _order(name: str) -> list:
    """Names with numbers by these: prop_2 before prop_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]{1,18})", name)]


def _row(where: str, cells: dict[str, str]) -> Row:
    if not (cells["network"] and cells["property"]):
        raise InputError("this row names no network or no property", where=where, advice="mend or remove it")
    for column, known in (("verdict", tuple(WORDS)), ("check", CHECKS)):
        word = cells.get(column, "")
        if word not in known:
            raise InputError(f"{word!r} is no {column}", where=where,
                             advice=f"there are {', '.join(filter(None, known))}")
    numbers = {"seconds": float, "check_seconds": float, "boxes": int, "certificate_bytes": int}
    values = {column: _number(cells[column], kind, column, where) if column in numbers else cells[column]
              for column, kind in ((name, numbers.get(name)) for name in COLUMNS if name in cells)}
    return Row(**values)


def _number(text: str, kind: type, column: str, where: str):
    """A number that is not negative and below LARGEST, None for an empty cell."""
    if not text:
        return None
    try:
        value = kind(text)
        if 0 <= value < LARGEST:
            return value
    except ValueError:
        pass
    raise InputError(f"{column} is {text[:40]!r}, which is no such number", where=where,
                     advice="mend or remove the row")
