"""A csv file -> its rows, by column."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from engine.bench.durable import read_plain
from engine.errors import InputError

MAX_BYTES = 256 * 2**20
_MORE = "run the benchmark again, or mend the file"


@dataclass(frozen=True, slots=True)
class CsvFile:
    """`rows`: each with its place, and its cells by column. `notes` say what of the file was left out."""

    rows: tuple[tuple[str, dict[str, str]], ...]
    notes: tuple[str, ...]


def read_csv_file(path: Path, *, columns: tuple[str, ...], required: int) -> CsvFile:
    """The file's `columns`; the first `required` must be there, others may be missing and are not in the rows then.

    Unknown columns are left out, and so is a last row that was being written when the program ended; notes say so.
    InputError names the line that is wrong otherwise.
    """
    text = read_text(path, limit=MAX_BYTES)
    records, torn = _records(text, path)
    if not records:
        raise InputError("there is no header", where=f"{path}:1", advice=_MORE)
    header = [name.strip() for name in records[0][1]]
    missing = [name for name in columns[:required] if name not in header]
    if missing or len(set(header)) < len(header):
        what = f"there is no column {missing[0]!r}" if missing else "a column is there twice"
        raise InputError(what, where=f"{path}:1", advice=f"the header is {','.join(columns)}")
    rows = []
    for line, record in records[1:]:
        if len(record) == len(header):
            rows.append((f"{path}:{line}", {k: v.strip() for k, v in zip(header, record) if k in columns}))
        elif line == records[-1][0] and not text.endswith("\n") and len(record) < len(header):
            torn = line
        else:
            raise InputError(
                f"this row has {len(record)} cells, the header {len(header)}", where=f"{path}:{line}", advice=_MORE
            )
    unknown = [name for name in header if name not in columns]
    notes = [f"{path.name}: unknown columns are left out: {', '.join(unknown)}"] if unknown else []
    notes += [f"{path.name}: line {torn} was being written when the run ended, and is left out"] if torn else []
    return CsvFile(tuple(rows), tuple(notes))


def is_file(path: Path) -> bool:
    """True iff a file is there that is no link; none can be under a name that no file can have."""
    try:
        return path.is_file() and not path.is_symlink()
    except (OSError, ValueError):
        return False


def read_text(path: Path, *, limit: int) -> str:
    """The UTF-8 text of a plain file of at most `limit` bytes, lines ended by newlines alone."""
    try:
        data = read_plain(path, limit=limit)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot be read ({why})", where=str(path), advice="check it") from None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"this is no UTF-8 text ({error.reason})", where=f"{path}:{line}", advice=_MORE) from None


def _records(text: str, path: Path) -> tuple[list[tuple[int, list[str]]], int]:
    """The records that are not blank, each with its line, and the line of a torn last one, 0 where none is."""
    reader = csv.reader(io.StringIO(text), strict=True)
    records, line = [], 1
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                records.append((line, record))
            line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error) and not text.endswith("\n"):
            return records, line
        raise InputError(f"this is no csv ({error})", where=f"{path}:{line}", advice=_MORE) from None
    return records, 0
