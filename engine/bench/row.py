"""A line of the table of results."""

from dataclasses import dataclass, fields

VERDICTS = ("unsat", "sat", "unknown", "timeout", "error")
CHECKS = ("", "accepted", "rejected")


@dataclass(frozen=True, slots=True)
class Row:
    """An instance, by its names, and what came of it.

    `check`: what the independent checker says of the certificate, or empty; `error`: in one line why there is
    no verdict, or why the certificate was not accepted; `warning`: what to know of a verdict.
    """

    network: str
    property: str
    verdict: str
    semantics: str = ""
    seconds: float = 0.0
    boxes: int = 0
    device: str = ""
    certificate_bytes: int | None = None
    check: str = ""
    check_seconds: float | None = None
    error: str = ""
    warning: str = ""

    @property
    def names(self) -> tuple[str, str]:
        return self.network, self.property

    @property
    def decided(self) -> bool:
        return self.verdict in ("sat", "unsat")

    def cells(self) -> list[str]:
        """As the table holds them."""
        return [f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
                for value in (getattr(self, name) for name in COLUMNS)]


COLUMNS = tuple(field.name for field in fields(Row))


def read_row(cells: list[str]) -> Row | None:
    """The row that was written so, None where it is none: a disk that lost power may hold anything."""
    try:
        text = dict(zip(COLUMNS, cells, strict=True))
        row = Row(**text | {
            "seconds": float(text["seconds"]), "boxes": int(text["boxes"]),
            "certificate_bytes": int(text["certificate_bytes"]) if text["certificate_bytes"] else None,
            "check_seconds": float(text["check_seconds"]) if text["check_seconds"] else None,
        })
    except ValueError:
        return None
    return row if row.verdict in VERDICTS and row.check in CHECKS else None


def error_row(names: tuple[str, str], reason: str, semantics: str) -> Row:
    """An instance for which there is no verdict, and the reason, shortened to one line."""
    return Row(*names, "error", semantics, error=one_line(reason))


def one_line(text: str) -> str:
    """Printable, and not too long for a table."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= 500 else line[:497] + "..."
