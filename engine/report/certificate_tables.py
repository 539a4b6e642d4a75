"""Certificates of the run: how large, how long their checks took, and what the inputs were."""

from engine.report.listing import Cell, Listing, listing
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.report.text import seconds, size
from engine.results.summary import summarize

MAX_LARGEST = 10


def largest(run: RunFolder) -> Listing:
    """The largest certificates, and what is said of their checks."""
    known = sorted(
        (row for row in run.rows if row.certificate_bytes), key=lambda row: (-(row.certificate_bytes or 0), row.number)
    )
    return listing(
        "network|property|size|check|check, s",
        (
            (
                *_names(run, row),
                size(row.certificate_bytes),
                Cell(row.check, word=row.check),
                seconds(row.check_seconds),
            )
            for row in known[:MAX_LARGEST]
        ),
        numeric="size|check, s",
    )


def totals(run: RunFolder) -> Listing:
    """Sums over all certificates."""
    found = summarize(run.rows)
    sizes, times = sorted(found.certificate_bytes), found.check_seconds
    accepted, rejected = found.checks.get("accepted", 0), found.checks.get("rejected", 0)
    checked = accepted + rejected
    lines = [
        ("certificates", f"{len(sizes):,}"),
        ("together", size(sum(sizes))),
        ("median, largest", f"{size(sizes[len(sizes) // 2])}, {size(sizes[-1])}" if sizes else ""),
        ("accepted", f"{accepted:,} of {checked:,} checked" if checked else "not checked here"),
        ("rejected", f"{rejected:,}" if rejected else ""),
        ("checks together, longest", f"{seconds(sum(times))} s, {seconds(max(times))} s" if times else ""),
        ("decided without certificate", f"{found.uncertified:,}" if found.uncertified else ""),
    ]
    return listing("|", [line for line in lines if line[1]])


def rejected(run: RunFolder) -> list[NumberedRow]:
    """The rows whose certificate the checker rejected."""
    return [row for row in run.rows if row.check == "rejected"]


def inputs(run: RunFolder) -> Listing:
    """The SHA-256 of what was read, decompressed, by the names that results use."""
    return listing("file|SHA-256", run.manifest.inputs)


def _names(run: RunFolder, row: NumberedRow) -> tuple[Cell, Cell]:
    prop = run.names.property_label(row.property_name, network=row.network)
    return Cell(run.names.network_label(row.network), target=f"i{row.number}"), Cell(prop)
