"""Lists of instances in VNN-COMP's form -> their rows, as they are written there."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from engine.errors import InputError
from engine.files import regular

FORM = "write NETWORK.onnx,PROPERTY.vnnlib or NETWORK.onnx,PROPERTY.vnnlib,SECONDS"
OF_SEVERAL = "\"[('f', 'A.onnx'), ('g', 'B.onnx')]\",QUERY.vnnlib,SECONDS"
MAX_BYTES = 256 * 2**20  # of a list
_HEADS = (
    re.compile(r"(onnx|net|network|model)s?([ _-]?(file|path|name)s?)?", re.IGNORECASE),
    re.compile(
        r"(vnnlib|vnn-lib|prop|property|properties|spec|specification)s?([ _-]?(file|path|name)s?)?", re.IGNORECASE
    ),
)
_NETWORK = (".onnx", ".onnx.gz", ".nnet", ".nnet.gz")
_LIST = re.compile(r"\[\s*\(|\[.*\]$")  # what is meant to be one: names of files may begin with a bracket
_QUOTED = r"""(?:'([^'"]*)'|"([^'"]*)")"""
_ENTRY = rf"\(\s*{_QUOTED}\s*,\s*{_QUOTED}\s*,?\s*\)"
_ENTRIES = re.compile(rf"\[\s*{_ENTRY}(?:\s*,\s*{_ENTRY})*\s*,?\s*\]")


@dataclass(frozen=True, slots=True)
class Line:
    """The cells of a row of the list.

    networks: (its name in the question, its file) for each; the name is empty where the row gives none.
    """

    networks: tuple[tuple[str, str], ...]
    property: str
    limit: float | None
    where: str


def read_lines(path: Path) -> list[Line]:
    """The rows that are neither comment nor header; InputError where there is none, and for one that is no instance."""
    lines = list(_lines(path))
    if not lines:
        raise InputError("no instance is listed", where=str(path), advice=FORM)
    return lines


def _lines(path: Path) -> Iterator[Line]:
    reader = csv.reader(StringIO(_text(path)), skipinitialspace=True, strict=True)
    first = True
    try:
        for row in reader:
            row, where = [cell.strip() for cell in row], f"{path}:{reader.line_num}"
            if not any(row) or row[0].startswith("#"):
                continue
            if not (first and _is_header(row)):
                yield _line(row, where)
            first = False
    except csv.Error as error:
        raise _no_list(path, error) from None


def _text(path: Path) -> str:
    try:
        with open(path, "rb", opener=regular) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(f"holds more than {MAX_BYTES:,} bytes", where=str(path), advice="list fewer")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), advice="check the path") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), advice="name a file") from None
    except UnicodeDecodeError as error:
        raise _no_list(path, error) from None


def _no_list(path: Path, error: Exception) -> InputError:
    return InputError(f"is no list of instances ({error})", where=str(path), advice=FORM)


def _is_header(row: list[str]) -> bool:
    """True iff the row says what the columns are."""
    return len(row) >= 2 and all(head.fullmatch(cell) for head, cell in zip(_HEADS, row))


def _line(row: list[str], where: str) -> Line:
    if _LIST.match(row[0]):
        networks, rest = _named_networks(row, where)
        advice = f"write {OF_SEVERAL}"
    else:
        networks, rest = _networks(row)
        advice = FORM
    good = networks and all(file for _, file in networks) and 1 <= len(rest) <= 2 and rest[0]
    if not (good and all(map(str.isprintable, row))):
        raise InputError(f"this is no instance: {','.join(row)[:60]!r}", where=where, advice=advice)
    return Line(networks, rest[0], _limit(rest[1:], where), where)


def _networks(row: list[str]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """The networks that a row names by their files alone, and its other cells."""
    count = 2 if len(row) > 2 and all(cell.endswith(_NETWORK) for cell in row[:2]) else 1
    return tuple(("", cell) for cell in row[:count]), row[count:]


def _named_networks(row: list[str], where: str) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """The networks of a list [('f', 'a.onnx'), ('g', 'b.onnx')], and the other cells; none where it is no such list.

    The list is one cell in quotes, or several cells without.
    """
    end = next((i for i, cell in enumerate(row, 1) if cell.endswith("]")), len(row))
    text = ",".join(row[:end])
    if not _ENTRIES.fullmatch(text):
        return (), row[end:]
    parts = re.findall(_ENTRY, text)
    networks = tuple((name or quoted, file or quoted_file) for name, quoted, file, quoted_file in parts)
    names = [name for name, _ in networks]
    for name in names:
        if not name or names.count(name) > 1:
            what = f"network {name[:40]!r} is given twice" if name else "a network has no name"
            raise InputError(what, where=where, advice=f"write {OF_SEVERAL}")
    return networks, row[end:]


def _limit(cells: list[str], where: str) -> float | None:
    if not cells or not cells[0]:
        return None
    try:
        limit = float(cells[0])
    except ValueError:
        limit = 0.0
    if not 0 < limit < math.inf:
        raise InputError(f"{cells[0][:40]!r} is no number of seconds above 0", where=where, advice=FORM)
    return limit
