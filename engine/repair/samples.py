"""Sampled inputs with what the original network says of them: what an edit must mend and may not harm."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..network import Network
from ..property import Case, Property
from .edit import scores, values
from .task import Counterexample, Task

FACES = 0.4  # share of a box's samples' inputs that lie at an end: networks are worst there


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A property's case in floating point. property: its number among task.properties; target: to be repaired.

    lower, upper: [inputs]; polytopes: (inputs [rows, n], outputs [rows, m], constants [rows]) of each.
    """

    property: int
    target: bool
    lower: np.ndarray
    upper: np.ndarray
    polytopes: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]

    @property
    def wide(self) -> bool:
        """Whether it is more than a point."""
        return bool((self.lower < self.upper).any())

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Which points lie in the box."""
        return ((self.lower <= x) & (x <= self.upper)).all(1)

    def rows(self, polytope: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Values of a polytope's rows [n, rows]: unsafe where all are <= 0."""
        inputs, outputs, constants = self.polytopes[polytope]
        value = y @ outputs.astype(y.dtype).T + constants
        return value + x @ inputs.T if inputs.any() else value

    def unsafe(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which points of the box are unsafe (those elsewhere are not asked about)."""
        found = [(self.rows(p, x, y) <= 0).all(1) for p in range(len(self.polytopes))]
        return np.any(found, axis=0) if found else np.zeros(len(x), bool)


def regions(task: Task) -> list[Region]:
    """Those of all properties of a task, targets first."""
    return [_region(number, number < len(task.targets), case)
            for number, prop in enumerate(task.properties) for case in prop.cases]


def _region(number: int, target: bool, case: Case) -> Region:
    polytopes = []
    for polytope in case.unsafe:
        rows = [(row.inputs, row.outputs, (row.constant,)) for row in polytope.rows]
        polytopes.append(tuple(np.array([floats(r[i]) for r in rows]) for i in (0, 1)) +
                         (np.array([float(r[2][0]) for r in rows]),))
    return Region(number, target, floats(case.lower), floats(case.upper), tuple(polytopes))


def floats(vector) -> np.ndarray:
    return np.array([float(v) for v in vector])


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Points [n, inputs] (float32 values), with the original's scores y [n, outputs] and lowest score there.

    inner, last [n, width]: what the last hidden layer and the last layer read; owner [n]: the region a point was
    drawn from, or -1; inside [wide regions, n]: which boxes it lies in, points not counted as boxes; free [n]:
    unsafe for the original, so that its advisory may change.
    """

    x: np.ndarray
    inner: np.ndarray
    last: np.ndarray
    y: np.ndarray
    lowest: np.ndarray
    owner: np.ndarray
    inside: np.ndarray
    free: np.ndarray

    def __len__(self) -> int:
        return len(self.x)

    def join(self, other: "Samples") -> "Samples":
        parts = [np.concatenate([getattr(self, n), getattr(other, n)], -1 if n == "inside" else 0)
                 for n in Samples.__slots__]
        return Samples(*parts)

    def every(self, n: int) -> "Samples":
        """Each n-th of them."""
        return Samples(*(getattr(self, name)[..., ::n] if name == "inside" else getattr(self, name)[::n]
                         for name in Samples.__slots__))

    def of(self, where: list[Region]) -> Iterator[tuple[Region, np.ndarray]]:
        """Each region with the numbers of the samples in it."""
        return _members(where, self.owner, self.inside)


def _members(where: list[Region], owner: np.ndarray, inside: np.ndarray) -> Iterator[tuple[Region, np.ndarray]]:
    order = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[order], np.arange(len(where) + 1))
    wide = iter(inside)
    for number, region in enumerate(where):
        yield region, np.flatnonzero(next(wide)) if region.wide else order[first[number] : first[number + 1]]


def look_at(network: Network, where: list[Region], x: np.ndarray, owner: np.ndarray | None = None) -> Samples:
    """What the original says at these points."""
    x, depth = x.astype(np.float32), len(network.layers)
    owner = np.full(len(x), -1) if owner is None else owner
    inner = values(network, x, layer=max(depth - 2, 0))
    last = values(network, inner, first=max(depth - 2, 0), layer=depth - 1)
    y = scores(network, last, first=depth - 1)
    wide = [region.holds(x) for region in where if region.wide]
    inside = np.array(wide).reshape(len(wide), len(x))
    free = np.zeros(len(x), bool)
    for region, at in _members(where, owner, inside):
        if region.target:
            free[at] |= region.unsafe(x[at], y[at])
    return Samples(x, inner, last, y, y.argmin(1), owner, inside, free)


def draw(task: Task, where: list[Region], random: np.random.Generator, *, domain: int, target: int,
         keep: int) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, inputs] uniform in the domain, and in each box, these with many inputs at its ends; their regions.

    A property's points are shared among its cases; a case that is a point has one.
    """
    parts = [random.uniform(task.lower, task.upper, (domain, len(task.lower)))]
    cases = Counter(region.property for region in where)
    for region in where:
        n = max(1, (target if region.target else keep) // cases[region.property]) if region.wide else 1
        parts.append(in_box(region, random, n))
    owner = np.repeat(np.arange(-1, len(where)), [len(part) for part in parts])
    return np.concatenate(parts), owner


def in_box(region: Region, random: np.random.Generator, n: int) -> np.ndarray:
    """Float32 points of a region's box; where an end is no float32 value, the nearest ones inside."""
    fraction = ((random.random((n, len(region.lower))) - 0.5) / (1 - FACES) + 0.5).clip(0, 1)
    return clipped(region.lower + (region.upper - region.lower) * fraction, region.lower, region.upper)


def clipped(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Float32 points moved to the nearest ones in the box."""
    low, high = lower.astype(np.float32), upper.astype(np.float32)
    low = np.where(low < lower, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > upper, np.nextafter(high, np.float32(-np.inf)), high)
    return np.clip(x.astype(np.float32), low, high)


def points(found: list[Counterexample], n_inputs: int) -> np.ndarray:
    """The counterexamples' points: [n, inputs]."""
    return np.array([c.point for c in found], np.float32).reshape(-1, n_inputs)
