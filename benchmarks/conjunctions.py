"""The time to the first counterexample where what is unsafe is a thin conjunction of five rows.

    python benchmarks/conjunctions.py [--seeds 10] [--limit 60] [--out benchmarks/results/conjunctions.csv]

Random networks of 5 inputs and 5 outputs. Two outputs are to lie in bands of a given width, as a share of the range
that samples have, around the outputs at a point of the box, and a third is to be at least what it is there less the
width: every question has a counterexample. Each is a search of its own, on one thread.
"""

import argparse
import csv
from pathlib import Path
from statistics import mean

import numpy as np
from generated import question, random_network
from machine import machine

from engine import Options, Problem, verify_all
from engine.network import Network
from engine.property import Property

HIDDEN = ((20, 20), (50, 50), (50, 50, 50, 50))
WIDTHS = (1e-1, 1e-2, 1e-3, 1e-4)
SAMPLES = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/conjunctions.csv"))
    arguments = parser.parse_args()
    table: list[tuple[object, ...]] = [
        ("hidden", "width", "found", "of", "mean boxes", "mean seconds", "worst seconds")
    ]
    print(*table[0], sep="\t")
    for hidden in HIDDEN:
        for width in WIDTHS:
            row = _measured(hidden, width, arguments.seeds, arguments.limit)
            table.append(row)
            print(*row, sep="\t", flush=True)
    with arguments.out.open("w", newline="") as file:
        file.write(f"# {machine()}; limit {arguments.limit:.0f} s\n")
        csv.writer(file, lineterminator="\n").writerows(table)


def _measured(hidden: tuple[int, ...], width: float, seeds: int, limit: float) -> tuple[object, ...]:
    found, boxes, seconds = 0, [], []
    for seed in range(seeds):
        network = random_network((5, *hidden, 5), seed=seed)
        asked = Problem(network, thin(network, width, seed=seed))
        (verdict,) = verify_all([asked], Options(device="cpu", threads=1, timeout=limit))
        found += verdict.word == "sat"
        boxes.append(verdict.statistics.boxes)
        seconds.append(verdict.statistics.seconds)
    shape = "x".join(map(str, hidden))
    return shape, width, found, seeds, round(mean(boxes)), f"{mean(seconds):.3f}", f"{max(seconds):.3f}"


def thin(network: Network, width: float, *, seed: int) -> Property:
    """That outputs 0 and 1 are not both in their bands with output 2 as large as at the chosen point."""
    points = np.random.default_rng(seed).uniform(-1, 1, (SAMPLES, network.n_inputs))
    outputs = network.evaluate(points)
    slack = width * np.ptp(outputs, axis=0)
    at = outputs[0]
    unit = np.eye(network.n_outputs)
    bands = [(sign * unit[i], -sign * at[i] - slack[i]) for i in (0, 1) for sign in (1, -1)]
    return question(network, [[*bands, (-unit[2], at[2] - slack[2])]])


if __name__ == "__main__":
    main()
