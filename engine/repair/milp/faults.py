"""Faults of a changed network at points that its program did not know."""

from dataclasses import dataclass

import numpy as np

from engine.comparison.pair import first_difference
from engine.comparison.region import Region, in_box
from engine.evaluation import scores
from engine.network import Network
from engine.repair.milp import settings
from engine.repair.milp.worst import changed_points, worst_points
from engine.repair.samples import Samples, draw, look_at
from engine.repair.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Faults:
    """Points [n, inputs] that a change gets wrong.

    drawn: found among fresh samples, or nearly unsafe; searched: found by a search for changed advisories;
    share: of the domain's fresh samples with a changed advisory, or 1 where other points are wrong too.
    """

    drawn: np.ndarray
    searched: np.ndarray
    share: float


def find_faults(
    task: Task, where: list[Region], random: np.random.Generator, changed: Network, margin: float, *, search: bool
) -> Faults:
    """Fresh points where the changed network is wrong: advisories that it should have kept, nearly unsafe points.

    margin: twice the distance to unsafe, in scores, below which a target's point is nearly unsafe; search: True iff
    changed advisories are searched for, beside drawing points.
    """
    domain = settings.FRESH if search else int(settings.FRESH_FACTOR_WITHOUT_SEARCH * settings.FRESH)
    x, owner = draw(task, where, random, domain=domain, target=settings.TARGET, keep=settings.KEEP)
    fresh = look_at(task.network, where, x, owner)
    other = _changes(task, where, _changed_scores(task.network, changed, fresh), fresh)
    parts = [fresh.x[other][:1000]]
    for region in where:
        if region.target and region.wide:
            near = in_box(region, random, settings.TARGET)
            parts.append(worst_points(changed, region, near, random, below=margin / 2))
    elsewhere = other & (fresh.owner == -1)
    drawn = np.concatenate(parts)
    share = elsewhere.sum() / domain if len(drawn) == elsewhere.sum() else 1.0
    searched = drawn[:0]
    if search and task.tolerance == np.inf:
        searched = _search(task, where, random, changed, fresh.x[fresh.owner == -1])
    return Faults(drawn, searched, share)


def _changes(task: Task, where: list[Region], y: np.ndarray, samples: Samples) -> np.ndarray:
    """Samples at which scores y [n, outputs] are not what they should be: by the advisory, or by the task's tolerance,
    which says nothing of the targets' boxes. Bool [n]."""
    if task.tolerance == np.inf:
        other: np.ndarray = (y.argmin(1) != samples.lowest) & ~samples.free
        return other
    other = np.abs(y - samples.y).max(1) > task.tolerance
    for region, at in samples.of(where):
        if region.target:
            other[at] = False
    return other


def _changed_scores(original: Network, changed: Network, samples: Samples) -> np.ndarray:
    """The changed network's scores at the samples; from what its last hidden layer reads, if that is unchanged."""
    late = max(len(changed.layers) - 2, 0)  # the layer that `inner` is read by
    if first_difference(original, changed) >= late:
        return scores(changed, samples.inner, first=late)
    return scores(changed, samples.x)


def _search(
    task: Task, where: list[Region], random: np.random.Generator, changed: Network, x: np.ndarray
) -> np.ndarray:
    """Points whose advisory changes and should not, searched for from the points x."""
    found = changed_points(task.network, changed, x, random, lower=task.lower, upper=task.upper)
    held: np.ndarray = found[~look_at(task.network, where, found).free]
    return held


def neighbours(task: Task, random: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """The points x [n, inputs], and points of the domain near each: an advisory that changes does so nearby."""
    lower, upper = task.lower, task.upper
    steps = random.normal(0.0, settings.NEIGHBOUR_SPREAD, (settings.NEIGHBOURS, *x.shape)) * (upper - lower)
    return np.concatenate([x, np.clip(x + steps, lower, upper).reshape(-1, x.shape[1])]).astype(np.float32)
