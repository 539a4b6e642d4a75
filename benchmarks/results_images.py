"""Sections of docs/results.md about image classifiers (results_page.py)."""

from pathlib import Path

from methods import NONE, load, markdown, numbers, read


def classifiers(results: Path) -> str:
    """The repairs of image classifiers: the worst of the seeds in each column."""
    machine = load(results / "images.json")
    groups: dict[tuple[str, str], list[dict]] = {}
    for line in read(results / "images.csv") or []:
        groups.setdefault((line["row"], line["method"].split(":")[0]), []).append(line)
    worst = (
        ("points_lost", max, "{:+.2f}"),
        ("success_before", min, "{:.2%}"),
        ("success_after", max, "{:.2%}"),
        ("worst_neighbour_after", max, "{:.2%}"),
        ("faults_right_before", min, "{:.1%}"),
        ("faults_right_after", min, "{:.1%}"),
        ("given_right_after", min, "{:.1%}"),
        ("guard_detection", min, "{:.2%}"),
        ("guard_false_alarms", max, "{:.2%}"),
        ("weights", max, "{:,.0f}"),
        ("seconds", max, "{:.0f}"),
    )
    lines = []
    for (row, method), found in sorted(groups.items()):
        cells = [row, method, str(len(found))]
        for name, choose, form in worst:
            values = numbers(found, name)
            cells.append(form.format(choose(values)) if values else NONE)
        lines.append(cells)
    commits = ", ".join(sorted({line["commit"] for found in groups.values() for line in found}))
    head = ["row", "method", "seeds", "points lost", "success before", "after", "neighbours after"]
    head += ["faults right before", "after", "given right", "guard finds", "false alarms", "weights", "seconds"]
    return f"""\
## Image classifiers repaired

`python benchmarks/images.py`, {machine["processor"]}, commits {commits}.
Each cell is the worst of the seeds, on held-out images; seconds are of the repair on one thread, beside other work on
the machine. Points lost are of accuracy on clean images; below 0 it rose. What the rows are stands in
`benchmarks/images.py`; the weak network was trained on a tenth of the images, and its repair has them all. A share of
0 of MNIST-5k's 900 triggered images says that the true one is below 0.34% (95% confidence).

{markdown(head, lines)}
"""


def scans(results: Path) -> str:
    lines = [
        [
            f"{found['data']}, {found['network']}",
            f"{found['false_alarms']} of {found['clean']}",
            f"{found['missed']} of {found['poisoned']}",
            f"{found['published_false_alarms']} of {found['clean']}",
            f"{found['published_missed']} of {found['poisoned']}",
            str(found["backdoor_not_learned"]),
            f"{found['cpu_seconds_a_scan']:.1f}",
        ]
        for found in load(results / "images-scan.json")
    ]
    head = ["networks", "false alarms", "missed", "published index: false alarms", "missed", "left out"]
    return f"""\
## Scans for backdoors

`python benchmarks/images_scan.py`: clean and poisoned networks of seeds that no constant was chosen by. Left out are
poisoned networks whose backdoor succeeds on fewer than 90% of images.

{markdown([*head, "processor seconds a scan"], lines)}
"""
