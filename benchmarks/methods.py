"""The repair methods beside each other and beside published work, as markdown, from committed results.

    python benchmarks/methods.py [--tasks classic] [--results benchmarks/results]

reads repair-TASKS-METHOD.csv for each method, as benchmarks/repair.py writes them, for instance by the following. (The
JSON files say how the committed ones were made. What preserve.py proves is not read.)

    for method in auto milp gradient idle smt; do
        python benchmarks/repair.py --tasks classic --method $method --timeout 300 --prove 60; done

Shares and times are of the tasks that were repaired: a method that repairs few looks good there. A dash stands for
what was not measured, for methods without a file too.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

METHODS = ("auto", "milp", "gradient", "idle", "smt")
NONE = "–"

#: Work, tasks repaired, time a task, agreement or accuracy over the domain, proved by; as the papers report them.
PUBLISHED = (
    (
        "VERE (Ma et al., ICSE 2024)",
        "36 of 36",
        "seconds to tens of seconds, RTX 4090",
        "not reported; generalization 99.87% on average",
        "nothing: samples",
    ),
    (
        "ProRepair (Ma et al., CCS 2025, arXiv 2511.07741)",
        "36 of 36",
        "not reported",
        "not reported for regions",
        "CROWN and splitting",
    ),
    ("ART (Lin et al., FMCAD 2020)", "36 of 36 networks", "59 to 71 s", "90.4% at least, 96.1% on average", "DeepPoly"),
    (
        "Veritex (Yang et al., HSCC 2023)",
        "35 of 35 networks",
        "82 s on average, N(1,9) 11,250 s; 48 vCPU",
        "98.74% at least, 99.70% on average",
        "exact reachability",
    ),
    ("NNrepair (Usman et al., CAV 2021)", NONE, NONE, "no figures for these tasks known to us", NONE),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """text: of the rows of a method's repaired tasks, never none of them."""

    name: str
    text: Callable[[list[dict]], str]


def numbers(rows: Iterable[dict], name: str) -> list[float]:
    """What was measured of it."""
    return [float(row[name]) for row in rows if row.get(name)]


def over(name: str, text: Callable[[list[float]], str]) -> Callable[[list[dict]], str]:
    """text of what was measured; a dash where there is none."""

    def of(rows: list[dict]) -> str:
        values = numbers(rows, name)
        return text(values) if values else NONE

    return of


def unharmed(rows: list[dict]) -> str:
    """Tasks without a sampled advisory that changed where the original was safe."""
    return f"{sum(float(row['outside_changed']) == float(row['safe_changed']) == 0 for row in rows)}"


def in_box(rows: list[dict]) -> str:
    """The least and the mean agreement on the points of a task's boxes where the original was safe."""
    shares = [1 - float(row["safe_changed"]) / float(row["safe_points"]) for row in rows if float(row["safe_points"])]
    return least_and_mean(shares) if shares else NONE


def least_and_mean(shares: list[float]) -> str:
    return f"{percent(min(shares))}, {percent(mean(shares))}"


def percent(share: float) -> str:
    """With up to four digits behind the point; 100% only where it is all."""
    text = f"{100 * share:.4f}".rstrip("0").rstrip(".")
    return "> 99.9999%" if text == "100" and share < 1 else f"{text}%"


def middle_and_most(values: list[float]) -> str:
    return f"{round(median(values), 1):g}, {round(max(values), 1):g}"


MEASURES = (
    Measure("of these without a sampled advisory changed", unharmed),
    Measure("agreement outside the box: least, mean", over("outside_agreement", least_and_mean)),
    Measure("in the box where safe: least, mean", in_box),
    Measure("weights changed: median, most", over("weights", middle_and_most)),
    Measure("seconds with proofs: median, longest", over("repair_seconds", middle_and_most)),
    Measure(
        "advisory may differ on at most, proved: median, most",
        over("may_differ", lambda shares: f"{percent(median(shares))}, {percent(max(shares))}"),
    ),
    Measure("VERE's success: mean", over("vere_success", lambda shares: percent(mean(shares)))),
    Measure("generalization: mean", over("vere_generalization", lambda shares: percent(mean(shares)))),
    Measure("drawdown: mean, most", over("vere_drawdown", lambda s: f"{percent(mean(s))}, {percent(max(s))}")),
)


def column(method: str, rows: list[dict] | None) -> list[str]:
    """What a method achieved: rows of all its tasks, or None without a file."""
    good = [row for row in rows or () if float(row["exit"]) == 0]
    proved = NONE if rows is None else f"{len(good)} of {len(rows)}"
    return [method, proved, *(measure.text(good) if good else NONE for measure in MEASURES)]


def comparison(found: dict[str, list[dict] | None]) -> str:
    """A column for each method."""
    names = ["", "tasks repaired and proved", *(measure.name for measure in MEASURES)]
    head, *lines = zip(names, *(column(method, rows) for method, rows in found.items()))
    return markdown(head, lines)


def markdown(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    head = list(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))


def load(path: Path) -> dict:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read(path: Path) -> list[dict] | None:
    if not path.exists():
        return None
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append(path: Path, columns: Sequence[str], row: dict[str, object]) -> None:
    """Adds a row to a table, which is begun where there is none."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default="classic", choices=("classic", "other", "joint", "all"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    found = {method: read(arguments.results / f"repair-{arguments.tasks}-{method}.csv") for method in METHODS}
    if not any(found.values()):
        parser.error(
            f"{arguments.results} holds no repair-{arguments.tasks}-METHOD.csv; run benchmarks/repair.py first"
        )
    print(comparison(found))
    if arguments.tasks == "classic":
        print("\nPublished, of the same violations, each as its paper reports it:\n")
        print(
            markdown(
                ["work", "repaired", "time a task", "agreement or accuracy over the domain", "proved by"], PUBLISHED
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())


def middle(values: list[float]) -> str:
    half = len(values) // 2
    return f"{(values[half] + values[~half]) / 2:.1f}".removesuffix(".0")
