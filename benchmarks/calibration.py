"""Seconds that this machine takes, right now, for a fixed piece of the kind of work that the engine does.

    python benchmarks/calibration.py

The same work every time: batches of narrow float64 matrix products with clamps, as in the bounds, in as many threads
as the search uses; and small numpy and Python steps, as around them. Two runs on different machines, or on one that is
busy, are compared by their seconds divided by these.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from statistics import median

import numpy as np
import torch

RUNS = 5
BATCH = 4096  # rows of all threads together
WIDTH, LAYERS = 51, 6  # as of an ACAS Xu network, with its biases


def calibrate(runs: int = RUNS) -> float:
    """Seconds that the work takes: the median of several runs after one that does not count."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(before, initializer=torch.set_num_threads, initargs=(1,)) as workers:
            return median([_seconds(workers, before) for _ in range(runs + 1)][1:])
    finally:
        torch.set_num_threads(before)


def _seconds(workers: ThreadPoolExecutor, threads: int) -> float:
    start = time.perf_counter()
    total = sum(workers.map(tensor_work, [BATCH // threads] * threads))
    total += python_work()
    assert np.isfinite(total)
    return time.perf_counter() - start


def tensor_work(rows: int) -> float:
    """Takes rows through layers, forth and back, twenty times; returns the sum of all results."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(LAYERS, WIDTH, WIDTH, generator=generator, dtype=torch.float64) / WIDTH**0.5
    start = torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64)
    total = 0.0
    for _ in range(20):
        h = start
        for weight in weights:
            h = (h @ weight).clamp(min=0)
        for weight in weights:
            h = h.clamp(max=0).addcmul_(h, h, value=-0.01) @ weight.T
        total += float(h.sum())
    return total


def python_work() -> float:
    """Works on small arrays, a dictionary and rationals, one step after the other; returns their sum."""
    random = np.random.default_rng(0)
    values, slots = random.normal(size=50), dict[int, float]()
    for i in range(3_000):
        values = np.maximum(values * 0.99 + 0.01, -1.0)
        slots[i % 97] = float(values[i % 50])
    exact = sum((Fraction(v) * Fraction(i) for i, v in enumerate(slots.values())), Fraction(0))
    return float(exact)


if __name__ == "__main__":
    print(f"{calibrate():.4f} s")
