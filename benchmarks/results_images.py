"""Sections of docs/results.md about image classifiers (results_page.py)."""

from collections import Counter
from math import ceil
from pathlib import Path
from statistics import median

from methods import NONE, load, markdown, numbers, read
from results_tables import place, table_of

FIGURES = (
    "accuracy_before",
    "accuracy_after",
    "success_before",
    "success_after",
    "bound",
    "repair_seconds",
    "proof_seconds",
    "check_seconds",
    "exact_seconds",
)


def commits_of(rows: list[dict]) -> str:
    """The commits that rows were measured at."""
    return ", ".join(sorted({row["commit"] for row in rows}))


LEFT = {"margin": 1, "bound": 1, "boxes": 0}  # of open questions: columns, and their decimals


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


def proved(results: Path) -> str:
    """Backdoors removed with a proof; nothing where that was not measured."""
    rows = read(results / "images-certified.csv")
    if rows is None:
        return ""
    machine = load(results / "images-certified.json")
    lines = []
    for row in rows:
        value = {name: float(row[name]) for name in FIGURES}
        lines.append(
            [
                f"{row['row']}, seed {row['seed']}",
                f"{value['accuracy_before']:.2%} to {value['accuracy_after']:.2%}",
                f"{value['success_before']:.1%} to {value['success_after']:.2%}",
                f"{row['proved']}, {row['refuted']}, {row['open']}, {row['wrong']}",
                f"{ceil(value['bound'] * 10**4) / 100:.2f}%",
                f"{value['repair_seconds']:,.0f}, {value['proof_seconds']:,.0f}",
                f"{int(row['certificate_bytes']) / 1000:,.0f} KB",
                f"{row['checked']}, {value['check_seconds']:,.0f} s",
                f"{row['exact']}, {row['exact_leaves']} leaves, {value['exact_seconds']:,.0f} s",
            ]
        )
    head = ["", "accuracy", "success of the trigger", "proved, refuted, open, wrong as they are"]
    head += ["any content of the patch succeeds on at most, proved", "repair, proof: seconds", "certificate"]
    return f"""\
## Backdoors removed with a proof

`python benchmarks/images_certified.py`, {machine["processor"]}, commits {commits_of(rows)}; one thread,
beside other work on the machine. Each network was poisoned by BadNets (`square:4@corner`), and is repaired until
nothing in a patch of the size that the row names succeeds on more than 3%; all figures are of held-out images, and the
bound is of those that are not labelled with the target. The certificate is checked whole in float64, and a sample of
its leaves in exact arithmetic. `all`: an image is proved where it is at every position of the patch.

{markdown([*head, "checked", "exactly"], lines)}
"""


def pools(results: Path) -> str:
    """Images of networks with maximum pools that are decided; empty where that was not measured."""
    rows = read(results / "images-pools.csv") or []
    if not rows:
        return ""
    said, lines = load(results / "images-pools.json"), []
    for row in rows:
        asked, left = int(row["questions"]), int(row["open"])
        network = said["networks"][row["network"]]
        success = network["success"]
        lines.append(
            [
                row["network"].removeprefix(f"{row['data']}-"),
                f"{network['accuracy']:.1%}, {NONE if success is None else format(success, '.1%')}",
                row["patch"],
                ", ".join(row[word] for word in ("proved", "refuted", "open", "wrong")),
                f"{(asked - left) / asked:.1%}",
                f"{float(row['cpu_seconds']) / asked:.3f}",
                f"{row['checked']}, {float(row['check_seconds']):.1f} s",
            ]
        )
    head = ["network", "accuracy, success of the trigger", "patch", "proved, refuted, open, wrong as they are"]
    head += ["decided", "processor s an image", "certificate"]
    return f"""\
## A patch before maximum pools

`python benchmarks/images_pools.py`, {said["processor"]}, one thread, commits {commits_of(rows)}: NNrepair's network of
eight layers (`lq`), not repaired; can any content of a patch in the corner or in the middle give class 7? Held-out
images of MNIST-5k, drawn by class; limit {float(rows[0]["timeout"]):g} s each. BadNets' trigger (`square:4@corner`)
lies on the corner's patch, so that there most images of the poisoned networks are refuted.

{markdown(head, lines)}
"""


def cones(results: Path) -> str:
    """The gain of searching what the free inputs reach; empty where it was not measured."""
    rows: dict[str, dict[str, dict]] = {}
    for row in table_of(results / "cone.csv"):
        rows.setdefault(row["free"], {})[row["cone"]] = row
    if not rows:
        return ""

    def cells(row: dict) -> list[str]:
        return [f"{row['unsat']}, {row['sat']}, {row['undecided']}", row["boxes"], row["seconds"], row["memory"]]

    table = [[free, *cells(both["False"]), *cells(both["True"])] for free, both in rows.items()]
    names = ["proved, refuted, open", "boxes", "seconds each", "MB"]
    head = ["free inputs", *names, *(f"in the cone: {name}" for name in names)]
    return f"""\
## The cone of the free inputs

Three Fashion-MNIST images: whatever stands in a square in the middle, the class is the same; at last all pixels are
free, by 1/255. `python benchmarks/cone.py`, {place(results / "cone.csv")}: a clean network with two maximum pools,
limit 15 s an image, one thread. MB: what the search takes beyond what was held before.

{markdown(head, table)}
"""


def robustness(results: Path) -> str:
    """Images within eps of given ones: how many are decided; empty where that was not measured."""
    groups: dict[tuple[str, ...], list[dict]] = {}
    for row in read(results / "robustness.csv") or []:
        groups.setdefault((row["network"], row["eps"], f"{float(row['timeout']):g}"), []).append(row)
    if not groups:
        return ""
    said, lines = load(results / "robustness.json"), []
    for (network, eps, limit), rows in groups.items():
        words = Counter(row["verdict"] for row in rows)
        left = [row for row in rows if row["verdict"] not in ("unsat", "sat")]
        counts = [str(words["unsat"]), str(words["sat"]), str(len(left))]
        of_left = [f"{median(numbers(left, name)):,.{digits}f}" if left else "" for name, digits in LEFT.items()]
        lines.append([network, f"{said['accuracy'][network]:.1%}", eps, limit, *counts, *of_left])
    commits = ", ".join(sorted({row["commit"] for rows in groups.values() for row in rows}))
    head = ["network", "accuracy", "eps", "limit, s", "proved", "refuted", "open", "their margin", "first bound"]
    head += ["boxes"]
    return f"""\
## Robustness of other classifiers

MNIST-5k, networks trained here without any thought of robustness but for `-pgd`: is each image within eps, pixel by
pixel, of held-out ones that are drawn at random over all classes, classified as they are?
`python benchmarks/robustness.py`, {said["processor"]}, one thread, commits {commits}. Limits are seconds of the
processor. Of what is left open there are medians: of the margin between the image's best two scores; of the least bound
of such a margin before anything is split; and of the boxes until the limit.

{markdown(head, lines)}

What is left, and why: each layer's lines lose more. Where the first bound lacks about half the margin, splits win it
back within a minute; where it lacks many times as much, they do not. Tighter bounds of hidden neurons would decide
these questions, but optimized slopes do not give them ([measured](explanation/bounds.md)).
"""


def positions(results: Path) -> str:
    """A patch at all positions; empty where that was not measured."""
    rows = read(results / "images-positions.csv") or []
    if not rows:
        return ""
    lines = [
        [
            row["network"],
            f"{row['patch']}, {row['positions']}",
            row["images"],
            ", ".join(row[word] for word in ("proved", "refuted", "open", "wrong")),
            f"{float(row['bound']):.1%}",
            f"{int(row['questions']):,}: "
            + ", ".join(f"{int(row[f'questions_{word}']):,}" for word in ("proved", "refuted", "open")),
            f"{float(row['cpu_seconds']):,.0f}",
            f"{row['checked']}, {float(row['check_seconds']):,.0f} s",
        ]
        for row in rows
    ]
    head = ["network", "patch, positions", "images", "proved, refuted, open, wrong as they are", "bound"]
    head += ["questions: proved, refuted, open", "processor s", "certificate"]
    return f"""\
## A patch at all positions

Is an image proved at all positions? `python benchmarks/images_positions.py`, one thread,
{float(rows[0]["timeout"]):g} s a question, commits {commits_of(rows)}. The networks were repaired with this patch.

{markdown(head, lines)}
"""
