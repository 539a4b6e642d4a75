"""`acasxu compare`: what a change of a network's weights did."""

import json
from argparse import Namespace

from engine.cli.output import DONE, answer, show


def run(arguments: Namespace) -> int:
    """Prints how two networks of one shape differ: weights, scores, advisories."""
    from engine.onnx_file import load_network
    from engine.repair.fidelity import compare, region
    from engine.vnnlib import load_property

    original, changed = load_network(arguments.networks[0]), load_network(arguments.networks[1])
    properties = [load_property(path) for path in arguments.properties]
    lower, upper, name = region(original, properties)
    found = compare(original, changed, properties, lower=lower, upper=upper, points=arguments.points,
                    grid=arguments.grid, seed=arguments.seed)
    if arguments.json:
        answer(json.dumps(_content(found) | {"domain": name}, indent=2, allow_nan=False))
    else:
        answer(f"{found.weights} weights differ, in {found.neurons} neurons of {found.layers} layers; "
               f"advisory: the lowest score; domain: {name}")
        show(_table(found))
    return DONE


def _rows(found) -> list[tuple[str, object]]:
    rows = [("domain outside the boxes", found.outside), ("grid of the domain", found.grid)]
    for inside in found.inside:
        rows.append((f"{inside.property}, safe before", inside.safe))
        rows.append((f"{inside.property}, unsafe before", inside.unsafe))
    return rows


def _table(found):
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


def _content(found) -> dict:
    regions = {where: {"points": d.points, "changed": d.changed, "agreement": d.agreement,
                       "mean_score_change": d.mean, "largest_score_change": d.largest}
               for where, d in _rows(found)}
    return {"weights": found.weights, "neurons": found.neurons, "layers": found.layers, "regions": regions}
