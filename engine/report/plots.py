"""Curves and distributions, drawn by matplotlib, the extra `plots`, as SVG."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from engine.report.public import Tool
from engine.report.published import benchmark_key, in_benchmark
from engine.report.run_folder import RunFolder
from engine.results.row import Row
from engine.results.summary import times
from engine.results.words import WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

#: Told apart by the colour-blind (Okabe and Ito), and by their dashes or hatches in grey.
COLOURS = {"unsat": "#0072b2", "sat": "#e69f00", "unknown": "#999999", "timeout": "#cc79a7", "error": "#000000"}
HATCHES = {"unsat": "", "sat": "////", "unknown": "....", "timeout": "xxxx", "error": ""}
_LINES = (("#0072b2", (0, ())), ("#d55e00", (0, (5, 2))), ("#009e73", (0, (1, 1.2))), ("#cc79a7", (0, (5, 1, 1, 1))))
_STYLE: "dict[RcKeyType, Any]" = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "report",
    "svg.fonttype": "path",
    "text.usetex": False,
    "text.parse_math": False,
}
_FASTEST = 1e-3  # s: what is faster is drawn there
_MIN_INSTANCES = 5  # of which a picture says more than the table
_MIN_SPAN = 8  # quarters of a power of ten that a histogram shows at least: else values that are alike fill it


@dataclass(frozen=True, slots=True)
class Plot:
    """An SVG file, and what it shows in words."""

    name: str
    title: str
    svg: bytes
    caption: str = ""


def plots(run: RunFolder, tools: tuple[Tool, ...]) -> tuple[Plot, ...] | None:
    """The plots of what there is to draw; None without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure  # noqa: F401 (a test takes it away)
    except ImportError:
        return None
    with matplotlib.rc_context(_STYLE):
        drawn = (_cactus(run, tools), _distributions(run), _checks(run))
    return tuple(plot for plot in drawn if plot)


def _cactus(run: RunFolder, tools: tuple[Tool, ...]) -> Plot | None:
    """The number of instances decided within a time, beside public tools'."""
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in run.rows if row.decided]
    inside = [row for row in rows if in_benchmark(run, row)]
    if not times(rows):
        return None
    curves = [("this run", sorted(times(inside or rows)))]
    asked = {benchmark_key(run, row) for row in run.rows if in_benchmark(run, row)}
    curves += [
        (tool.name, sorted(t for key, t in tool.times.items() if key in asked))
        for tool in tools
        if tool.times and inside
    ]
    figure, (axes,) = _figure(1, height=3.2)
    for (name, values), (colour, dashes) in zip(curves, _LINES):
        x = range(1, len(values) + 1)
        axes.plot(
            x,
            [max(v, _FASTEST) for v in values],
            color=colour,
            linestyle=dashes,
            linewidth=2.2 if name == "this run" else 1.4,
            label=f"{name} ({len(values)} decided)",
        )
    _logarithmic(axes, y=True)
    axes.set(xlabel="instances decided", ylabel="seconds of each", xlim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.grid(axis="y", linewidth=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    caption = "The instances of a curve are in order of their own times."
    if inside and len(inside) < len(rows):
        caption += " Only those instances of this run that are VNN-COMP's."
    if len(curves) > 1:
        caption += (
            " Public curves: VNN-COMP 2025 on the same instances, wall time of a process for each, start-up "
            "included, on the competition's "
            "machines. This run: an instance's share of one run on the machine named above. "
            "The machines differ: compare shapes rather than factors."
        )
    return Plot("cactus", "Instances decided within a time", _svg(figure), caption)


def _distributions(run: RunFolder) -> Plot | None:
    """Histograms of seconds and boxes; None for few instances."""
    if len(times(run.rows)) < _MIN_INSTANCES:
        return None
    figure, (left, right) = _figure(2, height=2.5)
    _histogram(left, run.rows, lambda row: max(row.seconds, _FASTEST) if row.seconds else None, "seconds")
    _histogram(right, run.rows, lambda row: float(row.boxes) if row.boxes else None, "boxes")
    left.set_ylabel("instances")
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=len(handles), frameon=False)
    return Plot("distributions", "Times and boxes", _svg(figure))


def _histogram(axes: "Axes", rows: tuple[Row, ...], value: Callable[[Row], float | None], label: str) -> None:
    """Bars of the rows' values on a logarithmic axis, stacked by verdict; a value of None is left out."""
    from math import ceil, floor, log10

    from matplotlib.ticker import MaxNLocator

    by_word = {word: [v for row in rows if row.verdict == word and (v := value(row))] for word in WORDS}
    by_word = {word: values for word, values in by_word.items() if values}
    every = [v for values in by_word.values() for v in values]
    if every:
        low, high = floor(log10(min(every)) * 4), ceil(log10(max(every)) * 4 + 1e-9)
        beside = max(0, _MIN_SPAN - (high - low) + 1) // 2
        edges = [10 ** (step / 4) for step in range(low - beside, high + beside + 1)]
        axes.hist(
            list(by_word.values()),
            bins=edges,
            stacked=True,
            label=[WORDS[word] for word in by_word],
            color=[COLOURS[word] for word in by_word],
            edgecolor="white",
            linewidth=0.3,
        )
        for container, word in zip(axes.containers, by_word):
            for bar in container:
                bar.set_hatch(HATCHES[word])
        _logarithmic(axes, x=True)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(label)


def _checks(run: RunFolder) -> Plot | None:
    """Certificate sizes against the time of their checks."""
    pairs = [
        (row.certificate_bytes, row.check_seconds)
        for row in run.rows
        if row.check_seconds is not None and row.certificate_bytes
    ]
    if len(pairs) < _MIN_INSTANCES:
        return None
    figure, (axes,) = _figure(1, height=2.5)
    axes.plot(
        *zip(*((n / 1000, max(s, _FASTEST)) for n, s in pairs)),
        "o",
        color=COLOURS["unsat"],
        markersize=3,
        markerfacecolor="none",
        markeredgewidth=0.7,
    )
    _logarithmic(axes, x=True, y=True)
    axes.set(xlabel="size of the certificate (KB)", ylabel="seconds of its check")
    axes.grid(linewidth=0.3)
    return Plot("checks", "Certificates: size and check", _svg(figure))


def _logarithmic(axes: "Axes", *, x: bool = False, y: bool = False) -> None:
    """Powers of ten, as people write them."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set(**{f"{name}scale": "log" for name, wanted in (("x", x), ("y", y)) if wanted})
    for wanted, axis in ((x, axes.xaxis), (y, axes.yaxis)):
        if wanted:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            axis.set_minor_formatter(NullFormatter())


def _figure(panels: int, *, height: float) -> tuple["Figure", list["Axes"]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _svg(figure: "Figure") -> bytes:
    file = BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
