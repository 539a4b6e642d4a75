"""Sampled inputs with what the original network says of them: what an edit must mend and may not harm."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.comparison.region import Region, in_box, region_of
from engine.evaluation import scores, values
from engine.network import Network
from engine.repair.task import Counterexample, Task


def regions(task: Task) -> list[Region]:
    """The regions of all properties of a task, targets first."""
    return [
        region_of(case, prop.n_outputs, property_index=number, target=number < len(task.targets))
        for number, prop in enumerate(task.properties)
        for case in prop.cases
    ]


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
        parts = [
            np.concatenate([getattr(self, n), getattr(other, n)], -1 if n == "inside" else 0) for n in Samples.__slots__
        ]
        return Samples(*parts)

    def every(self, n: int) -> "Samples":
        """Every n-th sample."""
        return Samples(
            *(
                getattr(self, name)[..., ::n] if name == "inside" else getattr(self, name)[::n]
                for name in Samples.__slots__
            )
        )

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
    """The points with what the original says at them."""
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
            free[at] |= region.unsafe.contains(x[at], y[at])
    return Samples(x, inner, last, y, y.argmin(1), owner, inside, free)


def draw(
    task: Task, where: list[Region], random: np.random.Generator, *, domain: int, target: int, keep: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, inputs] uniform in the domain, and in each box, these with many inputs at its ends; their regions.

    A property's points are shared among its cases; a case that is a point has one.
    """
    parts = [random.uniform(task.lower, task.upper, (domain, len(task.lower)))]
    cases = Counter(region.property_index for region in where)
    for region in where:
        n = max(1, (target if region.target else keep) // cases[region.property_index]) if region.wide else 1
        parts.append(in_box(region, random, n))
    owner = np.repeat(np.arange(-1, len(where)), [len(part) for part in parts])
    return np.concatenate(parts), owner


def points(found: list[Counterexample], n_inputs: int) -> np.ndarray:
    """The counterexamples' points: [n, inputs]."""
    return np.array([c.point for c in found], np.float32).reshape(-1, n_inputs)
