"""A line of the table of results."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from engine.errors import InputError

VERDICTS = ("unsat", "sat", "unknown", "timeout", "error")
CHECKS = ("", "accepted", "rejected")
#: How the last session came by a row: it decided it; it was decided earlier, and its evidence was gone through again;
#: it was decided earlier, and nobody has looked since.
DECIDED, CONFIRMED, TAKEN_OVER = ORIGINS = ("decided", "confirmed", "taken over")
#: What no run can exceed: 30 years, and more than any disk or processor does in them.
MOST = {"seconds": 1e9, "check_seconds": 1e9, "boxes": 10**15, "certificate_bytes": 2**40}
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)


class Impossible(InputError):
    """A number that no run can have written: neither damage nor a result."""


@dataclass(frozen=True, slots=True)
class Row:
    """An instance, by its names, and what came of it.

    `certificate_sha256`, `point_sha256`: of the files that speak for the verdict. `check`: what the independent
    checker says of the certificate, or empty. `origin`: one of ORIGINS. `warning`: what to know of the question;
    `error`: why there is no verdict, or why the certificate was not accepted; in a line each.
    """

    network: str
    property: str
    verdict: str
    semantics: str = ""
    seconds: float = 0.0
    boxes: int = 0
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
        return self.network, self.property

    @property
    def decided(self) -> bool:
        return self.verdict in ("sat", "unsat")

    @property
    def remark(self) -> str:
        """All that is to be said of it."""
        return "; ".join(filter(None, (self.error, self.warning)))

    @property
    def word(self) -> str:
        """The verdict for people: they are told where this session does not vouch for it."""
        return f"{self.verdict} ({self.origin})" if self.origin == TAKEN_OVER else self.verdict

    def cells(self) -> list[str]:
        """As the table holds them."""
        return [
            f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
            for value in (getattr(self, name) for name in COLUMNS)
        ]


COLUMNS = tuple(field.name for field in fields(Row))
_OPTIONAL = ("certificate_bytes", "check_seconds")


def read_row(cells: list[str], *, where: str = "") -> Row | None:
    """The row that was written so, None where it is none: a disk that lost power may hold anything.

    Impossible where it is one, but holds a number that no run can have.
    """
    try:
        text = dict(zip(COLUMNS, cells, strict=True))
        if not all(map(str.isprintable, cells)):
            return None
        row = Row(**text | amounts(text, where=where))
    except ValueError:
        return None
    known = row.verdict in VERDICTS and row.check in CHECKS and row.origin in ORIGINS
    missing = [name for name in MOST if name not in _OPTIONAL and getattr(row, name) is None]
    return row if known and not missing else None


def amounts(text: Mapping[str, str], *, where: str) -> dict[str, float | int | None]:
    """The numbers of a row by column; ValueError where a cell holds none, Impossible where no run can have it."""
    return {name: amount(text[name], name, most=most, where=where) for name, most in MOST.items() if name in text}


def amount(text: str, name: str, *, most: float | int, where: str) -> float | int | None:
    """A number from 0 to `most`, and of its kind; None for an empty cell. ValueError, Impossible as for `amounts`."""
    whole = isinstance(most, int)
    if not text:
        return None
    if not (_WHOLE if whole else _NUMBER).fullmatch(text):
        raise ValueError(f"{name} is {text[:40]!r}, which is no such number")
    value = (int if whole else float)(text) if len(text) < 100 else -1
    if not 0 <= value <= most:
        raise Impossible(f"{name} is {text[:40]!r}, which no run can have", where=where, advice="mend or remove it")
    return value


def error_row(names: tuple[str, str], reason: str, semantics: str) -> Row:
    """An instance for which there is no verdict, and the reason, shortened to one line."""
    return Row(*names, "error", semantics, error=one_line(reason))


def one_line(text: str) -> str:
    """Printable, and not too long for a table."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= 500 else line[:497] + "..."
