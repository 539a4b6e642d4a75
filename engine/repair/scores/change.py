"""The change of scores at samples, and how it counts where candidates are compared."""

from dataclasses import dataclass
from math import ceil, inf, log2

import numpy as np

from engine.comparison.difference import Fidelity
from engine.evaluation import scores
from engine.repair.task import Task

MEAN_PRICE = 60.0  # of the mean change of a score, in largest changes: 0.5 on average are as bad as 30 at one point
LITTLE, ENOUGH = 1 / 8, 1.0  # of the range of scores: sizes up to which none is better, and up to which none is sought
MOST_MAGNITUDE = 99  # of changes that are infinite, too
RANGE_SAMPLES = 1 << 13  # of the domain, for the range of the original's scores
FACES = 0.4  # share of their inputs that are at its ends


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """The change of scores at samples of the domain and of the properties' boxes.

    mean: of a score in the domain outside the boxes; largest: anywhere; order_kept: the share of samples, outside and
    where the original is safe, on which the order of all scores stays; range: the largest score of the original's in
    the domain less the smallest.
    """

    mean: float
    largest: float
    order_kept: float
    range: float

    @property
    def size(self) -> float:
        """The largest change and the mean in one number, as the linear programs count them."""
        return size(self.largest, self.mean)

    @property
    def magnitude(self) -> int:
        """0 for a size up to LITTLE of the range, and 1 more for each doubling."""
        if not self.size < inf:
            return MOST_MAGNITUDE
        times = self.size / max(LITTLE * self.range, 1e-30)
        return min(MOST_MAGNITUDE, max(0, ceil(log2(times)))) if times > 0 else 0

    @property
    def is_enough(self) -> bool:
        """False where scores change by more than their range, so that something better is worth a search."""
        return self.size <= ENOUGH * self.range

    def __str__(self) -> str:
        return f"outputs change by {self.mean:.3g} on average, {self.largest:.3g} at most"


def size(largest: float, mean: float) -> float:
    """One number for the largest change of a score at any sample, and the mean over all scores in the domain."""
    return largest + MEAN_PRICE * mean


def score_change(task: Task, found: Fidelity, *, seed: int) -> ScoreChange:
    """The change of scores in what was found, and the range of the original's scores at samples of the domain."""
    assert found.outside is not None
    kept = [found.outside, *(inside.safe for inside in found.inside)]
    points = sum(part.points for part in kept)
    return ScoreChange(
        found.outside.mean,
        max(part.largest for part in (*kept, *(inside.unsafe for inside in found.inside))),
        1 - sum(part.reordered for part in kept) / points if points else 1.0,
        score_range(task, seed=seed),
    )


def score_range(task: Task, *, seed: int) -> float:
    """The largest score of the original's at samples of the domain, many of them at its faces, less the smallest."""
    shares = np.random.default_rng([seed, 1]).random((RANGE_SAMPLES, len(task.lower)))
    shares = ((shares - 0.5) / (1 - FACES) + 0.5).clip(0, 1)
    y = scores(task.network, task.lower + (task.upper - task.lower) * shares)
    return float(y.max() - y.min())
