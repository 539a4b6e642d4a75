"""Certificates of the run: how large, how long their checks took, and what the inputs were."""

from engine.report.listing import Cell, Listing, listing
from engine.report.rows import Row
from engine.report.run import Run
from engine.report.tables import certificate_bytes
from engine.report.text import seconds, size

LARGEST = 10


def largest(run: Run) -> Listing:
    """The largest certificates, and what is said of their checks."""
    known = [(n, row) for row in run.rows if (n := certificate_bytes(run, row))]
    known.sort(key=lambda entry: (-entry[0], entry[1].number))
    return listing(
        "network|property|size|check|check, s",
        (
            (*_names(run, row), size(n), Cell(row.check, word=row.check), seconds(row.check_seconds))
            for n, row in known[:LARGEST]
        ),
        numeric="size|check, s",
    )


def totals(run: Run) -> Listing:
    """Sums over all certificates."""
    sizes = sorted(n for row in run.rows if (n := certificate_bytes(run, row)))
    times = [row.check_seconds for row in run.rows if row.check_seconds is not None]
    words = [row.check for row in run.rows if row.check]
    without = sum(row.decided and not certificate_bytes(run, row) for row in run.rows)
    lines = [
        ("certificates", f"{len(sizes):,}"),
        ("together", size(sum(sizes))),
        ("median, largest", f"{size(sizes[len(sizes) // 2])}, {size(sizes[-1])}" if sizes else ""),
        ("accepted", f"{words.count('accepted'):,} of {len(words):,} checked" if words else "not checked here"),
        ("rejected", f"{words.count('rejected'):,}" if "rejected" in words else ""),
        ("checks together, longest", f"{seconds(sum(times))} s, {seconds(max(times))} s" if times else ""),
        ("decided without certificate", f"{without:,}" if without else ""),
    ]
    return listing("|", [line for line in lines if line[1]])


def rejected(run: Run) -> list[Row]:
    return [row for row in run.rows if row.check == "rejected"]


def inputs(run: Run) -> Listing:
    """The SHA-256 of what was read, decompressed, by the names that results use."""
    return listing("file|SHA-256", run.manifest.inputs)


def _names(run: Run, row: Row) -> tuple[Cell, Cell]:
    prop = run.names.property_label(row.property, network=row.network)
    return Cell(run.names.network_label(row.network), target=f"i{row.number}"), Cell(prop)
