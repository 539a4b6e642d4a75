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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.comparison.pair import lowest
from engine.comparison.pair_bounds import PairBounds
from engine.comparison.pair_search import Ends, PairSearch
from engine.comparison.proving import Limits, Progress, demand_provable, prove_boxes, rounded_up
from engine.network import Network
from engine.proof import Proof
from engine.property import Case, Vector


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
    demand_provable(original, changed, lower, upper)
    case = Case(tuple(lower), tuple(upper), lowest(original.n_inputs, original.n_outputs))
    limits = Limits(timeout=timeout, max_boxes=max_boxes, enough=enough, batch=batch, threads=threads)
    search, seconds = prove_boxes(
        lambda deadline: PairBounds(original, changed, case, deadline), first, limits, on_progress
    )
    return _result(search, case, seconds)


def _result(search: PairSearch, case: Case, seconds: float) -> Preservation:
    open_boxes, volume = search.finish()
    return Preservation(
        rounded_up(volume),
        rounded_up(volume + search.same),
        search.boxes,
        seconds,
        open_boxes.numpy(),
        search.proof(),
        case,
    )
