"""The sections of docs/results.md about two networks (results_page.py)."""

from collections import Counter
from pathlib import Path

from methods import markdown, middle, numbers, read


def two_networks(results: Path) -> str:
    """The fifty questions about two networks, as they are and asked otherwise; empty where nothing was measured."""
    groups: dict[tuple[str, ...], list[dict]] = {}
    for row in read(results / "two_networks.csv") or []:
        groups.setdefault((row["eps"], row["box"], row["scale"], row["limit"]), []).append(row)
    if not groups:
        return ""
    head = ["eps", "box", "perturbation", "limit, s", "proved", "refuted", "open", "boxes: all, most"]
    head += ["processor, s: median, most, all", "accepted", "certificates, KB", "checks, s", "commit"]
    table = markdown(head, ([*setting, *pair_cells(rows)] for setting, rows in groups.items()))
    rows = [row for found in groups.values() for row in found]
    wrong = [row["row"] for row in rows if {row["verdict"], row["expected"]} == {"sat", "unsat"}]
    machine = ", ".join(sorted({row["machine"] for row in rows}))
    return f"""\
## Fifty questions about two networks

VNN-COMP 2026's `isomorphic_acasxu_2026`: is every output of a perturbed network within eps of the original's, on the
box of a property? Each alone, certified, and checked:
`python benchmarks/two_networks.py [--eps E] [--box B] [--scale S]`, {machine}.
Perturbation: how large g - f is, relative to the competition's. Verdicts that are not
the expected ones: {", ".join(wrong) or "none"}.

{table}
"""


def pair_cells(rows: list[dict]) -> list[str]:
    words = Counter(row["verdict"] for row in rows)
    boxes, seconds = sorted(numbers(rows, "boxes")), sorted(numbers(rows, "processor_seconds"))
    decided, checked = words["unsat"] + words["sat"], [row for row in rows if row["check"]]
    return [
        *(str(words["unsat"]), str(words["sat"]), str(len(rows) - decided)),
        f"{sum(boxes):,.0f}, {boxes[-1]:,.0f}",
        f"{middle(seconds)}, {seconds[-1]:.1f}, {sum(seconds):.0f}",
        f"{sum(row['check'] == 'accepted' for row in checked)} of {decided}",
        f"{sum(numbers(checked, 'certificate_bytes')) / 1000:,.0f}",
        f"{sum(numbers(checked, 'check_seconds')):.0f}",
        ", ".join(sorted({row["commit"] for row in rows})),
    ]


def two_forms(results: Path) -> str:
    """The 45 networks as published in two forms, and how far apart these are at most; empty where unmeasured."""
    rows = read(results / "nnet_onnx.csv") or []
    if not rows:
        return ""
    by_network = {row["network"]: row for row in rows}
    lines = [
        [str(a), *(by_network[f"{a},{b}"]["proved_eps"] if f"{a},{b}" in by_network else "" for b in range(1, 10))]
        for a in range(1, 6)
    ]
    accepted = sum(row["check"] == "accepted" for row in rows)
    proved, sampled = numbers(rows, "proved_eps"), numbers(rows, "sampled_difference")
    commits, machines = (", ".join(sorted({row[name] for row in rows})) for name in ("commit", "machine"))
    return f"""\
## The two published forms of the 45 networks

The `.nnet` file of each network, its decimals exact, and its ONNX file, whose numbers differ by
{max(numbers(rows, "largest_difference_of_a_number")):.2g} at most: the EPS within which all outputs are proved to be on
the whole domain, the smallest one found in {rows[0]["seconds"]} s a network, {rows[0]["step"]} s for each try. Outputs
are the files' own; one unit is 373.9 of the tables' scores. `python benchmarks/nnet_onnx.py`, {machines}, commit
{commits}. EPS are {min(proved):.2g} to {max(proved):.2g}; certificates accepted: {accepted} of {len(rows)}, together
{sum(numbers(rows, "certificate_bytes")) / 1000:,.0f} KB, checked in {sum(numbers(rows, "check_seconds")):.0f} s. At
200,000 random points of each the largest difference is {max(sampled):.2g}: what is proved is far from what is so.

{markdown(["N(a, b)", *map(str, range(1, 10))], lines)}
"""
