"""Boxes a second of the bound core, against the processor's floating-point peak.

    python benchmarks/bounds.py [--device cpu|cuda] [--out benchmarks/results/bounds.csv]

Random boxes of N(4,9) inside property 1's box, `depth` halvings of every input small. `full`: CROWN
for all hidden neurons of open sign from interval bounds, and the output row. `inherited`: the same
for a child that starts from its parent's bounds, as in the search: only what is open there is
computed. The work counted is that of the matrix products actually done.
"""

import argparse
import csv
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from machine import machine

from engine import load_network, load_property
from engine.acasxu.files import network_path, property_path
from engine.bounds.crown import Boxes, concretize, substitute, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.memory import keep_freed_memory

DEPTHS, BATCHES = (0, 2, 4, 6, 8), (64, 512, 4096)


def peak(device: str) -> float:
    """GFLOP/s of a large float64 matrix product."""
    a = torch.rand(2048, 2048, dtype=torch.float64, device=device)
    return 2 * 2048**3 / seconds(lambda: a @ a, device) / 1e9


def seconds(work, device: str, repeats: int = 5) -> float:
    """The fastest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def random_boxes(stack: Stack, roots, depth: int, n: int) -> Boxes:
    """Boxes whose inputs are 2^-depth of the root's, with interval bounds."""
    generator = torch.Generator().manual_seed(depth)
    whole = (roots.upper - roots.lower)[0]
    lower = roots.lower[0] + whole * (1 - 2.0**-depth) * torch.rand(n, 5, generator=generator, dtype=torch.float64).to(
        whole.device
    )
    upper = lower + whole * 2.0**-depth
    network = torch.zeros(n, dtype=torch.long, device=whole.device)
    return Boxes(network, lower, upper, *hidden_intervals(stack, network, lower, upper))


def child(boxes: Boxes) -> Boxes:
    """The lower halves of the boxes in every other input, with what is known of the parents."""
    upper = boxes.upper.clone()
    upper[:, ::2] = (boxes.lower + boxes.upper)[:, ::2] / 2
    return Boxes(boxes.network, boxes.lower, upper, boxes.l.clone(), boxes.u.clone())


def bound(stack: Stack, roots, boxes: Boxes) -> torch.Tensor:
    """A lower bound of the property's row on each box."""
    lines = tighten(stack, boxes)
    box = torch.arange(len(boxes), device=boxes.network.device)
    rows = roots.rows[0, 0, 0].expand(len(boxes), -1)
    return concretize(stack, boxes, substitute(stack, boxes, lines, rows, box, len(stack.layers)), box)


def products(stack: Stack, boxes: Boxes) -> float:
    """Floating-point operations of the matrix products for these boxes, per box."""
    open_ = ((boxes.l < 0) & (boxes.u > 0)).double().mean(0)
    sizes = [(layer.weight.shape[1] + 1) * (layer.weight.shape[2] + 1) for layer in stack.layers]
    rows = [2 * float(open_[part].sum()) for part in stack.slices[:-1]]
    return 2 * (sum(r * sum(sizes[:k]) for k, r in enumerate(rows)) + sum(sizes))


def measure(stack, roots, boxes: Boxes, threads: int, workers, device: str):
    """Seconds for all boxes, divided among the threads as the search divides them."""
    parts = torch.arange(len(boxes), device=boxes.network.device).chunk(threads)

    def work():
        copies = [Boxes(*(getattr(boxes, name)[part] for name in Boxes.__slots__)) for part in parts]
        list(workers.map(lambda part: bound(stack, roots, part), copies))

    return seconds(work, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/bounds.csv"))
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    keep_freed_memory()
    device, threads = arguments.device, torch.get_num_threads() if arguments.device == "cpu" else 1
    top, where = peak(device), machine()
    torch.set_num_threads(1)
    stack = Stack([load_network(network_path(4, 9))], device=device)
    roots = make_roots(stack, [0], list(load_property(property_path(1)).cases))
    lines = [f"# {where}", f"# peak: {top:.1f} GFLOP/s, a float64 product of 2048 x 2048 matrices"]
    table = [("kind", "depth", "batch", "rows_a_box", "boxes_a_second", "gflops", "of_peak")]
    with ThreadPoolExecutor(threads, initializer=torch.set_grad_enabled, initargs=(False,)) as workers:
        for depth in DEPTHS:
            for batch in BATCHES:
                fresh = random_boxes(stack, roots, depth, batch)
                parent = Boxes(*(getattr(fresh, name).clone() for name in Boxes.__slots__))
                tighten(stack, parent)
                for kind, boxes in (("full", fresh), ("inherited", child(parent))):
                    elapsed = measure(stack, roots, boxes, threads, workers, device)
                    rows = float(((boxes.l < 0) & (boxes.u > 0)).sum()) / batch
                    gflops = products(stack, boxes) * batch / elapsed / 1e9
                    table.append(
                        (
                            kind,
                            depth,
                            batch,
                            f"{rows:.1f}",
                            f"{batch / elapsed:.0f}",
                            f"{gflops:.1f}",
                            f"{gflops / top:.2f}",
                        )
                    )
                    print(*table[-1], sep="\t", flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("w", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)
        csv.writer(file, lineterminator="\n").writerows(table)


if __name__ == "__main__":
    main()
