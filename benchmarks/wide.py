"""Boxes and processor seconds on wide hidden layers and many inputs, beside the nodes of a MILP solver.

    python benchmarks/wide.py [--limit 60] [--ways engine signs highs] [--out benchmarks/results/wide.csv]

Random networks of one or two hidden layers; on a box about zero output 0 is to stay above its exact minimum, less a
share of the root's gap: that between the minimum and the least value of its linear relaxation. HiGHS looks for the
minimum by big-M, with the engine's bounds of the root's neurons, to its usual gap. Each question is a search of its
own, on one thread. Limits are of wall time, seconds of the processor.

ways: `engine` as it is; `signs`, without a rival tree that splits inputs; `highs`, which prints the minima, too.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
from generated import question, random_network
from machine import machine
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from engine import Options, Problem, verify_all
from engine.bounds.blocks import make_stack
from engine.bounds.roots import make_roots
from engine.network import Network
from engine.property import Property
from engine.search import branch_and_bound
from engine.search.batch import bounded
from engine.search.frontier import root_nodes
from engine.search.state import ProblemState
from engine.search.ways import make_state
from engine.solvers.milp import box_program

#: inputs and hidden layers, radius of the box, minimum of output 0 there and of its relaxation, as `--ways highs` finds
FAMILIES = [
    ((20, 64), 0.1, -0.28157, -0.75367),
    ((20, 64), 0.2, -0.68817, -1.92164),
    ((10, 128), 0.1, -0.71716, -1.08038),
    ((30, 128), 0.03, 0.46119, 0.34525),
    ((30, 128), 0.05, 0.29644, -0.04154),
    ((20, 64, 64), 0.03, -0.11980, -0.24036),
]
SHARES = (0.05, 0.001)
WAYS = ("engine", "signs", "highs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/wide.csv"))
    arguments = parser.parse_args()
    table: list[tuple[object, ...]] = [("network", "radius", "share", "way", "verdict", "boxes", "cpu")]
    print(*table[0], sep="\t")
    for widths, radius, least, relaxed in FAMILIES:
        network = random_network((*widths, 2), seed=0)
        name = "-".join(map(str, widths))
        if "highs" in arguments.ways:
            table.append((name, radius, "", "highs", *minimized(network, radius, arguments.limit)))
            print(*table[-1], sep="\t", flush=True)
        for share in arguments.shares:
            asked = above(network, radius, least - share * (least - relaxed))
            for way in (way for way in arguments.ways if way != "highs"):
                table.append((name, radius, share, way, *searched(Problem(network, asked), way, arguments.limit)))
                print(*table[-1], sep="\t", flush=True)
    with arguments.out.open("w", newline="") as file:
        file.write(f"# {machine()}; limit {arguments.limit:.0f} s\n")
        csv.writer(file, lineterminator="\n").writerows(table)


def above(network: Network, radius: float, level: float) -> Property:
    """That output 0 stays above a level, on the box of this radius about zero."""
    return question(network, [[((1, 0), -level)]], radius=radius)


def searched(problem: Problem, way: str, limit: float) -> tuple[str, int, str]:
    """The verdict, boxes, and seconds of processor time."""
    branch_and_bound.make_state = ProblemState if way == "signs" else make_state
    start = time.process_time()
    (verdict,) = verify_all([problem], Options(device="cpu", threads=1, timeout=limit))
    return verdict.word, verdict.statistics.boxes, f"{time.process_time() - start:.2f}"


def minimized(network: Network, radius: float, limit: float) -> tuple[str, int, str]:
    """The least value of output 0, and in brackets that of the relaxation, nodes, and seconds of processor time."""
    (case,) = above(network, radius, 0.0).cases
    stack = make_stack([network], device="cpu", semantics="real")
    roots = make_roots(stack, [0], [case])
    nodes = root_nodes(roots, torch.tensor([0]))
    bounded(stack, roots, nodes)
    ends = nodes.lower[0].numpy(), nodes.upper[0].numpy(), nodes.l[0].double().numpy(), nodes.u[0].double().numpy()
    program = box_program(network, case.unsafe[0], *ends)
    objective = np.zeros(len(program.low))
    objective[-1] = -1.0

    def solve(whole: np.ndarray) -> OptimizeResult:
        limits = Bounds(program.low, program.high), LinearConstraint(program.matrix, -np.inf, program.limits)
        return milp(
            objective, integrality=whole, bounds=limits[0], constraints=limits[1], options={"time_limit": limit}
        )

    relaxed = solve(np.zeros_like(program.whole)).fun
    start = time.process_time()
    found = solve(program.whole)
    seconds = f"{time.process_time() - start:.2f}"
    word = f"minimum {found.fun:.5f} ({relaxed:.5f})" if found.status == 0 else "timeout"
    return word, found.mip_node_count or 0, seconds


if __name__ == "__main__":
    main()
