"""results.csv -> NumberedRows."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import InputError
from engine.report.csv_file import read_csv_file
from engine.results.row import COLUMNS, Row, row_of
from engine.results.words import CHECKS, ORIGINS, VERDICTS

REQUIRED = 3  # columns, the first ones


@dataclass(frozen=True, slots=True)
class NumberedRow(Row):
    """A row with its number in the report's list, from 1: the page's links use it."""

    number: int = 0


def read_rows(path: Path) -> tuple[tuple[NumberedRow, ...], tuple[str, ...]]:
    """All rows by property and network, so that the order of work does not matter, and notes on what was left out.

    InputError names the line that is wrong.
    """
    table = read_csv_file(path, columns=COLUMNS, required=REQUIRED)
    rows = sorted(
        (_row(where, cells) for where, cells in table.rows),
        key=lambda row: (_order(row.property_name), _order(row.network)),
    )
    return tuple(NumberedRow(**asdict(row), number=number) for number, row in enumerate(rows, 1)), table.notes


def _order(name: str) -> list[tuple[int, str]]:
    """Names with numbers by these: prop_2 before prop_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]{1,18})", name)]


def _row(where: str, cells: dict[str, str]) -> Row:
    if not (cells["network"] and cells["property"]):
        raise InputError("this row names no network or no property", where=where, advice="mend or remove it")
    for column, known in (("verdict", VERDICTS), ("check", CHECKS), ("origin", ("", *ORIGINS))):
        word = cells.get(column, "")
        if word not in known:
            raise InputError(
                f"{word!r} is no {column}", where=where, advice=f"there are {', '.join(filter(None, known))}"
            )
    try:
        return row_of(cells, where=where)
    except ValueError as error:
        raise InputError(str(error), where=where, advice="mend or remove the row") from None
