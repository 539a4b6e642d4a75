"""repairs.csv and repairs/ -> Repairs."""

import json
from dataclasses import dataclass
from pathlib import Path

from engine.bench.durable import demand_plain
from engine.bench.instances import network_stem
from engine.bench.repair_folder import COLUMNS, MAX_AMOUNTS, OUTCOMES, files_digest
from engine.comparison.measured import RegionRecord
from engine.errors import InputError
from engine.repair.record import RepairRecord
from engine.report.csv_file import is_file, read_csv_file, read_text
from engine.results.row import amount
from engine.results.words import ORIGINS

REQUIRED = 3
MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Repair:
    """A network's repair: its row, and what lies beside. `values` are the row's numbers by column."""

    number: int
    network: str
    properties: tuple[str, ...]
    outcome: str
    method: str
    error: str
    values: dict[str, float]
    origin: str = ""
    what: str = ""
    theorem: str = ""
    change: str = ""
    regions: tuple[RegionRecord, ...] = ()
    picture: Path | None = None
    certificates: int | None = None


def read_repairs(folder: Path) -> tuple[tuple[Repair, ...], tuple[str, ...]]:
    """The folder's repairs, none where there is no repairs.csv, and what is missing or damaged."""
    path = folder / "repairs.csv"
    if not path.exists():
        return (), ()
    demand_plain(folder / "repairs", folder=True)
    table = read_csv_file(path, columns=COLUMNS, required=REQUIRED)
    notes, found = list(table.notes), []
    for index, (where, cells) in enumerate(table.rows, 1):
        for column, known in (("outcome", OUTCOMES), ("origin", ("", *ORIGINS))):
            if cells.get(column, "") not in known:
                raise InputError(
                    f"{cells[column]!r} is no {column}",
                    where=where,
                    advice=f"there are {', '.join(filter(None, known))}",
                )
        found.append(_repair(index, cells, folder / "repairs", notes, where))
    return tuple(found), tuple(notes)


def _repair(index: int, cells: dict[str, str], folder: Path, notes: list[str], where: str) -> Repair:
    name = network_stem(cells["network"])
    report, picture = (folder / f"{name}{suffix}" for suffix in (".json", ".png"))
    record = RepairRecord("")
    if is_file(report):
        try:
            record = _read_record(report)
        except InputError as error:
            notes.append(f"repairs/{report.name}: {error.what}")
    elif cells["outcome"] == "repaired":
        notes.append(f"repairs/{report.name} is missing: where decisions changed is known from repairs.csv alone")
    if cells.get("files_sha256") and cells["files_sha256"] != files_digest(folder, name):
        notes.append(f"repairs/{name}: the files are not those that the row in repairs.csv is about")
    values = {column: _amount(cells.get(column, ""), column, where) for column in MAX_AMOUNTS}
    return Repair(
        index,
        cells["network"],
        tuple(p.strip() for p in cells["properties"].split(";") if p.strip()),
        cells["outcome"],
        cells.get("method", ""),
        cells.get("error", ""),
        {column: value for column, value in values.items() if value is not None},
        cells.get("origin", ""),
        "; ".join(attempt.what for attempt in record.chosen if attempt.what),
        record.theorem,
        record.change_in_words,
        tuple(record.fidelity.known.values()) if record.fidelity else (),
        picture if is_file(picture) else None,
        _certificates(folder / name),
    )


def _certificates(folder: Path) -> int | None:
    """The number of files; None where there is no such folder."""
    try:
        return len(list(folder.glob("*.zip"))) or None
    except (OSError, ValueError):
        return None


def _read_record(path: Path) -> RepairRecord:
    """The record that lies beside the row. InputError where it is no JSON."""
    try:
        return RepairRecord.from_json(json.loads(read_text(path, limit=MAX_BYTES)))
    except (ValueError, RecursionError):
        raise InputError("this is no JSON", where=str(path), advice="repair again") from None


def _amount(text: str, column: str, where: str) -> float | None:
    try:
        return amount(text, column, most=MAX_AMOUNTS[column], where=where)
    except ValueError as error:
        raise InputError(str(error), where=where, advice="mend or remove the row") from None
