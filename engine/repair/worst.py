"""Points of a box where a network is nearest to unsafe: samples, then a local random search around the worst."""

import numpy as np

from ..network import Network
from .edit import scores
from .region import Region

STARTS, AROUND = 400, 20
SCALES = (0.1, 0.03, 0.01, 0.003)


def depth(network: Network, region: Region, x: np.ndarray) -> np.ndarray:
    """[n]: <= 0 in an unsafe polytope; else how far the nearest one's worst row is above zero, inf without any."""
    return region.unsafe.distance(x, scores(network, x))


def worst_points(network: Network, region: Region, x: np.ndarray, random: np.random.Generator, *,
                 below: float) -> np.ndarray:
    """Points of the region with depth < below, found from the samples x: [n, inputs], the worst of them."""
    value = depth(network, region, x)
    width = region.upper - region.lower
    for scale in SCALES:
        best = np.argsort(value, kind="stable")[:STARTS]
        steps = random.uniform(-scale, scale, (AROUND, len(best), x.shape[1])) * width
        near = region.nearest((x[best] + steps).reshape(-1, x.shape[1]))
        x, value = np.concatenate([x[best], near]), np.concatenate([value[best], depth(network, region, near)])
    best = np.argsort(value, kind="stable")[:STARTS]
    return x[best[value[best] < below]]
