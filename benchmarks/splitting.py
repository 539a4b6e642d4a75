"""Boxes and seconds where inputs are split, where signs are, and where the search finds out: on generated families.

    python benchmarks/splitting.py [--limit 20] [--out benchmarks/results/splitting.csv]

Random networks of 1 to 30 inputs, 1 to 8 layers of 8 to 512 neurons; on a box about the middle output 0 is to stay
above a level below what samples have, by a share of their range. Each is a search of its own, on one thread; seconds
are those of the processor. Up to 8 inputs are never split by signs first: both ways are the same there.
"""

import argparse
import csv
import time
from functools import partial
from pathlib import Path

import numpy as np
from generated import question, random_network
from machine import machine

from engine import Options, Problem, verify_all
from engine.network import Network
from engine.property import Property
from engine.search import branch_and_bound
from engine.search.state import ProblemState
from engine.search.ways import make_state

#: inputs, hidden layers, radius of the box, share of the samples' range below their least, and weights of each input
#: beside those of the one before
FAMILIES = [
    (1, (64, 64), 1.0, 0.01, 1.0),
    (2, (512,), 1.0, 0.05, 1.0),
    (3, (16,) * 8, 0.3, 0.1, 1.0),
    (5, (50, 50), 0.3, 0.1, 1.0),
    (8, (32, 32), 0.3, 0.2, 1.0),
    (10, (64,), 0.5, 0.2, 1.0),
    (12, (16, 16), 0.5, 0.4, 1.0),
    (14, (32, 32), 0.2, 0.3, 1.0),
    (20, (16, 16), 0.3, 0.5, 1.0),
    (30, (8, 8), 0.5, 0.6, 1.0),
    (12, (50, 50), 1.0, 0.05, 0.5),
    (14, (32, 32), 1.0, 0.1, 0.5),
    (14, (32, 32), 1.0, 0.02, 0.4),
    (20, (32,) * 3, 1.0, 0.05, 0.4),
    (30, (16,) * 8, 1.0, 0.1, 0.3),
]
WAYS = ("inputs", "signs", "found out")
SAMPLES = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--limit", type=float, default=20.0)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/splitting.csv"))
    arguments = parser.parse_args()
    table: list[tuple[object, ...]] = [
        ("inputs", "hidden", "radius", "level", "fade", "way", "verdict", "boxes", "cpu")
    ]
    print(*table[0], sep="\t")
    for inputs, hidden, radius, level, fade in FAMILIES:
        network = random_network((inputs, *hidden, 2), seed=0, fade=fade)
        problem = Problem(network, above(network, radius, level))
        for way in arguments.ways:
            found = measured(problem, way, arguments.limit)
            table.append((inputs, "x".join(map(str, hidden)), radius, level, fade, way, *found))
            print(*table[-1], sep="\t", flush=True)
    with arguments.out.open("w", newline="") as file:
        file.write(f"# {machine()}; limit {arguments.limit:.0f} s\n")
        csv.writer(file, lineterminator="\n").writerows(table)


def measured(problem: Problem, way: str, limit: float) -> tuple[str, int, str]:
    """The verdict, boxes, and seconds of processor time, where boxes are split this way."""
    branch_and_bound.make_state = {
        "inputs": partial(ProblemState, by_sign=False),
        "signs": ProblemState,
        "found out": make_state,
    }[way]
    start = time.process_time()
    (verdict,) = verify_all([problem], Options(device="cpu", threads=1, timeout=limit))
    return verdict.word, verdict.statistics.boxes, f"{time.process_time() - start:.2f}"


def above(network: Network, radius: float, level: float) -> Property:
    """That output 0 stays above a level, on the box of this radius about zero."""
    points = np.random.default_rng(0).uniform(-radius, radius, (SAMPLES, network.n_inputs))
    outputs = network.evaluate(points)[:, 0]
    return question(network, [[((1, 0), -(outputs.min() - level * np.ptp(outputs)))]], radius=radius)


if __name__ == "__main__":
    main()
