"""The run as a whole, and its instances."""

import re
from collections import Counter
from statistics import median

from engine.acasxu.properties import benchmark_instances
from engine.report.cards import meant
from engine.report.listing import Cell, Listing, listing
from engine.report.public import Key, Tool
from engine.report.rows import WORDS, Row
from engine.report.run import Run
from engine.report.text import count, seconds, size
from engine.results.row import ORIGINS, TAKEN_OVER

HARDEST, MOST = 15, 2_000
_BENCHMARK = frozenset((str(network), f"P{spec.number}") for spec, network in benchmark_instances())


def summary(run: Run) -> Listing:
    """Counts and total times, and where it was run."""
    counts, own = Counter(row.verdict for row in run.rows), times(run.rows)
    lines = [("instances", count(run.expected))]
    if run.expected > len(run.rows):
        lines.append(("of these with a result", count(len(run.rows))))
    lines += [
        (_meaning(word), _verdicts(word, run))
        for word, meaning in WORDS.items()
        if counts[word] or word in ("sat", "unsat")
    ]
    lines.append(("come by in the last session", _origins(run.rows)))
    lines.append(
        (
            "an instance's share",
            f"median {seconds(median(own))} s, most {seconds(max(own))} s, together {seconds(sum(own))} s"
            if own
            else "",
        )
    )
    lines.append(("wall time", _wall(run)))
    lines.append(("boxes", count(sum(row.boxes or 0 for row in run.rows))))
    lines.append(("certificates", _certified(run)))
    if run.repairs:
        outcomes = Counter(repair.outcome for repair in run.repairs)
        lines.append(("repairs", ", ".join(f"{n} {word}" for word, n in outcomes.items())))
    manifest = run.manifest
    lines += [
        ("semantics", ", ".join(sorted({row.semantics for row in run.rows if row.semantics}))),
        ("machine", _machine(run)),
        ("engine", " ".join(filter(None, (manifest.engine, manifest.commit[:12])))),
        ("started", manifest.started),
        ("command", manifest.command),
    ]
    colours = {_meaning(word): word for word in WORDS}
    return listing("|", [(name, Cell(text, word=colours.get(name, ""))) for name, text in lines if text])


def times(rows) -> list[float]:
    return [row.seconds for row in rows if row.seconds is not None]


def in_benchmark(run: Run, row: Row) -> bool:
    """Whether it is one of VNN-COMP's 186 instances."""
    return benchmark_key(run, row) in _BENCHMARK


def benchmark_key(run: Run, row: Row) -> Key | None:
    """As in ("N(3,3)", "P2"), None for other networks and properties."""
    network, spec = run.names.index(row.network), run.names.specification(row.network, row.property)
    return (str(network), f"P{spec.number}") if network and spec else None


def hardest(run: Run, tools: tuple[Tool, ...]) -> Listing:
    """The instances that took most of the time, and how long others took for them where that is public."""
    rows = sorted((row for row in run.rows if row.seconds is not None), key=lambda row: (-row.seconds, row.number))
    others = [tool for tool in tools if any(benchmark_key(run, row) in tool.times for row in rows[:HARDEST])]
    more = [f"{tool.name}, s" for tool in others]
    return listing(
        "|".join(["network|property|verdict|seconds|boxes", *more]),
        (
            (
                *_named(run, row),
                seconds(row.seconds),
                count(row.boxes),
                *(seconds(tool.times.get(benchmark_key(run, row))) for tool in others),
            )
            for row in rows[:HARDEST]
        ),
        numeric="|".join(["seconds|boxes", *more]),
    )


def instances(run: Run) -> Listing:
    """Every instance, at most MOST."""
    rest = len(run.rows) - MOST
    heads = "network|property|verdict|seconds|boxes|certificate|check|check, s|origin|semantics|device|remark"
    return listing(
        heads,
        (
            (
                *_named(run, row, here=True),
                seconds(row.seconds),
                count(row.boxes),
                size(certificate_bytes(run, row)),
                Cell(row.check, word=row.check),
                seconds(row.check_seconds),
                row.origin,
                row.semantics,
                row.device,
                row.remark,
            )
            for row in run.rows[:MOST]
        ),
        numeric="seconds|boxes|certificate|check, s",
        caption=f"The other {rest:,} are in results.csv and results.json." if rest > 0 else "",
    )


def certificate_bytes(run: Run, row: Row) -> int | None:
    """As results.csv says, else as large as the file in certificates/."""
    if row.certificate_bytes:
        return row.certificate_bytes
    path = run.certificates.get(row.number)
    return path.stat().st_size if path else None


def comparison(run: Run, tools: tuple[Tool, ...]) -> Listing:
    """This run on the benchmark's 186 instances beside published figures, if it ran all of them."""
    rows = [row for row in run.rows if in_benchmark(run, row)]
    own = times(row for row in rows if row.decided)
    if len({row.names for row in rows}) < len(_BENCHMARK) or not own:
        return listing("tool", ())
    lines = [
        (
            "this run",
            f"{len(own)} of {len(rows)}",
            seconds(median(own)),
            seconds(max(own)),
            seconds(sum(own)),
            "",
            "an instance's share of one run, start-up not included",
            "results.csv",
        )
    ]
    lines += [
        (
            tool.name,
            f"{tool.decided} of 186",
            *map(_known, (tool.median, tool.slowest, tool.total, tool.startup)),
            tool.notes,
            tool.source,
        )
        for tool in tools
    ]
    return listing(
        "tool|decided|median, s|slowest, s|total, s|start-up, s|what|source",
        lines,
        numeric="decided|median, s|slowest, s|total, s|start-up, s",
    )


def _known(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:,.4g}"


def _named(run: Run, row: Row, *, here: bool = False) -> tuple[Cell, Cell, Cell]:
    """Network, property and verdict; they lead to the instance's line, or from there to its counterexample."""
    target = f"c{row.number}" if row.verdict == "sat" else "" if here else f"i{row.number}"
    return (
        Cell(run.names.network_label(row.network)),
        Cell(run.names.property_label(row.property, network=row.network)),
        Cell(_word(row), target=target, word=row.verdict),
    )


def _word(row: Row) -> str:
    """The verdict in words, with a mark where the last session does not vouch for it."""
    return WORDS[row.verdict] + (f" ({TAKEN_OVER})" if row.origin == TAKEN_OVER else "")


def _origins(rows: tuple[Row, ...]) -> str:
    found = Counter(row.origin for row in rows if row.origin)
    return ", ".join(f"{found[origin]:,} {origin}" for origin in ORIGINS if found[origin])


def _verdicts(word: str, run: Run) -> str:
    found = [row for row in run.rows if row.verdict == word]
    apart = sum(meant(run, row) is False for row in found)
    return count(len(found)) + (
        f", {apart:,} of them where the property is not meant to apply" if word == "sat" and apart else ""
    )


def _meaning(word: str) -> str:
    return WORDS[word] if WORDS[word] == word else f"{WORDS[word]} ({word})"


def _wall(run: Run) -> str:
    wall, sessions = run.manifest.wall_seconds, len(run.manifest.sessions)
    return "" if wall is None else f"{seconds(wall)} s" + (f" in {sessions} sessions" if sessions > 1 else "")


def _certified(run: Run) -> str:
    sizes = [n for row in run.rows if (n := certificate_bytes(run, row))]
    if not sizes:
        return ""
    checks = Counter(row.check for row in run.rows if row.check)
    parts = [f"{len(sizes):,}, together {size(sum(sizes))}", *(f"{n:,} {word}" for word, n in sorted(checks.items()))]
    return ", ".join(parts)


def _machine(run: Run) -> str:
    known = dict(run.manifest.machine)
    memory = known.get("memory_bytes", "")
    parts = [
        known.get("cpu", ""),
        f"{known['cores']} cores" if known.get("cores") else "",
        f"{int(memory) / 2**30:.1f} GiB" if re.fullmatch("[0-9]{1,18}", memory) else "",
        "" if known.get("gpu", "none") == "none" else known["gpu"],
        known.get("system", ""),
    ]
    return ", ".join(filter(None, parts))
