"""Tables of how two networks differ, and of VERE's figures of a repair.

Tables are in the words of the network's meaning; of decisions they are silent where these are not known.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.cli.meaning import Meaning
from engine.comparison.figures import SHARES, definitions
from engine.comparison.measured import FiguresRecord, RegionRecord

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table


def regions_table(
    regions: Iterable[tuple[str, RegionRecord | None]], meaning: Meaning, *, tolerance: float | None = None
) -> "Table":
    """A row for each region that was measured, by its name; tolerance: of outputs, beyond which points changed."""
    from rich import box
    from rich.table import Table

    decided = [f"{meaning.word} changed", "agreement", "order kept"] if meaning.decision.is_known else []
    decided = decided if tolerance is None else [f"changed by over {tolerance:g}", "agreement"]
    heads = ["points", *decided, f"mean {meaning.output} change", "largest"]
    table = Table("where", box=box.SIMPLE)
    for name in heads:
        table.add_column(name, justify="right")
    for where, difference in regions:
        if difference:
            table.add_row(where, f"{difference.points:,}", *(_cells(difference) or [""] * (len(heads) - 1)))
    return table


def _cells(difference: RegionRecord) -> list[str]:
    """The figures after the number of points; none where there are no points."""
    if not difference.points:
        return []
    agreement = difference.agreement
    cells = [] if agreement is None else [f"{difference.changed:,}", f"{agreement:.6%}"]
    cells += [] if difference.order_kept is None else [f"{difference.order_kept:.6%}"]
    return [*cells, f"{difference.mean:.3g}", f"{difference.largest:.3g}"]


def figures_table(figures: Iterable[FiguresRecord], meaning: Meaning) -> "Group":
    """A row for each property, and under them what the figures are."""
    from rich import box
    from rich.console import Group
    from rich.table import Table

    texts = definitions(meaning.decision, meaning.word)
    table = Table("VERE's figures", *texts, box=box.SIMPLE)
    for found in figures:
        shares = [(getattr(found, name), getattr(found, SHARES[name])) for name in texts]
        table.add_row(
            found.property,
            *("no points" if share is None else f"{share:.4%} of {points:,}" for share, points in shares),
        )
    return Group(table, *(f"  {name}: {text}" for name, text in texts.items()))
