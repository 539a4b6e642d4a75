"""How two networks differ, and VERE's figures of a repair, as tables and as JSON."""

SHARES = {"success": "given", "generalization": "held_out", "drawdown": "safe"}  # each of so many points


def fidelity_table(found):
    """A rich table of a Fidelity."""
    from rich import box
    from rich.table import Table

    table = Table("where", box=box.SIMPLE)
    for name in ("points", "advisory changed", "agreement", "mean score change", "largest"):
        table.add_column(name, justify="right")
    for where, difference in _rows(found):
        if difference.points:
            table.add_row(where, f"{difference.points:,}", f"{difference.changed:,}", f"{difference.agreement:.6%}",
                          f"{difference.mean:.3g}", f"{difference.largest:.3g}")
        else:
            table.add_row(where, "0", "", "", "", "")
    return table


def fidelity_content(found) -> dict:
    """A Fidelity as JSON."""
    regions = {where: {"points": d.points, "changed": d.changed, "agreement": d.agreement,
                       "mean_score_change": d.mean, "largest_score_change": d.largest}
               for where, d in _rows(found)}
    return {"weights": found.weights, "neurons": found.neurons, "layers": found.layers, "regions": regions}


def figures_table(figures):
    """A rich table of Figures, one row for each property, and under it what they are."""
    from rich import box
    from rich.console import Group
    from rich.table import Table

    from engine.repair.figures import DEFINITIONS

    table = Table("VERE's figures", *SHARES, box=box.SIMPLE)
    for found in figures:
        shares = [(getattr(found, name), getattr(found, points)) for name, points in SHARES.items()]
        table.add_row(found.property, *("no points" if share is None else f"{share:.4%} of {points:,}"
                                        for share, points in shares))
    return Group(table, *(f"  {name}: {text}" for name, text in DEFINITIONS.items()))


def figures_content(figures) -> dict:
    """Figures as JSON: for each property VERE's names, of how many points each is, and what they mean."""
    from engine.repair.figures import DEFINITIONS

    properties = [{"property": found.property, **{name: getattr(found, name) for name in SHARES},
                   **{f"{name}_points": getattr(found, points) for name, points in SHARES.items()}}
                  for found in figures]
    return {"definitions": DEFINITIONS, "properties": properties}


def _rows(found) -> list[tuple[str, object]]:
    rows = [("domain outside the boxes", found.outside), ("grid of the domain", found.grid)]
    for inside in found.inside:
        rows.append((f"{inside.property}, safe before", inside.safe))
        rows.append((f"{inside.property}, unsafe before", inside.unsafe))
    return rows
