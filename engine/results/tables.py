"""Results as tables for a terminal."""

from collections import Counter
from statistics import median

from rich import box
from rich.table import Table
from rich.text import Text

from engine.results.row import Row
from engine.results.summary import Summary, summarize
from engine.results.summary import hardest as hardest_rows
from engine.results.words import CONFIRMED, DECIDED, TAKEN_OVER, WORDS, one_line, with_origin

MEANINGS = {
    DECIDED: "decided now",
    CONFIRMED: "confirmed again from their evidence",
    TAKEN_OVER: "taken over, neither decided nor checked now",
}
MAX_REMARKS = 10
MAX_HARDEST = 5


def summary(rows: list[Row], *, seconds: float) -> Table:
    """Counts by verdict and times. `seconds`: the run's wall time."""
    table, found = Table(box=box.SIMPLE, show_header=False), summarize(rows)
    table.add_row("instances", f"{found.instances}")
    for word, count in found.verdicts.items():
        table.add_row(f"{'without verdict' if word == 'error' else WORDS[word]} ({word})", f"{count}")
    if found.origins.keys() - {DECIDED}:
        for origin, count in found.origins.items():
            table.add_row(MEANINGS[origin], f"{count}")
    _add_certificates(table, found)
    own = found.seconds or (0.0,)
    table.add_row("wall time of the run", f"{seconds:.1f} s")
    table.add_row("an instance's share", f"median {median(own):.3f} s, most {max(own):.1f} s")
    table.add_row("boxes", f"{found.boxes:,}")
    return table


def _add_certificates(table: Table, found: Summary) -> None:
    sizes, checks = found.certificate_bytes, found.checks
    if sizes:
        table.add_row("certificates", f"{len(sizes)}, {sum(sizes) / 1024:,.0f} KiB")
    if checks:
        words = [
            f"{checks.get(word, 0)} {word or 'not checked'}"
            for word in ("accepted", "rejected", "")
            if word in checks or word == "accepted"
        ]
        table.add_row("checked independently", f"{', '.join(words)}, {sum(found.check_seconds):.1f} s")


def hardest(rows: list[Row]) -> Table:
    """The instances that took most of the time."""
    table = _table("network", "property", "verdict", title="hardest")
    for name in ("seconds", "boxes"):
        table.add_column(name, justify="right")
    for row in hardest_rows(rows, most=MAX_HARDEST):
        _add(table, *row.names, with_origin(row.verdict, row.origin), f"{row.seconds:.2f}", f"{row.boxes or 0:,}")
    return table


def remarks(rows: list[Row]) -> Table | None:
    """Instances without verdict, certificates not accepted and odd questions, with the reason; None for none."""
    found = [row for row in rows if row.remark]
    title = "errors and warnings" + (f", {MAX_REMARKS} of {len(found)}" if len(found) > MAX_REMARKS else "")
    table = _table("network", "property", "reason", title=title)
    for row in found[:MAX_REMARKS]:
        _add(table, *row.names, row.remark)
    return table if found else None


def repairs(rows: list[dict[str, str]]) -> Table:
    """The outcome for each network that violates something."""
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
            names, how = (row["network"], row["properties"]), row["method"] or row["error"]
            figures = row["seconds"], row["changed_outside"], row["weights"]
            _add(table, *names, with_origin(row["outcome"], row["origin"]), how, *figures)
    return table


def differences(pairs: list[tuple[Row, str]], *, title: str) -> Table:
    """Rows beside what was expected."""
    table = _table("network", "property", "verdict", "expected", title=title)
    for row, expected in pairs:
        _add(table, *row.names, with_origin(row.verdict, row.origin), expected)
    return table


def _table(*heads: str, title: str) -> Table:
    """An empty table. Names of networks are shown whole: those of pairs may differ at their ends alone."""
    table = Table(*heads, box=box.SIMPLE, title=title, title_justify="left")
    table.columns[0].overflow = "fold"
    return table


def _add(table: Table, *cells: str) -> None:
    """Adds a row of text from elsewhere: nothing in it is markup, and it is on one line."""
    table.add_row(*(Text(one_line(cell)) for cell in cells))
