"""Points at which a network, or a change of it, is worst: samples, then a local random search around the worst."""

from collections.abc import Callable

import numpy as np

from engine.comparison.region import Region
from engine.evaluation import scores
from engine.network import Network

STARTS = 400  # points around which a round looks
AROUND = 20  # points drawn around each
SCALES = (0.1, 0.03, 0.01, 0.003)  # how far from it, round by round, as a share of the box's widths

PointFunction = Callable[[np.ndarray], np.ndarray]  # of points [n, inputs]


def depth(network: Network, region: Region, x: np.ndarray) -> np.ndarray:
    """The distance of each point from unsafe, [n]: the worst row of the nearest polytope, <= 0 inside.

    It is inf without any polytope.
    """
    return region.unsafe.distance(x, scores(network, x))


def worst_points(
    network: Network, region: Region, x: np.ndarray, random: np.random.Generator, *, below: float
) -> np.ndarray:
    """Points [n, inputs] of the region with depth < below, found from the samples x; only the worst of them."""
    return _descend(lambda x: depth(network, region, x), x, random, region.upper - region.lower, region.nearest, below)


def steepest_points(
    original: Network,
    changed: Network,
    x: np.ndarray,
    random: np.random.Generator,
    *,
    lower: np.ndarray,
    upper: np.ndarray,
    above: float,
) -> np.ndarray:
    """Points [n, inputs] of the box [lower, upper] at which some score changes by more than `above`, found from the
    samples x; only the worst."""

    def gain(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = -np.abs(scores(changed, x) - scores(original, x)).max(1)
        return found

    return _descend(gain, x, random, upper - lower, _within(lower, upper), -above)


def changed_points(
    original: Network,
    changed: Network,
    x: np.ndarray,
    random: np.random.Generator,
    *,
    lower: np.ndarray,
    upper: np.ndarray,
) -> np.ndarray:
    """Points [n, inputs] of the box [lower, upper] whose advisory changes, found from the samples x; only the worst.

    A score was lowest and is no longer where two values are negative: how far the original's score is above the
    lowest other one, and how far the changed network's is below it. The search descends the larger of the two, for
    the score where it is least, of those whose lead over the others the change makes smaller.
    """

    def distance(x: np.ndarray) -> np.ndarray:
        before, after = (_lead(scores(network, x)) for network in (original, changed))
        found: np.ndarray = np.where(after < before, np.maximum(-before, after), np.inf).min(1)
        return found

    return _descend(distance, x, random, upper - lower, _within(lower, upper), 0.0, starts=4 * STARTS)


def _within(lower: np.ndarray, upper: np.ndarray) -> PointFunction:
    """The nearest points of the box [lower, upper]."""

    def nearest(x: np.ndarray) -> np.ndarray:
        inside: np.ndarray = np.clip(x, lower, upper).astype(np.float32)
        return inside

    return nearest


def _lead(y: np.ndarray) -> np.ndarray:
    """The distance [n, outputs] by which each score is below the lowest other one."""
    n, place = np.arange(len(y)), y.argmin(1)
    lowest = np.partition(np.column_stack([y, np.full(len(y), np.inf, y.dtype)]), 1, axis=1)
    others = np.repeat(lowest[:, :1], y.shape[1], axis=1)
    others[n, place] = lowest[:, 1]
    lead: np.ndarray = others - y
    return lead


def _descend(
    value: PointFunction,
    x: np.ndarray,
    random: np.random.Generator,
    width: np.ndarray,
    nearest: PointFunction,
    below: float,
    *,
    starts: int = STARTS,
) -> np.ndarray:
    """Points [n, inputs] with value < below. nearest: the nearest points of a box; width [inputs]: of that box."""
    found = value(x)
    for scale in SCALES:
        best = np.argsort(found, kind="stable")[:starts]
        best = best[found[best] < np.inf]
        steps = random.uniform(-scale, scale, (AROUND, len(best), x.shape[1])) * width
        near = nearest((x[best] + steps).reshape(-1, x.shape[1]))
        x, found = np.concatenate([x[best], near]), np.concatenate([found[best], value(near)])
    best = np.argsort(found, kind="stable")[:STARTS]
    return x[best[found[best] < below]]
