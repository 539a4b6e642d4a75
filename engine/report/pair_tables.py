"""Questions about several networks, which have no place in a matrix of networks and properties."""

from engine.report.listing import Cell, Listing, listing
from engine.report.names import plain_property
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.report.text import count, seconds, size
from engine.results.words import WORDS, with_origin

MAX_ROWS = 2_000  # that are listed


def several(run: RunFolder) -> Listing:
    """A line for each instance of several networks."""
    rows = [row for row in run.rows if row.network in run.names.parts]
    rest = len(rows) - MAX_ROWS
    return listing(
        "networks|question|verdict|seconds|boxes|certificate|check|check, s",
        (_line(run, row) for row in rows[:MAX_ROWS]),
        numeric="seconds|boxes|certificate|check, s",
        caption=f"The other {rest:,} are in results.csv and results.json." if rest > 0 else "",
    )


def _line(run: RunFolder, row: NumberedRow) -> tuple[Cell | str, ...]:
    parts = run.names.parts[row.network]
    target = f"c{row.number}" if row.verdict == "sat" else f"i{row.number}"
    return (
        ", ".join(f"{declared} = {run.names.file_label(name)}" for declared, name in parts),
        plain_property(row.property_name),
        Cell(with_origin(WORDS[row.verdict], row.origin), target=target, word=row.verdict),
        seconds(row.seconds),
        count(row.boxes),
        size(row.certificate_bytes),
        Cell(row.check, word=row.check),
        seconds(row.check_seconds),
    )
