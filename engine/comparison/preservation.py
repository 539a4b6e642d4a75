"""Proved preservation: a bound of the share of the domain where a changed network may give another advisory.

The advisory is the lowest output, the first of equals, in real arithmetic; of the highest, the same is proved with both
networks' mirror images (mirror.py). Both networks are bounded as a pair (pair.py, pair_bounds.py) by branch and bound
(pair_search.py). With E the outputs that are proved, on a box or an ancestor, to be nowhere lowest in either network, a
box is closed

- as equal, where no output differs;
- as the same advisory, where all outputs that may differ are in E (the others are equal, and one of them is lowest),
  or all outputs but one are in E.

The boxes that are not closed hold, at any time, every input where the advisory may differ.

Equality is found by the layers before the last one with changes, the front. Where nothing is excluded on a box or
an ancestor, only the front's neurons are bounded: with a change that only acts in a small region, that is cheap
and closes nearly everything. Certificate and checker follow the same rule (docs/certificate-format.md, section 9).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf

import numpy as np
import torch

from engine.comparison.pair import lowest
from engine.comparison.pair_bounds import PairBounds
from engine.comparison.pair_search import Ends, PairSearch
from engine.deadline import Deadline
from engine.errors import InputError
from engine.memory import keep_freed_memory
from engine.network import Network
from engine.proof import Proof
from engine.property import Case, Vector


@dataclass(frozen=True, slots=True)
class Progress:
    """Shares of the domain's volume where the advisory may differ, and where outputs may; boxes bounded, and open."""

    open: float
    unequal: float
    boxes: int
    open_boxes: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Preservation:
    """On all but the share `open` of the domain the advisory is the same, on all but `unequal` all outputs are.

    boxes: the number that were bounded; open_boxes: [n, 2, inputs], the ends of those that stayed open; proof: of both
    shares, over one case.
    """

    open: Fraction
    unequal: Fraction
    boxes: int
    seconds: float
    open_boxes: np.ndarray
    proof: Proof
    case: Case


def preservation(
    original: Network,
    changed: Network,
    *,
    lower: Vector,
    upper: Vector,
    timeout: float | None = None,
    max_boxes: int | None = None,
    enough: float = 0.0,
    first: Sequence[Ends] = (),
    batch: int = 512,
    threads: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Preservation:
    """Proves where in the box [lower, upper] the advisory stays the same, large boxes that are nearly closed first.

    It ends after `timeout` seconds, after the batch that brings the boxes bounded to `max_boxes`, or when at most the
    share `enough` is open. Boxes are first cut at the faces of the boxes `first` (lower, upper), which may be where
    outputs change. InputError where the networks have different shapes, the box has no volume, or no float64 holds a
    network's numbers.
    """
    for network in (original, changed):
        network.demand_own_numbers("a proof of what stays the same")
        network.demand_whole_layers("a proof of what stays the same")
        network.demand_relus("a proof of what stays the same")
    case = Case(tuple(lower), tuple(upper), lowest(original.n_inputs, original.n_outputs))
    if not all(a < b for a, b in zip(lower, upper)):
        raise InputError("the domain has no volume", advice="choose a domain that is wide in every input")
    keep_freed_memory()
    before, start = torch.get_num_threads(), time.monotonic()
    deadline = Deadline(start + (inf if timeout is None else timeout))
    threads = threads or before
    torch.set_num_threads(1)  # dividing batches is faster than dividing operations
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers, torch.no_grad():
            bounds = PairBounds(original, changed, case, deadline)
            search = PairSearch(bounds, first, workers, parts=threads, batch=batch)
            while search.step():
                seconds = time.monotonic() - start
                if on_progress:
                    on_progress(_progress(search, seconds))
                out_of_time = timeout is not None and seconds >= timeout
                if search.open <= enough or out_of_time or (max_boxes is not None and search.boxes >= max_boxes):
                    break
    finally:
        torch.set_num_threads(before)
    return _result(search, case, time.monotonic() - start)


def _progress(search: PairSearch, seconds: float) -> Progress:
    return Progress(search.open, min(1.0, search.open + search.same), search.boxes, search.open_boxes, seconds)


def _result(search: PairSearch, case: Case, seconds: float) -> Preservation:
    open_boxes, volume = search.finish()
    return Preservation(
        _rounded_up(volume),
        _rounded_up(volume + search.same),
        search.boxes,
        seconds,
        open_boxes.numpy(),
        search.proof(),
        case,
    )


def _rounded_up(share: float) -> Fraction:
    """A share that is above the sum of fewer than 2^22 positive terms of float64, each off by less than 2^-49."""
    return min(Fraction(1), Fraction(ceil(share * (1 + 2.0**-30) * 10**12), 10**12))
