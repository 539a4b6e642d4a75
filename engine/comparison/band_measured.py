"""The share of points outside a band around the original's ties, and what the change does there: measured, no proof."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

import torch

from engine.comparison.decision import Decision
from engine.comparison.region import floats
from engine.comparison.sampling import Uniform
from engine.domain import Domain
from engine.evaluation import Float32Pair, in_threads
from engine.network import Network


@dataclass(frozen=True, slots=True)
class MeasuredOutside:
    """Of `points` random points of the domain: at `clear` the original's two best outputs differ by more than the gap.

    possible: at so many of those the original's decision is one that it may lose, by the weights alone; changed: at so
    many of the clear ones the decision is another. In float32.
    """

    points: int
    clear: int
    possible: int
    changed: int


def measure_outside(
    original: Network,
    changed: Network,
    domain: Domain,
    decision: Decision,
    *,
    gap: Fraction,
    leaving: Collection[int],
    points: int,
    seed: int,
) -> MeasuredOutside:
    """Measures on uniform points of the domain; leaving: the decisions that the original may lose."""
    pair, sign = Float32Pair(original, changed), -1 if decision is Decision.HIGHEST else 1
    source = Uniform(floats(domain.lower), floats(domain.upper), points, [seed])
    may_leave = torch.zeros(original.n_outputs, dtype=torch.bool)
    may_leave[list(leaving)] = True

    def measure(i: int) -> tuple[int, int, int]:
        before, after = (sign * y.double() for y in pair.outputs(source.chunk(i)))
        best = before.sort(dim=1).values[:, :2]
        clear = best[:, -1] - best[:, 0] > float(gap)  # of one output alone there is no second, and none is clear
        first = before.argmin(1)
        other = first != after.argmin(1)
        return int(clear.sum()), int((clear & may_leave[first]).sum()), int((clear & other).sum())

    found = in_threads(measure, range(source.chunks))
    clear, possible, differs = (sum(counts) for counts in zip(*found, strict=True))
    return MeasuredOutside(points, clear, possible, differs)
