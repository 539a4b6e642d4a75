"""The gain of searching the part of a network that the free inputs reach, in seconds and memory.

    acasxu images train --data fashion-mnist --model lq --out fashion-lq.onnx
    python benchmarks/cone.py fashion-lq.onnx [--images 4] [--limit 20] [--out benchmarks/results/cone.csv]

The question about each image: whatever stands in a square in its middle, in 0..1, its class is the one it has. At last
all pixels are free, by 1/255. Each row is a process of its own, on one thread; its memory is what the search
takes beyond the most that was held before, when network and images were read.
"""

import argparse
import csv
import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from math import isqrt
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from machine import machine

from engine import Options, Problem, load_network, verify_all
from engine.images.datasets import load_dataset
from engine.network import Network
from engine.property import Case, Polytope, Property, Row
from engine.search import cones

SIDES = (3, 5, 7, 10)
WHOLE_BY = Fraction(1, 255)


@dataclass(frozen=True, slots=True)
class Task:
    """Images of a set, and the free inputs: a square of this side, or all of them where it is 0."""

    network: Path
    data: str
    side: int
    images: int
    in_cone: bool
    limit: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times are those that a problem took by itself on average, in seconds; memory is in MB."""

    free: int
    cone: bool
    unsat: int
    sat: int
    undecided: int
    boxes: int
    seconds: float
    memory: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--limit", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/cone.csv"))
    arguments = parser.parse_args()
    names = [field.name for field in fields(Outcome)]
    print(*names, sep="\t", flush=True)
    rows = []
    for side in (*SIDES, 0):
        for in_cone in (True, False):
            task = Task(arguments.network, arguments.data, side, arguments.images, in_cone, arguments.limit)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                rows.append(astuple(process.submit(measured, task).result()))
            print(*rows[-1], sep="\t", flush=True)
    with arguments.out.open("w", newline="") as file:
        file.write(f"# {machine()}; {arguments.network.name}, limit {arguments.limit:.0f} s\n")
        csv.writer(file, lineterminator="\n").writerows([names, *rows])


def measured(task: Task) -> Outcome:
    """The outcome of all images of a task together, in this process."""
    network, images = load_network(task.network), load_dataset(task.data).held_out.images
    pixels = images.reshape(len(images), -1)[: task.images].astype(np.float64)
    problems = [Problem(network, question(network, image, task.side)) for image in pixels]
    options = Options(device="cpu", threads=1, timeout=task.limit, proofs=True)
    if not task.in_cone:
        cones.MOST_FREE = -1.0
    before = peak()
    verdicts = verify_all(problems, options)
    words = [verdict.word for verdict in verdicts]
    decided = words.count("unsat"), words.count("sat")
    return Outcome(
        task.side**2 or network.n_inputs,
        task.in_cone,
        *decided,
        len(words) - sum(decided),
        sum(verdict.statistics.boxes for verdict in verdicts),
        round(sum(verdict.statistics.seconds for verdict in verdicts) / len(verdicts), 3),
        round((peak() - before) / 2**10),
    )


def question(network: Network, image: np.ndarray, side: int) -> Property:
    """The class of the image is that of all images that differ from it in the free pixels alone."""
    size = isqrt(len(image))
    inputs = np.arange(len(image)).reshape(size, size)
    start = (size - side) // 2
    free = set(inputs[start : start + side, start : start + side].ravel().tolist())
    lower, upper = ([Fraction(float(v)) for v in image] for _ in range(2))
    for i in range(len(image)):
        if not side:
            lower[i], upper[i] = max(lower[i] - WHOLE_BY, Fraction(0)), min(upper[i] + WHOLE_BY, Fraction(1))
        elif i in free:
            lower[i], upper[i] = Fraction(0), Fraction(1)
    scores, none = network.evaluate(image), (Fraction(0),) * len(image)
    label, count = int(scores.argmax()), len(scores)
    unsafe = [
        Polytope((Row(none, tuple(Fraction((j == label) - (j == c)) for j in range(count)), Fraction(0)),))
        for c in range(count)
        if c != label
    ]
    return Property((Case(tuple(lower), tuple(upper), tuple(unsafe)),), len(image), count)


def peak() -> int:
    """The most memory that this process has held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
