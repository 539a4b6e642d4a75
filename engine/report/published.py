"""The run beside published figures of VNN-COMP's 186 instances."""

from statistics import median

from engine.acasxu.properties import benchmark_instances
from engine.report.listing import Listing, listing
from engine.report.public import Key, Tool
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.report.text import seconds
from engine.results.summary import times

_BENCHMARK = frozenset((str(network), f"P{spec.number}") for spec, network in benchmark_instances())


def benchmark_key(run: RunFolder, row: NumberedRow) -> Key | None:
    """The instance as in ("N(3,3)", "P2"), None for other networks and properties."""
    network, spec = run.names.index(row.network), run.names.specification(*row.names)
    return (str(network), f"P{spec.number}") if network and spec else None


def in_benchmark(run: RunFolder, row: NumberedRow) -> bool:
    """True iff it is one of VNN-COMP's 186 instances."""
    return benchmark_key(run, row) in _BENCHMARK


def beside_published(run: RunFolder, tools: tuple[Tool, ...]) -> Listing:
    """This run on the benchmark's 186 instances and the tools' published figures; empty unless it ran all of them."""
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
        ),
        *(_line(tool) for tool in tools),
    ]
    return listing(
        "tool|decided|median, s|slowest, s|total, s|start-up, s|what|source",
        lines,
        numeric="decided|median, s|slowest, s|total, s|start-up, s",
    )


def _line(tool: Tool) -> tuple[str, ...]:
    figures = (_known(value) for value in (tool.median, tool.slowest, tool.total, tool.startup))
    return (tool.name, f"{tool.decided} of 186", *figures, tool.notes, tool.source)


def _known(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:,.4g}"
