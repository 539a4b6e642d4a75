"""Points at which a network, or a change of it, is worst: samples, then a local random search around the worst."""

from collections.abc import Callable

import numpy as np

from engine.comparison.region import Region
from engine.evaluation import scores
from engine.network import Network

STARTS, AROUND = 400, 20
SCALES = (0.1, 0.03, 0.01, 0.003)


def depth(network: Network, region: Region, x: np.ndarray) -> np.ndarray:
    """[n]: <= 0 in an unsafe polytope; else how far the nearest one's worst row is above zero, inf without any."""
    return region.unsafe.distance(x, scores(network, x))


def worst_points(
    network: Network, region: Region, x: np.ndarray, random: np.random.Generator, *, below: float
) -> np.ndarray:
    """Points of the region with depth < below, found from the samples x: [n, inputs], the worst of them."""
    return _descend(lambda x: depth(network, region, x), x, random, region.upper - region.lower, region.nearest, below)


def changed_points(
    original: Network,
    changed: Network,
    x: np.ndarray,
    random: np.random.Generator,
    *,
    lower: np.ndarray,
    upper: np.ndarray,
) -> np.ndarray:
    """Points of the box [lower, upper] whose advisory the change changes, found from the samples x, the worst of them.

    Of the scores that the change brings nearer to not being lowest, what is descended is the larger of two distances:
    of the original from one that is lowest, of the changed network from one that is not. Below zero, one was lowest and
    is no longer.
    """

    def left(x: np.ndarray) -> np.ndarray:
        before, after = (_lead(scores(network, x)) for network in (original, changed))
        return np.where(after < before, np.maximum(-before, after), np.inf).min(1)

    nearest = lambda x: np.clip(x, lower, upper).astype(np.float32)
    return _descend(left, x, random, upper - lower, nearest, 0.0, starts=4 * STARTS)


def _lead(y: np.ndarray) -> np.ndarray:
    """By how much each score is below the lowest other one: [n, outputs]."""
    n, place = np.arange(len(y)), y.argmin(1)
    lowest = np.partition(np.column_stack([y, np.full(len(y), np.inf, y.dtype)]), 1, axis=1)
    others = np.repeat(lowest[:, :1], y.shape[1], axis=1)
    others[n, place] = lowest[:, 1]
    return others - y


def _descend(
    value: Callable,
    x: np.ndarray,
    random: np.random.Generator,
    width: np.ndarray,
    nearest: Callable,
    below: float,
    *,
    starts: int = STARTS,
) -> np.ndarray:
    """Points with value(x) < below: [n, inputs]. width: of the box in which `nearest` has its results."""
    found = value(x)
    for scale in SCALES:
        best = np.argsort(found, kind="stable")[:starts]
        best = best[found[best] < np.inf]
        steps = random.uniform(-scale, scale, (AROUND, len(best), x.shape[1])) * width
        near = nearest((x[best] + steps).reshape(-1, x.shape[1]))
        x, found = np.concatenate([x[best], near]), np.concatenate([found[best], value(near)])
    best = np.argsort(found, kind="stable")[:STARTS]
    return x[best[found[best] < below]]
