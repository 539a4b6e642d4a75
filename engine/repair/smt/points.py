"""The constraints that sampled points put on changes of one layer's weights.

The layer is the last one or the one before it, so that scores are linear in the changes as long as its neurons keep
their signs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from engine.comparison.region import FACES, in_box, region_of, unsafe_set
from engine.network import Network
from engine.repair.localize import Edge
from engine.repair.task import Evidence, Task

KEPT = 0.1  # the share of each score's distance to the lowest one that is to remain
MAX_NEW = 10  # samples of each kind that become constraints in a round
NOISE = 1e-6  # scores; what rounding may change of them

#: A point where a change is wrong, by number, and -1 where the point is too near to unsafe, else the output that comes
#: too near to the advisory.
Fault = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Constraint:
    """Holds where one of n linear functions of the edges' changes is >= 0: constant [n] + slope [n, edges].

    point: the point where an advisory is to stay, which may be forgiven; -1 for other constraints.
    """

    constant: np.ndarray
    slope: np.ndarray
    point: int = -1


class Points:
    """Samples of the domain and of every case, with what the layer reads there, the scores and what is asked of them.

    A point of a case must miss the unsafe polytopes: by the margin for a target; for a property that holds already,
    by the margin too, but at most by half of what it missed them. Everywhere but where the original violates a target,
    the advisory stays, and every score keeps a tenth of its distance to it.
    """

    def __init__(self, task: Task, layer: int, samples: int):
        self.original, self.layer = task.network, layer
        self.numbers = np.column_stack([task.network.layers[layer].weight, task.network.layers[layer].bias])
        cases = [(p, c, case) for p, prop in enumerate(task.properties) for c, case in enumerate(prop.cases)]
        self._root_of = {(p, c): root for root, (p, c, _) in enumerate(cases)}
        self._target = np.array([p < len(task.targets) for p, _, _ in cases] + [False])
        kinds = {case.unsafe: case for _, _, case in cases}  # many cases may be unsafe alike
        self.unsafe = [unsafe_set(case, task.network.n_outputs) for case in kinds.values()]
        self._kind = np.array([list(kinds).index(case.unsafe) for _, _, case in cases] + [-1])
        random = np.random.default_rng(task.seed)
        x, root = [random.uniform(task.lower, task.upper, (samples, len(task.lower)))], [np.full(samples, -1)]
        for r, (p, _, case) in enumerate(cases):
            half = 1 + samples // len(task.properties[p].cases) // (2 if self._target[r] else 10)
            region = region_of(case, task.network.n_outputs)
            x += [in_box(region, random, half, faces=faces) for faces in (0.0, FACES)]
            root += [np.full(len(part), r) for part in x[-2:]]
        self._columns: tuple[np.ndarray, ...] = ()
        self._add(np.concatenate(x), np.concatenate(root))
        self._known: set[tuple[float, ...]] = set()

    def learn(self, evidence: Evidence) -> bool:
        """Adds the evidence's points: counterexamples, corners and centres of boxes. True iff any was new."""
        found = {(self._root_of[c.property, c.case], *map(float, c.point)) for c in evidence.counterexamples}
        for box in evidence.boxes:
            corners = [*product(*zip(box.lower, box.upper)), (box.lower + box.upper) / 2]
            found |= {(self._root_of[box.property, box.case], *map(float, x)) for x in corners}
        new = sorted(found - self._known)
        self._known |= found
        if new:
            self._add(np.array([x for _, *x in new]), np.array([root for root, *_ in new], int))
        return bool(new)

    def _add(self, x: np.ndarray, root: np.ndarray) -> None:
        """Adds points x [n, inputs] of the cases root [n], -1 for the domain."""
        h = np.pad(Network(self.original.layers[: self.layer]).evaluate(x), ((0, 0), (0, 1)), constant_values=1.0)
        z = h @ self.numbers.T
        y = self._above(z)
        distance, target = self._distances(x, y, root), self._target[root]
        free, holds = target & (distance <= 0), np.where(target, np.inf, distance / 2)
        new = (x, root, h, z, y, y.argmin(1), free, holds)
        self._columns = tuple(map(np.concatenate, zip(self._columns, new))) if self._columns else new
        self.x, self.root, self.h, self.z, self.y, self.lowest, self.free, self.holds = self._columns

    def _above(self, z: np.ndarray) -> np.ndarray:
        """The scores [n, outputs] where the layer's affine outputs are z [n, out]."""
        h = np.maximum(z, 0) if self.original.layers[self.layer].relu else z
        return Network(self.original.layers[self.layer + 1 :]).evaluate(h)

    def _distances(self, x: np.ndarray, y: np.ndarray, root: np.ndarray) -> np.ndarray:
        """The distance of each point from unsafe, [n]: negative inside, infinite for points of no case."""
        found = np.full(len(y), np.inf)
        for kind, unsafe in enumerate(self.unsafe):
            here = self._kind[root] == kind
            found[here] = unsafe.distance(x[here], y[here])
        return found

    def faults(self, edges: list[Edge], change: np.ndarray, margin: float, forgiven: set[int]) -> Iterator[Fault]:
        """Yields the worst points for these changes, but for the advisories of forgiven points."""
        z = self.z.copy()
        for (_, out, i), delta in zip(edges, change):
            z[:, out] += self.h[:, i] * delta
        y = self._above(z)
        short = self._distances(self.x, y, self.root) - np.minimum(margin, self.holds)
        yield from ((p, -1) for p in _lowest(short))
        kept = self._over_advisory(y) - KEPT * self._over_advisory(self.y)
        output, least = kept.argmin(1), np.where(self.free, np.inf, kept.min(1))
        least[list(forgiven)] = np.inf
        yield from ((p, int(output[p])) for p in _lowest(least))

    def _over_advisory(self, y: np.ndarray) -> np.ndarray:
        """The distance of each score from the advisory's: [n, outputs]."""
        distance: np.ndarray = y - y[np.arange(len(y)), self.lowest, None]
        return distance

    def constraints(self, fault: Fault, edges: list[Edge], margin: float) -> Iterator[Constraint]:
        """Yields what mends a fault, linear in the edges' changes, and that their neurons keep their signs there."""
        point, output = fault
        _, outs, ins = np.array(edges).T
        h, z, y = self.h[point], self.z[point], self.y[point]
        gain = self._gain(z)[:, outs] * h[ins]
        if output < 0:
            unsafe, need = self.unsafe[self._kind[self.root[point]]], min(margin, self.holds[point])
            for rows in unsafe.polytopes:
                row, slope = rows.values(self.x[point, None], y[None])[0], rows.outputs @ gain
                varies = np.abs(slope).max(1) > 0
                if (row[~varies] < need).all():  # what no change moves does not help
                    yield Constraint(row[varies] - need, slope[varies])
        else:
            over = y[output] - y[self.lowest[point]]
            yield Constraint(np.array([(1 - KEPT) * over]), (gain[output] - gain[self.lowest[point]])[None], point)
        if self.original.layers[self.layer].relu:
            for out in np.unique(outs):
                side = 1.0 if z[out] > 0 else -1.0
                yield Constraint(np.array([side * z[out]]), (side * h[ins] * (outs == out))[None])

    def _gain(self, z: np.ndarray) -> np.ndarray:
        """The derivatives of the scores by the layer's affine outputs z: [outputs, out]."""
        last = self.layer + 1 == len(self.original.layers)
        gain = np.eye(len(z)) if last else self.original.layers[-1].weight
        return gain * (z > 0) if self.original.layers[self.layer].relu else gain


def _lowest(values: np.ndarray) -> list[int]:
    """The places of the lowest few values, of those below 0 by more than noise."""
    few = values.argpartition(min(MAX_NEW, len(values) - 1))[:MAX_NEW]
    below: list[int] = few[values[few] < -NOISE].tolist()
    return below
