"""How two networks of one shape differ: in their weights, scores and advisories.

The advisory is the output with the lowest score, the first of equals. Figures are measured on points, in
float32 as networks are executed: they are statistics, not proofs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import torch

from engine.acasxu import ADVISORIES, INPUTS, domain
from engine.errors import InputError
from engine.network import Network
from engine.property import Case, Property, Vector

CHUNK = 1 << 16  # points evaluated at once


@dataclass(slots=True)
class Difference:
    """On `points` points: at how many the advisory changed, the largest and the mean change of a score."""

    points: int = 0
    changed: int = 0
    largest: float = 0.0
    total: float = field(default=0.0, repr=False)  # of all scores' changes, each point's mean

    @property
    def mean(self) -> float:
        return self.total / self.points if self.points else 0.0

    @property
    def agreement(self) -> float | None:
        """The share of points with the same advisory; None without points."""
        return 1 - self.changed / self.points if self.points else None

    def add(self, before: torch.Tensor, after: torch.Tensor) -> None:
        """Counts in the scores [n, outputs] at n more points."""
        if len(before):
            change = (after - before).abs()
            self.points += len(before)
            self.changed += int((before.argmin(1) != after.argmin(1)).sum())
            self.largest = max(self.largest, float(change.max()))
            self.total += float(change.double().mean(1).sum())


@dataclass(frozen=True, slots=True)
class Inside:
    """One property's boxes: where the original was safe, and where it was not."""

    property: str
    safe: Difference
    unsafe: Difference


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What a change of weights did: `outside` all boxes, on the regular `grid` of the domain, `inside` each box."""

    weights: int
    neurons: int
    layers: int
    outside: Difference
    grid: Difference
    inside: tuple[Inside, ...]


def region(network: Network, properties: list[Property]) -> tuple[Vector, Vector, str]:
    """The inputs that "everywhere" means (lower, upper), and its name: ACAS Xu's domain for a network of its shape,
    else the hull of the properties' boxes. InputError where there is neither.
    """
    if (network.n_inputs, network.n_outputs) == (len(INPUTS), len(ADVISORIES)):
        return *domain(), "the hull of the ten properties' boxes"
    boxes = [(case.lower, case.upper) for prop in properties for case in prop.cases]
    if not boxes:
        raise InputError("the inputs to compare on are not known", where=network.name, advice="name a property")
    lower, upper = (tuple(map(best, zip(*ends))) for best, ends in zip((min, max), zip(*boxes)))
    return lower, upper, "the hull of the properties' boxes"


def compare(original: Network, repaired: Network, properties: list[Property], *, lower, upper,
            points: int = 1_000_000, grid: int = 30, seed: int = 0, device: str = "cpu") -> Fidelity:
    """Both networks on `points` uniform points of the domain [lower, upper] outside the properties' boxes, on
    grid^inputs points of it, and on `points` uniform points inside each property's boxes.

    InputError where the networks' shapes differ.
    """
    if original.shape != repaired.shape:
        raise InputError("the networks have different shapes", where=repaired.name or "the second network",
                         advice="compare networks of the same architecture")
    for prop in properties:
        if (prop.n_inputs, prop.n_outputs) != (original.n_inputs, original.n_outputs):
            raise InputError("the property has other inputs or outputs than the networks", where=prop.name,
                             advice="choose a property written for these networks")
    lower, upper = _floats(lower), _floats(upper)
    random, pair = np.random.default_rng(seed), _Pair(original, repaired, device=device)
    boxes = [case for prop in properties for case in prop.cases]
    outside, regular = Difference(), Difference()
    for x in _uniform(lower, upper, points, random):
        outside.add(*pair.scores(x[~_within(boxes, x)]))
    for x in _grid(lower, upper, grid):
        regular.add(*pair.scores(x))
    inside = tuple(_inside(pair, prop, points, random) for prop in properties)
    return Fidelity(*changes(original, repaired), outside, regular, inside)


def changes(original: Network, repaired: Network) -> tuple[int, int, int]:
    """How many weights and biases differ, in how many neurons, in how many layers."""
    differ = [np.column_stack([a.weight != b.weight, a.bias != b.bias])
              for a, b in zip(original.layers, repaired.layers, strict=True)]
    return (sum(int(d.sum()) for d in differ), sum(int(d.any(1).sum()) for d in differ),
            sum(bool(d.any()) for d in differ))


class _Pair:
    """Both networks in float32 on one device."""

    def __init__(self, *networks: Network, device: str):
        self._networks = [
            [(torch.tensor(a.weight.T, dtype=torch.float32, device=device),
              torch.tensor(a.bias, dtype=torch.float32, device=device), a.relu) for a in network.layers]
            for network in networks]
        self._device = device

    def scores(self, x: np.ndarray) -> list[torch.Tensor]:
        """Outputs of both at points [n, inputs]."""
        return [self._evaluate(layers, torch.tensor(x, dtype=torch.float32, device=self._device))
                for layers in self._networks]

    @staticmethod
    def _evaluate(layers, h: torch.Tensor) -> torch.Tensor:
        for weight, bias, relu in layers:
            h = torch.addmm(bias, h, weight)
            h = h.clamp_(min=0) if relu else h
        return h


def _inside(pair: _Pair, prop: Property, points: int, random: np.random.Generator) -> Inside:
    """An equal number of points in each case's box."""
    safe, unsafe = Difference(), Difference()
    for case in prop.cases:
        for x in _uniform(_floats(case.lower), _floats(case.upper), max(1, points // len(prop.cases)), random):
            before, after = pair.scores(x)
            violated = torch.from_numpy(_violated(case, x, before.cpu().numpy())).to(before.device)
            safe.add(before[~violated], after[~violated])
            unsafe.add(before[violated], after[violated])
    return Inside(prop.name, safe, unsafe)


def _violated(case: Case, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether each (x, y) lies in an unsafe polytope, in floating point."""
    found = np.zeros(len(x), bool)
    for polytope in case.unsafe:
        inside = np.ones(len(x), bool)
        for row in polytope.rows:
            value = x @ _floats(row.inputs) + y @ _floats(row.outputs) + float(row.constant)
            inside &= value < 0 if row.strict else value <= 0
        found |= inside
    return found


def _floats(vector: Vector) -> np.ndarray:
    return np.array([float(v) for v in vector])


def _within(boxes: list[Case], x: np.ndarray) -> np.ndarray:
    """Whether each point lies in one of the boxes."""
    found = np.zeros(len(x), bool)
    for case in boxes:
        found |= ((_floats(case.lower) <= x) & (x <= _floats(case.upper))).all(1)
    return found


def _uniform(lower, upper, points: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    for first in range(0, points, CHUNK):
        yield random.uniform(lower, upper, (min(CHUNK, points - first), len(lower)))


def _grid(lower, upper, size: int) -> Iterator[np.ndarray]:
    """The regular grid with `size` points along each input, ends included; none where size is 0."""
    inputs = len(lower)
    for first in count(0, CHUNK):
        index = np.arange(first, min(first + CHUNK, size**inputs))
        if not len(index):
            return
        places = np.stack(np.unravel_index(index, (size,) * inputs), 1)
        yield lower + (upper - lower) * places / max(size - 1, 1)
