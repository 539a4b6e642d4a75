"""The worth of the branching rule, the slope optimization and the sign splits, in boxes and seconds.

    python benchmarks/branching.py [--out benchmarks/results/branching.csv]

The settings are the same for every instance; each is measured on the same hard instances, one run.
"""

import argparse
import csv
from pathlib import Path

from machine import machine

from engine import Options, Problem, load_network, load_property, verify_all
from engine.acasxu.files import network_path, property_path
from engine.search import branching

INSTANCES = [((3, 3), 2), ((4, 2), 2), ((1, 1), 6), ((4, 9), 1), ((3, 3), 9), ((1, 1), 4), ((2, 1), 3), ((1, 8), 2)]
SETTINGS = [
    ("default", branching.WIDTH_POWER, {}),
    ("width^1", 0.0, {}),
    ("width^1.25", 0.25, {}),
    ("width^2", 1.0, {}),
    ("slopes 3 steps", branching.WIDTH_POWER, {"steps": 3}),
    ("slopes 10 steps", branching.WIDTH_POWER, {"steps": 10}),
    ("slopes 20 steps", branching.WIDTH_POWER, {"steps": 20}),
    ("signs after 16 splits", branching.WIDTH_POWER, {"stalled": 16}),
    ("signs after 32 splits", branching.WIDTH_POWER, {"stalled": 32}),
]
LIMIT = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/branching.csv"))
    arguments = parser.parse_args()
    problems = [Problem(load_network(network_path(*net)), load_property(property_path(k))) for net, k in INSTANCES]
    table = [("setting", "network", "property", "verdict", "boxes", "seconds")]
    for name, power, options in SETTINGS:
        branching.WIDTH_POWER = power
        for (net, k), problem in zip(INSTANCES, problems):
            verdict = verify_all([problem], Options(timeout=LIMIT, **options))[0]
            statistics = verdict.statistics
            table.append(
                (name, f"N{net}".replace(" ", ""), k, verdict.word, statistics.boxes, f"{statistics.seconds:.2f}")
            )
            print(*table[-1], sep="\t", flush=True)
    with arguments.out.open("w", newline="") as file:
        file.write(f"# {machine()}; limit {LIMIT:.0f} s\n")
        csv.writer(file, lineterminator="\n").writerows(table)


if __name__ == "__main__":
    main()
