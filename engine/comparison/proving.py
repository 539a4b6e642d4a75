"""The run of a proof about two networks on the boxes of a domain: its limits, threads, and how far it is."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf

import torch

from engine.comparison.pair import first_difference
from engine.comparison.pair_search import Ends, PairSearch, SearchBounds
from engine.deadline import Deadline
from engine.errors import InputError
from engine.memory import keep_freed_memory
from engine.network import Network
from engine.property import Vector


@dataclass(frozen=True, slots=True)
class Limits:
    """A proof ends after `timeout` seconds, after the batch that brings the boxes bounded to `max_boxes`, or when at
    most the share `enough` is open.

    batch: boxes bounded at once; threads: among which each batch is divided, 0 for torch's number.
    """

    timeout: float | None = None
    max_boxes: int | None = None
    enough: float = 0.0
    batch: int = 512
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Shares of the domain's volume where the advisory may differ, and where outputs may; boxes bounded, and open."""

    open: float
    unequal: float
    boxes: int
    open_boxes: int
    seconds: float


def demand_provable(original: Network, changed: Network, lower: Vector, upper: Vector) -> None:
    """InputError where the networks have different shapes, the box has no volume, or a network is not of ReLUs, on
    whole layers, and numbers of its own."""
    for network in (original, changed):
        network.demand_own_numbers("a proof of what stays the same")
        network.demand_whole_layers("a proof of what stays the same")
        network.demand_relus("a proof of what stays the same")
    first_difference(original, changed)
    if not all(a < b for a, b in zip(lower, upper)):
        raise InputError("the domain has no volume", advice="choose a domain that is wide in every input")


def prove_boxes(
    make: Callable[[Deadline], SearchBounds],
    first: Sequence[Ends],
    limits: Limits,
    on_progress: Callable[[Progress], None] | None,
) -> tuple[PairSearch, float]:
    """The search with the bounds that `make` gives it, until a limit is reached, and the seconds that it took.

    first: boxes at whose faces boxes are cut first.
    """
    keep_freed_memory()
    before, start = torch.get_num_threads(), time.monotonic()
    deadline = Deadline(start + (inf if limits.timeout is None else limits.timeout))
    threads = limits.threads or before
    torch.set_num_threads(1)  # dividing batches is faster than dividing operations
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers, torch.no_grad():
            search = PairSearch(make(deadline), first, workers, parts=threads, batch=limits.batch)
            while search.step():
                seconds = time.monotonic() - start
                if on_progress:
                    on_progress(_progress(search, seconds))
                if _is_over(search, seconds, limits):
                    break
    finally:
        torch.set_num_threads(before)
    return search, time.monotonic() - start


def _is_over(search: PairSearch, seconds: float, limits: Limits) -> bool:
    out_of_time = limits.timeout is not None and seconds >= limits.timeout
    many_boxes = limits.max_boxes is not None and search.boxes >= limits.max_boxes
    return search.open <= limits.enough or out_of_time or many_boxes


def _progress(search: PairSearch, seconds: float) -> Progress:
    return Progress(search.open, min(1.0, search.open + search.same), search.boxes, search.open_boxes, seconds)


def rounded_up(share: float) -> Fraction:
    """A share that is above the sum of fewer than 2^22 positive terms of float64, each off by less than 2^-49."""
    return min(Fraction(1), Fraction(ceil(share * (1 + 2.0**-30) * 10**12), 10**12))
