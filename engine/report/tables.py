"""The run as a whole, and its instances."""

import re
from collections import Counter
from statistics import median

from engine.report.cards import meant
from engine.report.listing import Cell, Listing, listing
from engine.report.public import Tool
from engine.report.published import benchmark_key
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.report.text import count, seconds, size
from engine.results.summary import Summary, summarize
from engine.results.summary import hardest as hardest_rows
from engine.results.words import WORDS, with_origin

MAX_HARDEST, MAX_INSTANCES = 15, 2_000  # rows that are listed


def summary(run: RunFolder) -> Listing:
    """Counts and total times, and where it was run. What is not known is left out."""
    found = summarize(run.rows)
    colours = {_meaning(word): word for word in WORDS}
    lines = [*_results(run, found), *_work(run, found), *_circumstances(run)]
    return listing("|", [(name, Cell(text, word=colours.get(name, ""))) for name, text in lines if text])


def _results(run: RunFolder, found: Summary) -> list[tuple[str, str]]:
    """The numbers of instances, of each verdict, and of each origin."""
    asked = [("instances", count(run.expected))]
    if run.expected > found.instances:
        asked.append(("of these with a result", count(found.instances)))
    verdicts = [(_meaning(word), _verdicts(run, word, number)) for word, number in found.verdicts.items()]
    origins = ", ".join(f"{number:,} {origin}" for origin, number in found.origins.items())
    return [*asked, *verdicts, ("come by in the last session", origins)]


def _work(run: RunFolder, found: Summary) -> list[tuple[str, str]]:
    """Times and boxes spent, certificates and repairs."""
    own = found.seconds
    shares = (
        f"median {seconds(median(own))} s, most {seconds(max(own))} s, together {seconds(sum(own))} s" if own else ""
    )
    outcomes = Counter(repair.outcome for repair in run.repairs)
    return [
        ("an instance's share", shares),
        ("wall time", _wall(run)),
        ("boxes", count(found.boxes)),
        ("certificates", _certificates(found)),
        ("repairs", ", ".join(f"{n} {word}" for word, n in outcomes.items())),
    ]


def _circumstances(run: RunFolder) -> list[tuple[str, str]]:
    """The semantics, machine, version and command of the run."""
    manifest = run.manifest
    return [
        ("semantics", ", ".join(sorted({row.semantics for row in run.rows if row.semantics}))),
        ("machine", _machine(run)),
        ("engine", " ".join(filter(None, (manifest.engine, manifest.commit[:12])))),
        ("started", manifest.started),
        ("command", manifest.command),
    ]


def hardest(run: RunFolder, tools: tuple[Tool, ...]) -> Listing:
    """The instances that took most of the time, and how long others took for them where that is public."""
    rows = hardest_rows(run.rows, most=MAX_HARDEST)
    others = [tool for tool in tools if any(benchmark_key(run, row) in tool.times for row in rows)]
    more = [f"{tool.name}, s" for tool in others]
    return listing(
        "|".join(["network|property|verdict|seconds|boxes", *more]),
        (
            (
                *_named(run, row),
                seconds(row.seconds),
                count(row.boxes),
                *(seconds(tool.time(benchmark_key(run, row))) for tool in others),
            )
            for row in rows
        ),
        numeric="|".join(["seconds|boxes", *more]),
    )


def instances(run: RunFolder) -> Listing:
    """Every instance, at most MAX_INSTANCES."""
    rest = len(run.rows) - MAX_INSTANCES
    heads = "network|property|verdict|seconds|boxes|certificate|check|check, s|origin|semantics|device|remark"
    return listing(
        heads,
        (
            (
                *_named(run, row, here=True),
                seconds(row.seconds),
                count(row.boxes),
                size(row.certificate_bytes),
                Cell(row.check, word=row.check),
                seconds(row.check_seconds),
                row.origin,
                row.semantics,
                row.device,
                row.remark,
            )
            for row in run.rows[:MAX_INSTANCES]
        ),
        numeric="seconds|boxes|certificate|check, s",
        caption=f"The other {rest:,} are in results.csv and results.json." if rest > 0 else "",
    )


def _named(run: RunFolder, row: NumberedRow, *, here: bool = False) -> tuple[Cell, Cell, Cell]:
    """Network, property and verdict; they lead to the instance's line, or from there to its counterexample."""
    target = f"c{row.number}" if row.verdict == "sat" else "" if here else f"i{row.number}"
    return (
        Cell(run.names.network_label(row.network)),
        Cell(run.names.property_label(row.property_name, network=row.network)),
        Cell(with_origin(WORDS[row.verdict], row.origin), target=target, word=row.verdict),
    )


def _verdicts(run: RunFolder, word: str, number: int) -> str:
    apart = sum(meant(run, row) is False for row in run.rows if row.verdict == word == "sat")
    return count(number) + (f", {apart:,} of them where the property is not meant to apply" if apart else "")


def _meaning(word: str) -> str:
    return WORDS[word] if WORDS[word] == word else f"{WORDS[word]} ({word})"


def _wall(run: RunFolder) -> str:
    wall, sessions = run.manifest.wall_seconds, len(run.manifest.sessions)
    return "" if wall is None else f"{seconds(wall)} s" + (f" in {sessions} sessions" if sessions > 1 else "")


def _certificates(found: Summary) -> str:
    sizes = found.certificate_bytes
    if not sizes:
        return ""
    checks = [f"{number:,} {word}" for word, number in sorted(found.checks.items()) if word]
    return ", ".join([f"{len(sizes):,}, together {size(sum(sizes))}", *checks])


def _machine(run: RunFolder) -> str:
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
