"""results.csv -> Rows."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import InputError
from engine.report.table import read_table
from engine.results import row
from engine.results.row import CHECKS, COLUMNS, ORIGINS, amounts

REQUIRED = 3
WORDS = {"unsat": "holds", "sat": "violated", "unknown": "unknown", "timeout": "out of time", "error": "error"}


@dataclass(frozen=True, slots=True)
class Row(row.Row):
    """One instance's line; None or "" where the file has no such column, or nothing in it.

    `number` counts rows from 1 as the report lists them: the page's links use it.
    """

    seconds: float | None = None
    boxes: int | None = None
    origin: str = ""
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
    for column, known in (("verdict", tuple(WORDS)), ("check", CHECKS), ("origin", ("", *ORIGINS))):
        word = cells.get(column, "")
        if word not in known:
            raise InputError(
                f"{word!r} is no {column}", where=where, advice=f"there are {', '.join(filter(None, known))}"
            )
    try:
        return Row(**cells | amounts(cells, where=where))
    except ValueError as error:
        raise InputError(str(error), where=where, advice="mend or remove the row") from None
