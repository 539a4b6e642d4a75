"""What a repair achieved on points: VERE's three figures, and how far points are from unsafe.

All of it is floating point on sampled points: statistics, not proofs.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .edit import scores
from .samples import floats
from ..attack import descend
from ..bounds.roots import make_roots
from ..bounds.stack import Stack
from ..exact import float32_inside
from ..network import Network
from ..property import Case, Property

BATCH = 1 << 14  # samples of a case at once
FACES = 0.4  # how often a coordinate lies at an end of its box, in every other batch
STARTS, STEPS = 256, 20  # of descent from the samples nearest to unsafe


class Unsafe:
    """The unsafe rows of one case as arrays: outputs . y + inputs . x + constant <= 0.

    outputs: [polytopes, rows, outputs]; inputs: [polytopes, rows, inputs]; constant: [polytopes, rows];
    polytopes with fewer rows are filled up with rows that always hold.
    """

    def __init__(self, case: Case, n_outputs: int):
        shape = (len(case.unsafe), max([1, *(len(p.rows) for p in case.unsafe)]))
        self.outputs = np.zeros((*shape, n_outputs))
        self.inputs = np.zeros((*shape, len(case.lower)))
        self.constant = np.full(shape, -np.inf)
        for p, polytope in enumerate(case.unsafe):
            for r, row in enumerate(polytope.rows):
                self.outputs[p, r] = floats(row.outputs)
                self.inputs[p, r] = floats(row.inputs)
                self.constant[p, r] = float(row.constant)

    def rows(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Every row's value at points x [n, inputs] with scores y [n, outputs]: [n, polytopes, rows]."""
        linear = np.tensordot(y, self.outputs, (1, 2)) + np.tensordot(x, self.inputs, (1, 2))
        return linear + self.constant

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How far each point is from unsafe, [n]: the least over polytopes of the largest row; unsafe below 0."""
        return self.rows(x, y).max(2).min(1, initial=np.inf)


@dataclass(frozen=True, slots=True)
class Figures:
    """VERE's figures (Ma et al., ICSE 2024): shares of so many points, None where there are none.

    success: of the counterexamples given, those that are safe now; generalization: of held-out ones, those that
    are safe now; drawdown: of points that were safe already, those whose advisory is another now.
    """

    given: int
    success: float | None
    held_out: int
    generalization: float | None
    safe: int
    drawdown: float | None


def measure(original: Network, repaired: Network, region: Property, given: np.ndarray, *,
            points: int = 10_000, seed: int = 0) -> Figures:
    """The figures on the counterexamples among `given` [n, inputs], and on up to `points` held-out and safe points.

    Those are sampled in the region. Where it is rarely unsafe fewer counterexamples are found, perhaps none:
    `held_out` says how many. Points given that are no counterexamples of the original do not count.
    """
    given = np.asarray(given, dtype=np.float32).reshape(-1, original.n_inputs)
    given = given[distance(original, region, given) <= 0]
    unsafe, safe = held_out(original, region, points, avoid=given, seed=seed)
    success, generalization = (_share(distance(repaired, region, x) > 0) for x in (given, unsafe))
    drawdown = _share(advisories(original, safe) != advisories(repaired, safe))
    return Figures(len(given), success, len(unsafe), generalization, len(safe), drawdown)


def _share(which: np.ndarray) -> float | None:
    return float(which.mean()) if len(which) else None


def advisories(network: Network, x: np.ndarray) -> np.ndarray:
    return scores(network, x).argmin(1) if len(x) else np.empty(0, int)


def distance(network: Network, region: Property, x: np.ndarray) -> np.ndarray:
    """How far points [n, inputs] are from unsafe in the cases whose boxes hold them: unsafe below or at 0."""
    least = np.full(len(x), np.inf)
    for case in region.cases:
        within = ((floats(case.lower) <= x) & (x <= floats(case.upper))).all(1)
        if within.any():
            least[within] = np.minimum(least[within], _values(network, case, x[within]))
    return least


def _values(network: Network, case: Case, x: np.ndarray) -> np.ndarray:
    return Unsafe(case, network.n_outputs).value(x, scores(network, x))


def held_out(network: Network, region: Property, points: int, *, avoid: np.ndarray | None = None,
             batches: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Up to `points` unsafe and as many safe float32 points of the region, all different and none of `avoid`.

    Both are samples, every other batch thick at the ends of inputs. Where samples do not give enough unsafe
    points, descent from those nearest to unsafe finds some, and neighbours of unsafe points are tried too.
    """
    random = np.random.default_rng(seed)
    found = Collection(points, avoid), Collection(points, avoid)
    roots = make_roots(Stack([network]), [0] * len(region.cases), list(region.cases))
    for batch in range(batches):
        for root, case in enumerate(region.cases):
            x = sample(case, BATCH, random, faces=FACES * (batch % 2))
            value = _values(network, case, x) if len(x) else np.empty(0)
            found[0].add(x[value <= 0])
            found[1].add(x[value > 0])
            if len(x) and not found[0].full:
                seeds = x[value.argsort()[:STARTS]]
                seeds = np.concatenate([x[value <= 0], _descended(network, roots, root, case, seeds)])
                tries = _neighbours(case, seeds, BATCH, random)
                found[0].add(tries[_values(network, case, tries) <= 0])
        if found[0].full and found[1].full:
            break
    return found[0].points(network.n_inputs), found[1].points(network.n_inputs)


def _descended(network, roots, root: int, case: Case, x: np.ndarray) -> np.ndarray:
    """The points where descent from these ends, of which the best half is kept."""
    which = torch.full((len(x),), root)
    width = (roots.upper - roots.lower)[which] * 0.1
    best, value = descend(Stack([network]), roots, which, torch.tensor(x, dtype=torch.float64), width, steps=STEPS)
    return rounded_inside(case, best[value.argsort()[: len(x) // 2 + 1]].numpy())


def _neighbours(case: Case, x: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    """n points near some of the points x, at distances of up to a tenth of the box, mostly much less."""
    width = (floats(case.upper) - floats(case.lower)) * 10.0 ** random.uniform(-4, -1, (n, 1))
    return rounded_inside(case, random.choice(x, n) + width * random.uniform(-1, 1, (n, x.shape[1])))


class Collection:
    """Up to so many different float32 points."""

    def __init__(self, size: int, avoid: np.ndarray | None):
        self._size, self._found = size, {}
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


def sample(case: Case, n: int, random: np.random.Generator, *, faces: float = 0.0) -> np.ndarray:
    """n random float32 points of a case's box, each coordinate at an end with probability `faces`: [n, inputs]."""
    fraction = ((random.random((n, len(case.lower))) - 0.5) / (1 - faces) + 0.5).clip(0, 1)
    lower, upper = floats(case.lower), floats(case.upper)
    return rounded_inside(case, lower + (upper - lower) * fraction)


def rounded_inside(case: Case, x: np.ndarray) -> np.ndarray:
    """Float32 points of the exact box, the nearest to x; no point where the box holds none."""
    low, high = float32_inside(case.lower, case.upper)
    return np.clip(x.astype(np.float32), low, high)[: len(x) if (low <= high).all() else 0]
