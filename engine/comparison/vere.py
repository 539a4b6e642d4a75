"""VERE's three figures of a repair (Ma et al., ICSE 2024), measured on points drawn in a property's boxes.

All of it is floating point on sampled points: statistics, not proofs.
"""

import numpy as np
import torch

from engine.attack import descend
from engine.bounds.roots import Roots, make_roots
from engine.bounds.stack import Stack
from engine.comparison.decision import Decision
from engine.comparison.figures import Figures
from engine.comparison.region import Region, in_box, region_of
from engine.evaluation import scores
from engine.network import Network
from engine.property import Property

MAX_POINTS = 10_000  # points of each figure, as many as VERE takes
BATCH = 1 << 14  # samples at once, of all boxes together
MAX_BATCHES = 20  # where unsafe points are rare
STARTS, STEPS = 256, 20  # of descent from the samples nearest to unsafe


def measure(
    original: Network,
    repaired: Network,
    prop: Property,
    given: np.ndarray | None = None,
    *,
    decision: Decision = Decision.LOWEST,
    points: int = MAX_POINTS,
    seed: int = 0,
) -> Figures:
    """The figures on up to `points` counterexamples, as many held-out ones and as many safe points.

    given: the counterexamples that the repair was made with [n, inputs]; those that are none of the original do not
    count. Without them, what is found is divided at random. Points are drawn in boxes that are more than a point; a
    property of points alone has its own as counterexamples and none held out. Where the property is rarely
    violated fewer are found: the figures say how many.
    """
    where = [region_of(case, prop.n_outputs) for case in prop.cases]
    if given is None:
        given, found, safe = _divided(original, prop, where, points, seed)
    else:
        given = np.asarray(given, dtype=np.float32).reshape(-1, original.n_inputs)
        given = given[unsafe_at(original, where, given)]
        found, safe = drawn(original, prop, points, points, avoid=given, seed=seed)
    success, generalization = (_share(~unsafe_at(repaired, where, x)) for x in (given, found))
    drawdown = _changed(original, repaired, safe, decision)
    return Figures(prop.name, len(given), success, len(found), generalization, len(safe), drawdown)


def _divided(
    original: Network, prop: Property, where: list[Region], points: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counterexamples, held-out ones, safe points."""
    found, safe = drawn(original, prop, 2 * points, points, seed=seed)
    if not any(region.wide for region in where):
        alone = np.array([region.lower for region in where], np.float32).reshape(-1, original.n_inputs)
        return alone[unsafe_at(original, where, alone)], found, safe
    found = np.random.default_rng(seed).permutation(found)
    return found[: (len(found) + 1) // 2], found[(len(found) + 1) // 2 :], safe


def _share(which: np.ndarray) -> float | None:
    return float(which.mean()) if len(which) else None


def _changed(original: Network, repaired: Network, x: np.ndarray, decision: Decision) -> float | None:
    """The share of points [n, inputs] with another decision."""
    if not (len(x) and decision.is_known):
        return None
    return _share(decision.of(scores(original, x)) != decision.of(scores(repaired, x)))


def unsafe_at(network: Network, where: list[Region], x: np.ndarray) -> np.ndarray:
    """True for points [n, inputs] at which the network is unsafe, in whichever of the regions they lie: bool [n]."""
    found, y = np.zeros(len(x), bool), scores(network, x)
    for region in where:
        inside = region.holds(x)
        found[inside] |= region.unsafe.contains(x[inside], y[inside])
    return found


def drawn(
    network: Network,
    prop: Property,
    unsafe: int,
    safe: int,
    *,
    avoid: np.ndarray | None = None,
    batches: int = MAX_BATCHES,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Up to so many unsafe and safe float32 points of the property's boxes, all different and none of `avoid`.

    Both are samples, every other batch thick at the ends of inputs. Where samples do not give enough unsafe
    points, descent from those nearest to unsafe finds some, and neighbours of unsafe points are tried too.
    """
    random, found = np.random.default_rng(seed), (Collection(unsafe, avoid), Collection(safe, avoid))
    roots = make_roots(Stack([network]), [0] * len(prop.cases), list(prop.cases))
    where = [(root, region_of(case, prop.n_outputs)) for root, case in enumerate(prop.cases)]
    where = [(root, region) for root, region in where if region.wide]
    for batch in range(batches if where else 0):
        for root, region in where:
            n = BATCH // len(where) + 1
            x = in_box(region, random, n, **({} if batch % 2 else {"faces": 0.0}))
            distance, bad = _evaluated(network, region, x)
            found[0].add(x[bad])
            found[1].add(x[~bad])
            if len(x) and not found[0].full:
                near = _descended(network, roots, root, region, x[distance.argsort()[:STARTS]])
                tries = _neighbours(region, np.concatenate([x[bad], near]), n, random)
                found[0].add(tries[_evaluated(network, region, tries)[1]])
        if found[0].full and found[1].full:
            break
    return found[0].points(network.n_inputs), found[1].points(network.n_inputs)


def _evaluated(network: Network, region: Region, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distances of points of the region from unsafe, and which of them are unsafe."""
    y = scores(network, x)
    return region.unsafe.distance(x, y), region.unsafe.contains(x, y)


def _descended(network: Network, roots: Roots, root: int, region: Region, x: np.ndarray) -> np.ndarray:
    """The better half of the points where descent from these ends."""
    which = torch.full((len(x),), root)
    width = (roots.upper - roots.lower)[which] * 0.1
    best, value = descend(Stack([network]), roots, which, torch.tensor(x, dtype=torch.float64), width, steps=STEPS)
    return region.nearest(best[value.argsort()[: len(x) // 2 + 1]].numpy())


def _neighbours(region: Region, x: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """n points near some of the points x, at distances of up to a tenth of the box, mostly much less."""
    width = (region.upper - region.lower) * 10.0 ** random.uniform(-4, -1, (n, 1))
    return region.nearest(random.choice(x, n) + width * random.uniform(-1, 1, (n, x.shape[1])))


class Collection:
    """Up to so many different float32 points."""

    def __init__(self, size: int, avoid: np.ndarray | None):
        self._size = size
        self._found: dict[bytes, np.ndarray] = {}
        self._avoid = set() if avoid is None else {row.tobytes() for row in np.asarray(avoid, dtype=np.float32)}

    @property
    def full(self) -> bool:
        return len(self._found) >= self._size

    def add(self, x: np.ndarray) -> None:
        for row in x:
            if self.full:
                return
            if (key := row.tobytes()) not in self._avoid:
                self._found[key] = row

    def points(self, n_inputs: int) -> np.ndarray:
        return np.array(list(self._found.values()), dtype=np.float32).reshape(-1, n_inputs)
