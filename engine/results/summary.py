"""What a run came to, as tables, and how it compares with what was expected."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich import box
from rich.table import Table
from rich.text import Text

from engine.errors import InputError
from engine.files import regular
from engine.results.row import CONFIRMED, DECIDED, TAKEN_OVER, Row, one_line

WORDS = {"unsat": "holds", "sat": "violated", "unknown": "unknown", "timeout": "out of time"}
MEANINGS = {
    DECIDED: "decided now",
    CONFIRMED: "confirmed again from their evidence",
    TAKEN_OVER: "taken over, neither decided nor checked now",
}
ERRORS = 10  # that are listed
HARDEST = 5


def summary(rows: list[Row], *, seconds: float) -> Table:
    """Counts by verdict and times."""
    table = Table(box=box.SIMPLE, show_header=False)
    counts, origins = (Counter(getattr(row, name) for row in rows) for name in ("verdict", "origin"))
    table.add_row("instances", f"{len(rows)}")
    for word, meaning in (WORDS | {"error": "without verdict"}).items():
        if counts[word] or word in ("unsat", "sat"):
            table.add_row(f"{meaning} ({word})", f"{counts[word]}")
    if origins.keys() - {DECIDED}:
        for origin, meaning in MEANINGS.items():
            if origins[origin]:
                table.add_row(meaning, f"{origins[origin]}")
    _add_certificates(table, rows)
    own = [row.seconds for row in rows] or [0.0]
    table.add_row("wall time of the run", f"{seconds:.1f} s")
    table.add_row("an instance's share", f"median {median(own):.3f} s, most {max(own):.1f} s")
    table.add_row("boxes", f"{sum(row.boxes for row in rows):,}")
    return table


def _add_certificates(table: Table, rows: list[Row]) -> None:
    sizes = [row.certificate_bytes for row in rows if row.certificate_bytes]
    checks = Counter(row.check for row in rows if row.check_seconds is not None)
    if sizes:
        table.add_row("certificates", f"{len(sizes)}, {sum(sizes) / 1024:,.0f} KiB")
    if checks:
        seconds = sum(row.check_seconds or 0 for row in rows)
        words = [
            f"{checks[word]} {word or 'not checked'}"
            for word in ("accepted", "rejected", "")
            if checks[word] or word == "accepted"
        ]
        table.add_row("checked independently", f"{', '.join(words)}, {seconds:.1f} s")


def hardest(rows: list[Row]) -> Table:
    """The instances that took most of the time."""
    table = Table("network", "property", "verdict", box=box.SIMPLE, title="hardest", title_justify="left")
    for name in ("seconds", "boxes"):
        table.add_column(name, justify="right")
    for row in sorted(rows, key=lambda row: -row.seconds)[:HARDEST]:
        _add(table, row.network, row.property, row.word, f"{row.seconds:.2f}", f"{row.boxes:,}")
    return table


def errors(rows: list[Row]) -> Table | None:
    """Instances without verdict, certificates not accepted and odd questions, with the reason; None for none."""
    found = [row for row in rows if row.remark]
    title = "errors and warnings" + (f", {ERRORS} of {len(found)}" if len(found) > ERRORS else "")
    table = Table("network", "property", "reason", box=box.SIMPLE, title=title, title_justify="left")
    for row in found[:ERRORS]:
        _add(table, row.network, row.property, row.remark)
    return table if found else None


def repairs(rows: list[dict[str, str]]) -> Table:
    """What came of each network that violates something."""
    found = Counter(row["outcome"] for row in rows)
    words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.items())) or "no network"
    table = Table(
        "network",
        "properties",
        "outcome",
        "by",
        box=box.SIMPLE,
        title=f"repairs: {words}",
        title_justify="left",
        caption_justify="left",
        caption="changed: sampled decisions outside the boxes, where these are known",
    )
    for column in table.columns:
        column.overflow = "fold"
    for name in ("seconds", "changed", "weights"):
        table.add_column(name, justify="right")
    for row in rows:
        if row["outcome"] != "held":
            how = row["method"] or row["error"]
            outcome = f"{row['outcome']} ({TAKEN_OVER})" if row["origin"] == TAKEN_OVER else row["outcome"]
            _add(
                table,
                row["network"],
                row["properties"],
                outcome,
                how,
                row["seconds"],
                row["changed_outside"],
                row["weights"],
            )
    return table


def _add(table: Table, *cells: str) -> None:
    """Adds a row of text from elsewhere: nothing in it is markup, and it is on one line."""
    table.add_row(*(Text(one_line(cell)) for cell in cells))


# Expected verdicts


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows that contradict what was expected, are undecided, or are not in the file; each with that.

    taken_over: how many of those that agree this session neither decided nor checked.
    """

    agree: int
    taken_over: int
    mismatches: list[tuple[Row, str]]
    undecided: list[tuple[Row, str]]
    unlisted: int

    def __str__(self) -> str:
        taken = f" ({self.taken_over} of them taken over, not checked)" if self.taken_over else ""
        parts = [f"{self.agree} as expected{taken}", f"{len(self.mismatches)} mismatches"]
        parts += [f"{len(self.undecided)} undecided"] * bool(self.undecided)
        parts += [f"{self.unlisted} not in the file"] * bool(self.unlisted)
        return ", ".join(parts)


def compare(rows: list[Row], path: Path) -> Comparison:
    """Compares with a csv of network,property,verdict."""
    expected = _read_expected(path)
    pairs = [(row, expected.get(_key(*row.names))) for row in rows]
    found = {word: [] for word in ("agree", "mismatch", "undecided", "unlisted")}
    for row, verdict in pairs:
        found[_compared(row.verdict, verdict)].append((row, verdict))
    taken_over = sum(row.origin == TAKEN_OVER for row, _ in found["agree"])
    return Comparison(len(found["agree"]), taken_over, found["mismatch"], found["undecided"], len(found["unlisted"]))


def differences(pairs: list[tuple[Row, str]], *, title: str) -> Table:
    """Rows beside what was expected."""
    table = Table("network", "property", "verdict", "expected", box=box.SIMPLE, title=title, title_justify="left")
    for row, expected in pairs:
        _add(table, row.network, row.property, row.word, expected)
    return table


def _compared(word: str, expected: str | None) -> str:
    """A verdict that nobody expected to be had contradicts nothing."""
    if expected is None:
        return "unlisted"
    if {word, expected} == {"sat", "unsat"}:
        return "mismatch"
    return "undecided" if expected in ("sat", "unsat") and word != expected else "agree"


def _key(network: str, prop: str) -> tuple[str, str]:
    return network.removesuffix(".gz"), prop.removesuffix(".gz")


def _read_expected(path: Path) -> dict[tuple[str, str], str]:
    advice = "give a csv with a header network,property,verdict"
    try:
        with open(path, newline="", encoding="utf-8-sig", opener=regular) as file:
            reader = csv.DictReader(file)
            expected = {}
            for row in reader:
                names = _key(row["network"] or "", row["property"] or "")
                if row["verdict"] not in WORDS:
                    raise InputError(
                        f"{row['verdict']!r} is no verdict",
                        where=f"{path}:{reader.line_num}",
                        advice=f"there are {', '.join(WORDS)}",
                    )
                expected[names] = row["verdict"]
            return expected
    except KeyError as error:
        raise InputError(f"there is no column {error}", where=str(path), advice=advice) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), advice=advice) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is no csv file ({error})", where=str(path), advice=advice) from None
