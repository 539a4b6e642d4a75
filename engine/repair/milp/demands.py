"""What samples demand of shifts: to leave unsafe polytopes, to stay out of them, and to keep their advisories.

Where scores become y + D z, with z >= 0 of each shifted score and D its direction, every demand is that one of a few
rows, linear in z, is large enough at a sample.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.comparison.region import Region, Rows
from engine.repair.milp.limits import USABLE_SHARE
from engine.repair.samples import Samples

BATCH = 100  # samples of a demand that are told at once
LEFT = 1 - USABLE_SHARE  # of the distance to a change of advisory, or to unsafe, that has to stay


class Violated(NamedTuple):
    """Samples that fall short, by number: at [m]. slopes [m, shifted], need [m]: slopes . z >= need mends them."""

    at: np.ndarray
    slopes: np.ndarray
    need: np.ndarray


class Demand:
    """At each of its samples one row is to be at least `need`: rows [n, k] + slopes [k, shifted] z.

    at [n]: the samples' numbers; need [n]; usable [n, k]: which rows may be chosen there; once: True iff a sample is
    told once only. A row is chosen for good where the sample first falls short: the one that is nearest then.
    """

    def __init__(
        self, at: np.ndarray, rows: np.ndarray, slopes: np.ndarray, need: np.ndarray, usable: np.ndarray, *, once: bool
    ):
        self._at, self._rows, self._slopes, self._need, self._usable = at, rows, slopes, need, usable
        self._chosen, self._once = np.full(len(at), -1), once

    @property
    def is_hopeless(self) -> bool:
        """True iff no shift helps some sample."""
        short = self._rows.max(1, initial=-np.inf) < self._need
        return bool((short & ~self._usable.any(1)).any())

    def short(self, z: np.ndarray) -> np.ndarray:
        """By how much each of its samples falls short [n], with this z [samples, shifted]; else at most 0."""
        short: np.ndarray = self._need - self._values(z).max(1, initial=-np.inf)
        return short

    def violated(self, z: np.ndarray, tolerance: float) -> Violated:
        """The worst samples that fall short by more than the tolerance."""
        value = self._values(z)
        short = self._need - value.max(1, initial=-np.inf)
        if self._once:
            short[self._chosen >= 0] = -np.inf
        worst = np.flatnonzero(short > tolerance)
        if len(worst) > BATCH:
            worst = worst[np.argpartition(-short[worst], BATCH)[:BATCH]]
        new = worst[self._chosen[worst] < 0]
        self._chosen[new] = np.where(self._usable[new], value[new], -np.inf).argmax(1)
        row = self._chosen[worst]
        need = self._need[worst] - self._rows[worst, row]
        return Violated(self._at[worst], self._slopes[row], need.astype(np.float64))

    def _values(self, z: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._rows + z[self._at] @ self._slopes.T.astype(np.float32)
        return found


def unsafe_demands(samples: Samples, where: list[Region], directions: np.ndarray, margin: float) -> Iterator[Demand]:
    """What brings samples out of unsafe polytopes of targets, by the margin, and keeps them out of others."""
    for region, at in samples.of(where):
        for polytope in region.unsafe.polytopes:
            slopes = (polytope.outputs * directions)[:, directions != 0]
            if len(at) and slopes.any():
                yield _out_of(samples, at, polytope, slopes, directions, margin if region.target else 0.0)


def _out_of(
    samples: Samples, at: np.ndarray, polytope: Rows, slopes: np.ndarray, directions: np.ndarray, margin: float
) -> Demand:
    """Unsafe samples must miss the polytope by the margin, and so must nearly unsafe ones.

    These need not where each row that leads out raises the advisory, which is to stay: then, as everywhere else that is
    safe, LEFT of the distance stays, or the margin.
    """
    rows = polytope.values(samples.x[at], samples.y[at])
    distance, free = rows.max(1, initial=-np.inf), samples.free[at]
    leads_out = np.broadcast_to((slopes > 0).any(1), rows.shape).copy()
    for number, score in enumerate(np.flatnonzero(directions)):
        if directions[score] > 0:
            is_raised = ~free & (samples.lowest[at] == score)
            leads_out[np.ix_(is_raised, slopes[:, number] > 0)] = False
    is_lifted = (distance < margin) & (free | leads_out.any(1))
    need = np.where(is_lifted, margin, np.where(distance < margin, LEFT * distance, margin or LEFT * distance))
    return Demand(at, rows, slopes, need, leads_out | ~is_lifted[:, None], once=False)


def advisory_demands(samples: Samples, directions: np.ndarray) -> Iterator[Demand]:
    """What keeps each advisory: LEFT of the distance of every other score to it stays."""
    slopes = np.diag(directions)[:, directions != 0]
    for a in range(len(directions)):
        at = np.flatnonzero((samples.lowest == a) & ~samples.free)
        for j in range(len(directions)):
            slope = slopes[j] - slopes[a]
            if (slope < 0).any() and len(at):
                gap = (samples.y[at, j] - samples.y[at, a])[:, None]
                yield Demand(at, gap, slope[None], LEFT * gap[:, 0], np.ones((len(at), 1), bool), once=True)


def size_demands(samples: Samples, directions: np.ndarray, most: float) -> Iterator[Demand]:
    """What keeps each shift at samples at most so large, where that is finite."""
    shifted = int(np.count_nonzero(directions))
    for slope in -np.eye(shifted) if most < np.inf else ():
        n = len(samples)
        room = np.full((n, 1), most)
        yield Demand(np.arange(n), room, slope[None], np.zeros(n), np.ones((n, 1), bool), once=True)
