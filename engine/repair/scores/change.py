"""The change of scores at samples, and how it counts where candidates are compared."""

from dataclasses import dataclass
from math import inf, log10

import numpy as np

from engine.comparison.difference import Fidelity
from engine.evaluation import scores
from engine.repair.task import Task

MOST_MAGNITUDE = 99  # of changes that are infinite, too
RANGE_SAMPLES = 1 << 12  # of the domain, for the range of the original's scores


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
    def magnitude(self) -> int:
        """By how many orders of magnitude the largest change exceeds the range; 0 up to ten times the range."""
        if not self.largest < inf:
            return MOST_MAGNITUDE
        times = self.largest / max(self.range, 1e-30)
        return 0 if times < 10 else min(MOST_MAGNITUDE, int(log10(times)))

    def __str__(self) -> str:
        return f"outputs change by {self.mean:.3g} on average, {self.largest:.3g} at most"


def score_change(task: Task, found: Fidelity, *, seed: int) -> ScoreChange:
    """The change of scores in what was found, and the range of the original's scores at samples of the domain."""
    assert found.outside is not None
    kept = [found.outside, *(inside.safe for inside in found.inside)]
    points = sum(part.points for part in kept)
    x = np.random.default_rng([seed, 1]).uniform(task.lower, task.upper, (RANGE_SAMPLES, len(task.lower)))
    y = scores(task.network, x)
    return ScoreChange(
        found.outside.mean,
        max(part.largest for part in (*kept, *(inside.unsafe for inside in found.inside))),
        1 - sum(part.reordered for part in kept) / points if points else 1.0,
        float(y.max() - y.min()),
    )
