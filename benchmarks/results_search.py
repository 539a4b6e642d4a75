"""The sections of docs/results.md about how questions are searched, and repairs with a theorem (results_page.py)."""

from pathlib import Path

from methods import load, markdown, numbers, read
from results_tables import place, table_of


def conjunctions(results: Path) -> str:
    """Counterexamples of thin conjunctions, before and with attacks on all rows together."""
    before = {(row["hidden"], row["width"]): row for row in table_of(results / "conjunctions-before.csv")}
    lines = []
    for row in table_of(results / "conjunctions.csv"):
        old = before[row["hidden"], row["width"]]
        lines.append(
            [row["hidden"], row["width"]]
            + [f"{each['found']} of {each['of']}" for each in (old, row)]
            + [f"{float(each['mean boxes']):,.0f}" for each in (old, row)]
            + [f"{float(each['mean seconds']):.2f}, {float(each['worst seconds']):.2f}" for each in (old, row)]
        )
    head = ["hidden", "band", "found before", "found", "boxes before", "boxes"]
    table = markdown([*head, "seconds before: mean, worst", "seconds"], lines)
    return f"""\
## Counterexamples of thin conjunctions

Five outputs are asked to lie in bands of this width around those of a hidden point; six random networks each, limit
20 s: `python benchmarks/conjunctions.py`, {place(results / "conjunctions.csv")}, on a machine that had other work, too.

{table}
"""


def splitting(results: Path) -> str:
    """Random networks by ways of splitting: of inputs alone, of signs alone, and found out."""
    questions: dict[tuple[str, ...], dict[str, str]] = {}
    for row in table_of(results / "splitting.csv"):
        question = row["inputs"], row["hidden"], row["fade"]
        cell = "open" if row["verdict"] == "timeout" else f"{int(row['boxes']):,} ({float(row['cpu']):.2f})"
        questions.setdefault((*question, row["radius"], row["level"]), {})[row["way"]] = cell
    ways = "inputs", "signs", "found out"
    lines = ([*question[:3], *(cells[way] for way in ways)] for question, cells in questions.items())
    table = markdown(["inputs", "hidden", "fade", *(f"{way}: boxes (processor s)" for way in ways)], lines)
    return f"""\
## How to split

Random networks, limit 3 s: `python benchmarks/splitting.py --limit 3`, {place(results / "splitting.csv")}. With
fade below 1 weights shrink from input to input. With up to 8 inputs nothing is found out: inputs are split, and late
signs.

{table}
"""


def wide(results: Path) -> str:
    """Wide layers and many inputs: boxes before and now, and a MILP solver's nodes."""
    columns = {"solver": "wide-highs.csv", "before": "wide-before.csv", "now": "wide.csv"}
    solver: dict[tuple[str, str], str] = {}
    questions: dict[tuple[str, str, str], dict[str, str]] = {}
    for column, name in columns.items():
        for row in table_of(results / name):
            network = row["network"], row["radius"]
            cell = f"{int(row['boxes']):,} ({float(row['cpu']):.2f})"
            if row["way"] == "highs":
                solver[network] = cell
            elif row["way"] == "engine":
                cell = f"open after {cell}" if row["verdict"] == "timeout" else cell
                questions.setdefault((*network, row["share"]), {})[column] = cell
    lines = ([*key, cells["before"], cells["now"], solver[key[:2]]] for key, cells in questions.items())
    table = markdown(
        [
            "inputs and hidden",
            "radius",
            "margin",
            "boxes before (processor s)",
            "boxes (processor s)",
            "HiGHS: nodes (processor s)",
        ],
        lines,
    )
    return f"""\
## Wide layers and many inputs

Output 0 is to stay above its exact minimum less a margin, a share of the root's gap, limit 60 s: `python
benchmarks/wide.py --ways engine`, {place(results / "wide.csv")}; before: {place(results / "wide-before.csv")}; on a
machine that had other work, too. HiGHS, by big-M, looks for the minimum itself (`--ways highs`).

{table}
"""


def theorems(results: Path) -> str:
    """Repairs with a theorem for every input; empty where none were measured."""
    rows = read(results / "repair-structural.csv")
    if not rows:
        return ""
    found, said = [row for row in rows if row["outcome"] == "repaired"], load(results / "repair-structural.json")
    outside = [int(row["outside_changed"]) for row in found]
    means, largest = ([float(row[f"{kind}_score_change"]) for row in found] for kind in ("mean", "largest"))
    rest = ", ".join(
        f"N({row['network']})/{row['property']} ({row['reason'] or 'not repaired'})" for row in rows if row not in found
    )
    lines = [
        [
            "repaired, all properties proved",
            f"{len(found)} of {len(rows)} (of {said['of']} tasks; the others were not measured)",
        ],
        ["with a theorem for every input", str(sum(row["theorem"] == "True" for row in found))],
        ["no advisory of 200,000 samples outside the box changed", str(outside.count(0))],
        ["most advisories changed outside", str(max(outside))],
        ["weights changed", f"{min(numbers(found, 'weights')):.0f} to {max(numbers(found, 'weights')):.0f}"],
        ["mean change of scores, at most", f"{max(means):.3f}"],
        ["largest change of a score", f"{max(largest):.2f}"],
        ["processor time of a task", f"median {said['median_cpu_seconds']} s"],
    ]
    return f"""\
## Repairs with a theorem for every input

`{said["command"]}`, commit {said["commit"]}: {said["how"]}. Not repaired: {rest or "none"}.

{markdown(["what", "figure"], lines)}
"""
