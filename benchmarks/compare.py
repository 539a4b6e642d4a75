"""Our results beside those of other tools: disagreements first, then times and speed-ups.

    python benchmarks/compare.py OURS.csv [NAME=]OTHER.csv [...] [--category acasxu_2023]
                                 [--table FILE.csv] [--plot FILE.png] [--least 0.01]

Files are VNN-COMP's results.csv, of any year, or results.csv of `acasxu bench`. Exit code 1 where one tool says sat and
another unsat. MACHINES DIFFER: a competition's times are those of its machines, with the tool's start-up in every
instance; times of `acasxu bench` are an instance's share of one process. A speed-up here says what was seen, not why.
"""

import argparse
import csv
import sys
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import mean, median

from result_files import Key, Result, matched, read_results

from engine.errors import InputError

CAVEAT = (
    "Machines, start-up and what a second means differ from file to file: times of `acasxu bench` are shares of\n"
    "one process without start-up, those of the competition whole processes on its machines."
)


@dataclass(frozen=True, slots=True)
class Tool:
    """Another tool's results on our instances."""

    name: str
    results: dict[Key, Result]


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the instances that both list: how many each decides, and on those that both do, how the times compare.

    speedups: their seconds by ours, of both at least the least that counts.
    """

    common: int
    ours: int
    theirs: int
    our_seconds: list[float]
    their_seconds: list[float]
    speedups: list[float]

    @property
    def geometric_mean(self) -> float:
        return exp(mean(map(log, self.speedups))) if self.speedups else float("nan")


def summarize(ours: dict[Key, Result], tool: Tool, *, least: float) -> Summary:
    """Times below `least` seconds count as that much."""
    pairs = [(ours[key], theirs) for key, theirs in tool.results.items()]
    both = [(a.seconds, b.seconds) for a, b in pairs if a.decided and b.decided]
    return Summary(
        len(pairs),
        sum(a.decided for a, _ in pairs),
        sum(b.decided for _, b in pairs),
        [a for a, _ in both],
        [b for _, b in both],
        [max(b, least) / max(a, least) for a, b in both],
    )


def disagreements(ours: dict[Key, Result], tools: list[Tool]) -> list[tuple[Key, dict[str, str]]]:
    """Instances that some decide as sat and others as unsat, with who says what."""
    found = []
    for key, result in ours.items():
        said = {"ours": result.verdict} | {t.name: t.results[key].verdict for t in tools if key in t.results}
        if {"sat", "unsat"} <= set(said.values()):
            found.append((key, said))
    return found


def read_tools(ours: dict[Key, Result], given: list[str], category: str | None) -> list[Tool]:
    tools = []
    for text in given:
        name, _, path = text.rpartition("=")
        path = Path(path)
        stem = path.parent.name if path.stem == "results" and path.parent.name else path.stem
        found = matched(ours, read_results(path, category=category))
        if not found:
            raise InputError("lists none of our instances", where=str(path), advice="name the category, or other files")
        tools.append(Tool(name or stem, found))
    return tools


# --- in words, as a table, as a picture -----------------------------------------------------------


def report(ours: dict[Key, Result], tools: list[Tool], *, least: float) -> str:
    lines = _disagreement_lines(disagreements(ours, tools))
    decided = sum(result.decided for result in ours.values())
    lines += [
        "",
        CAVEAT,
        "",
        f"{len(ours)} instances of ours, {decided} decided; times in s",
        f"{'tool':20} {'common':>6} {'ours':>5} {'theirs':>6}   {'sum':>15} {'median':>15} {'longest':>15}"
        f"   {'speed-up':>8} {'least':>7} {'most':>7}",
    ]
    for tool in tools:
        s = summarize(ours, tool, least=least)
        pairs = zip(
            *((sum(side), median(side), max(side)) if side else (0.0,) * 3 for side in (s.our_seconds, s.their_seconds))
        )
        times = " ".join(f"{f'{a:.4g} / {b:.4g}':>15}" for a, b in pairs)
        ends = f"{min(s.speedups):7.2f} {max(s.speedups):7.4g}" if s.speedups else ""
        lines.append(f"{tool.name:20} {s.common:6} {s.ours:5} {s.theirs:6}   {times}   {s.geometric_mean:8.3g} {ends}")
    lines += [
        "",
        "common: instances listed by both; ours, theirs: decided of them; a / b: ours / theirs on what both",
        f"decide; speed-up: geometric mean of theirs / ours, each at least {least:g} s; then least and most",
    ]
    return "\n".join(lines)


def _disagreement_lines(found: list[tuple[Key, dict[str, str]]]) -> list[str]:
    if not found:
        return ["no disagreement: nowhere does one tool say sat and another unsat"]
    bar = "!" * 72
    return [
        bar,
        f"{len(found)} DISAGREEMENTS: one tool says sat, another unsat; at least one of them is wrong",
        bar,
        *(f"  {key[0]} {key[1]}: {', '.join(f'{name} {word}' for name, word in said.items())}" for key, said in found),
        bar,
    ]


def write_table(path: Path, ours: dict[Key, Result], tools: list[Tool]) -> None:
    """A row for each of our instances."""
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            [
                "network",
                "property",
                *(f"{name}_{what}" for name in ("ours", *(t.name for t in tools)) for what in ("verdict", "seconds")),
            ]
        )
        for key, result in ours.items():
            others = [tool.results.get(key) for tool in tools]
            table.writerow(
                [*key, *(cell for r in (result, *others) for cell in ((r.verdict, r.seconds) if r else ("", "")))]
            )


def write_plot(path: Path, ours: dict[Key, Result], tools: list[Tool], *, least: float) -> None:
    """Their seconds over ours, a point for each instance that both decide. InputError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("plots need matplotlib, which is not installed", where="--plot", advice="install it") from None
    figure = Figure(figsize=(6.5, 6), layout="constrained")
    axes = figure.subplots()
    top = least
    for tool, marker in zip(tools, "os^Dvx+*" * len(tools)):
        s = summarize(ours, tool, least=least)
        x, y = ([max(v, least) for v in side] for side in (s.our_seconds, s.their_seconds))
        axes.plot(
            x,
            y,
            marker,
            markersize=4,
            linestyle="none",
            alpha=0.7,
            label=f"{tool.name}: {len(x)} instances, {s.geometric_mean:.3g} times",
        )
        top = max([top, *x, *y])
    ends = (least * 0.8, top * 1.5)
    for factor in (1, 10, 100, 1000):
        axes.plot(ends, [factor * end for end in ends], color="grey", linewidth=0.9 if factor == 1 else 0.4)
        if factor * ends[0] * 1.3 < ends[1]:
            axes.text(ends[0] * 1.1, factor * ends[0] * 1.3, f"{factor}x", fontsize=7, color="grey")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        xlabel=f"ours (s, at least {least:g})",
        ylabel="theirs (s)",
        title="Seconds on instances that both decide\n(machines and start-up differ)",
    )
    axes.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=150)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("ours", type=Path)
    parser.add_argument("others", nargs="+", metavar="[NAME=]OTHER.csv")
    parser.add_argument("--category", help="of the competition's files, where they hold several")
    parser.add_argument("--least", type=float, default=0.01, help="seconds that shorter times count as (default 0.01)")
    parser.add_argument("--table", type=Path, help="write every instance's results there, as csv")
    parser.add_argument("--plot", type=Path, help="draw the times: FILE.png, .svg or .pdf; needs matplotlib")
    arguments = parser.parse_args(argv)
    try:
        ours = read_results(arguments.ours)
        tools = read_tools(ours, arguments.others, arguments.category)
        print(report(ours, tools, least=arguments.least))
        if arguments.table:
            write_table(arguments.table, ours, tools)
        if arguments.plot:
            write_plot(arguments.plot, ours, tools, least=arguments.least)
    except InputError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    return 1 if disagreements(ours, tools) else 0


if __name__ == "__main__":
    sys.exit(main())
