"""How two networks differ, and VERE's figures of a repair, as tables and as JSON.

Tables are in the words of the network's meaning; of decisions they are silent where these are not known.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from engine.cli.meaning import Meaning

if TYPE_CHECKING:
    from rich.table import Table

SHARES = {"success": "given", "generalization": "held_out", "drawdown": "safe"}  # each of so many points


class RegionFigures(Protocol):
    """What was measured on the points of a region."""

    @property
    def points(self) -> float | None: ...
    @property
    def changed(self) -> float | None: ...
    @property
    def agreement(self) -> float | None: ...
    @property
    def mean(self) -> float | None: ...
    @property
    def largest(self) -> float | None: ...


def fidelity_table(found, meaning):
    """A rich table of a Fidelity."""
    return regions_table(_rows(found), meaning)


def regions_table(regions: Iterable[tuple[str, RegionFigures | None]], meaning: Meaning) -> "Table":
    """A row for each region that was measured, by its name."""
    from rich import box
    from rich.table import Table

    decided = [f"{meaning.word} changed", "agreement"] if meaning.decision.is_known else []
    heads = ["points", *decided, f"mean {meaning.output} change", "largest"]
    table = Table("where", box=box.SIMPLE)
    for name in heads:
        table.add_column(name, justify="right")
    for where, difference in regions:
        if difference:
            table.add_row(where, f"{difference.points:,}", *(_cells(difference) or [""] * (len(heads) - 1)))
    return table


def _cells(difference: RegionFigures) -> list[str]:
    """The figures after the number of points; none where there are no points."""
    if not difference.points:
        return []
    agreement = difference.agreement
    cells = [] if agreement is None else [f"{difference.changed:,}", f"{agreement:.6%}"]
    return [*cells, f"{difference.mean:.3g}", f"{difference.largest:.3g}"]


def fidelity_content(found) -> dict:
    """A Fidelity as JSON: null for regions of a domain that is not known, and for decisions that are not."""
    regions = {
        where: d
        and {
            "points": d.points,
            "changed": d.changed if found.decision.is_known else None,
            "agreement": d.agreement,
            "mean_output_change": d.mean,
            "largest_output_change": d.largest,
        }
        for where, d in _rows(found)
    }
    return {"weights": found.weights, "neurons": found.neurons, "layers": found.layers, "regions": regions}


def figures_table(figures, meaning):
    """A rich table of Figures, one row for each property, and under it what they are."""
    from rich import box
    from rich.console import Group
    from rich.table import Table

    texts = _definitions(meaning)
    table = Table("VERE's figures", *texts, box=box.SIMPLE)
    for found in figures:
        shares = [(getattr(found, name), getattr(found, SHARES[name])) for name in texts]
        table.add_row(
            found.property,
            *("no points" if share is None else f"{share:.4%} of {points:,}" for share, points in shares),
        )
    return Group(table, *(f"  {name}: {text}" for name, text in texts.items()))


def figures_content(figures, meaning) -> dict:
    """Figures as JSON: for each property VERE's names, of how many points each is, and what they mean."""
    properties = [
        {
            "property": found.property,
            **{name: getattr(found, name) for name in SHARES},
            **{f"{name}_points": getattr(found, points) for name, points in SHARES.items()},
        }
        for found in figures
    ]
    return {"definitions": _definitions(meaning), "properties": properties}


def _definitions(meaning) -> dict[str, str]:
    """Of the figures that can be given: drawdown is one of decisions."""
    from engine.comparison.vere import definitions

    return {
        name: text
        for name, text in definitions(meaning.word).items()
        if name != "drawdown" or meaning.decision.is_known
    }


def _rows(found) -> list[tuple[str, object]]:
    rows = [("domain outside the boxes", found.outside), ("grid of the domain", found.grid)]
    for inside in found.inside:
        rows.append((f"{inside.property}, safe before", inside.safe))
        rows.append((f"{inside.property}, unsafe before", inside.unsafe))
    return rows
