"""How two networks differ, as a table and as JSON."""


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


def _rows(found) -> list[tuple[str, object]]:
    rows = [("domain outside the boxes", found.outside), ("grid of the domain", found.grid)]
    for inside in found.inside:
        rows.append((f"{inside.property}, safe before", inside.safe))
        rows.append((f"{inside.property}, unsafe before", inside.unsafe))
    return rows
