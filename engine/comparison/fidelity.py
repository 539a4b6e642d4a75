"""How two networks of one shape differ: in their weights, outputs and decisions.

Figures are measured on points, in float32 as networks are executed: they are statistics, not proofs.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from engine.comparison.decision import Decision
from engine.comparison.region import Region, floats, region_of
from engine.errors import InputError
from engine.evaluation import in_threads
from engine.network import Affine, Network
from engine.property import Property

EXAMPLES = 100  # points with another decision that are kept
GRID = 30**5  # points of a regular grid, at most
CHUNK = 1 << 12  # points evaluated at once: they stay in the processor's cache


@dataclass(slots=True)
class Difference:
    """On `points` points: at how many the decision changed, the largest and the mean change of an output.

    examples: some of the points [n, inputs] where the decision changed. Where it is not known, it changes nowhere.
    """

    decision: Decision = Decision.LOWEST
    points: int = 0
    changed: int = 0
    largest: float = 0.0
    total: float = field(default=0.0, repr=False)  # of all outputs' changes, each point's mean
    examples: list[np.ndarray] = field(default_factory=list, repr=False)

    @property
    def mean(self) -> float:
        return self.total / self.points if self.points else 0.0

    @property
    def agreement(self) -> float | None:
        """The share of points with the same decision; None without points, and where the decision is not known."""
        return 1 - self.changed / self.points if self.points and self.decision.is_known else None

    def merge(self, other: "Difference") -> None:
        """Counts in what was found at other points."""
        self.points, self.changed = self.points + other.points, self.changed + other.changed
        self.largest, self.total = max(self.largest, other.largest), self.total + other.total
        self.examples = (self.examples + other.examples)[:EXAMPLES]

    def add(self, x: np.ndarray, before: torch.Tensor, after: torch.Tensor) -> None:
        """Counts in the outputs [n, outputs] at n more points x [n, inputs]."""
        if len(before):
            change = (after - before).abs()
            self.points += len(before)
            if self.decision.is_known:
                other = (self.decision.of(before) != self.decision.of(after)).cpu().numpy()
                self.changed += int(other.sum())
                self.examples += list(x[other][: EXAMPLES - len(self.examples)])
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
    """What a change of weights did: `outside` all boxes, on the regular `grid` of the domain, `inside` each box.

    decision: what is compared; outside, grid: None where the domain is not known.
    """

    weights: int
    neurons: int
    layers: int
    decision: Decision
    outside: Difference | None
    grid: Difference | None
    inside: tuple[Inside, ...]


def compare(
    original: Network,
    repaired: Network,
    properties: list[Property],
    *,
    lower=None,
    upper=None,
    decision: Decision = Decision.LOWEST,
    points: int = 1_000_000,
    inside: int | None = None,
    grid: int = 30,
    seed: int = 0,
    device: str = "cpu",
) -> Fidelity:
    """Both networks on `points` uniform points of the domain [lower, upper] outside the properties' boxes, on
    grid^inputs points of it, at most GRID, and on `inside` (`points` where that is None) uniform points of each
    property's boxes. Without a domain, on the boxes alone.

    InputError where the networks' shapes differ.
    """
    if original.shape != repaired.shape:
        raise InputError(
            "the networks have different shapes",
            where=repaired.name or "the second network",
            advice="compare networks of the same architecture",
        )
    demand_fit(original, properties)
    pair, outside, regular = _Pair(original, repaired, decision, device=device), None, None
    if lower is not None:
        lower, upper = floats(lower), floats(upper)
        boxes = [region for prop in properties for region in _regions(prop)]
        (outside,) = _measured(pair, _Uniform(lower, upper, points, seed), lambda x, *outputs: [~_within(boxes, x)])
        (regular,) = _measured(pair, _Grid(lower, upper, _along(grid, len(lower))), lambda x, *outputs: [slice(None)])
    of_box = points if inside is None else inside
    within = tuple(_inside(pair, prop, of_box, [seed, number]) for number, prop in enumerate(properties, 1))
    return Fidelity(*changes(original, repaired), decision, outside, regular, within)


def _along(grid: int, inputs: int) -> int:
    """As many points along each input as asked for, and fewer where that makes more than GRID in all."""
    return min(grid, max(1, int(GRID ** (1 / inputs) + 1e-9)))


def demand_fit(network: Network, properties: list[Property]) -> None:
    """InputError where a property has other inputs or outputs than the network."""
    for prop in properties:
        if (prop.n_inputs, prop.n_outputs) != (network.n_inputs, network.n_outputs):
            raise InputError(
                "the property has other inputs or outputs than the networks",
                where=prop.name,
                advice="choose a property written for these networks",
            )


def _measured(pair: "_Pair", source, parts) -> list[Difference]:
    """A Difference for each part: parts(x, before, after) says which of the points belong to it.

    Chunks are divided among threads, with one thread for each tensor operation.
    """

    def measure(i: int) -> list[Difference]:
        x = source.chunk(i)
        before, after = pair.outputs(x)
        found = []
        for which in parts(x, before, after):
            on_device = which if isinstance(which, slice) else torch.from_numpy(which).to(before.device)
            found.append(Difference(pair.decision))
            found[-1].add(x[which], before[on_device], after[on_device])
        return found

    found = in_threads(measure, range(max(source.chunks, 1)))
    totals = found[0]
    for more in found[1:]:
        for total, one in zip(totals, more):
            total.merge(one)
    return totals


def changes(original: Network, repaired: Network) -> tuple[int, int, int]:
    """How many weights and biases differ, in how many neurons, in how many layers."""
    differ = [
        np.column_stack([a.weight != b.weight, a.bias != b.bias])
        for a, b in zip(original.layers, repaired.layers, strict=True)
    ]
    return (
        sum(int(d.sum()) for d in differ),
        sum(int(d.any(1).sum()) for d in differ),
        sum(bool(d.any()) for d in differ),
    )


class _Pair:
    """Both networks in float32 on one device; the layers that they share at the start are evaluated once.

    decision: which of their outputs is compared.
    """

    def __init__(self, original: Network, repaired: Network, decision: Decision, *, device: str):
        self.decision, self._device = decision, device
        pairs = [[self._layer(layer) for layer in both] for both in zip(original.layers, repaired.layers)]
        same = [
            np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
            for a, b in zip(original.layers, repaired.layers)
        ]
        first = same.index(False) if False in same else len(same)
        self._shared = [a for a, _ in pairs[:first]]
        self._rest = [[pair[side] for pair in pairs[first:]] for side in (0, 1)]

    def _layer(self, layer: Affine):
        return (
            torch.tensor(layer.weight.T, dtype=torch.float32, device=self._device),
            torch.tensor(layer.bias, dtype=torch.float32, device=self._device),
            layer.relu,
        )

    def outputs(self, x: np.ndarray) -> list[torch.Tensor]:
        """Outputs of both at points [n, inputs]."""
        h = self._evaluate(self._shared, torch.tensor(x, dtype=torch.float32, device=self._device))
        return [self._evaluate(layers, h) for layers in self._rest]

    @staticmethod
    def _evaluate(layers, h: torch.Tensor) -> torch.Tensor:
        for weight, bias, relu in layers:
            h = torch.addmm(bias, h, weight)
            h = h.clamp_(min=0) if relu else h
        return h


def _inside(pair: _Pair, prop: Property, points: int, seed: list[int]) -> Inside:
    """An equal number of points in each case's box."""
    safe, unsafe = Difference(pair.decision), Difference(pair.decision)
    for number, box in enumerate(_regions(prop)):
        source = _Uniform(box.lower, box.upper, max(1, points // len(prop.cases)), [*seed, number])

        def split(x, before, after, box=box):
            violated = box.unsafe.contains(x, before.cpu().double().numpy())
            return [~violated, violated]

        for total, one in zip((safe, unsafe), _measured(pair, source, split)):
            total.merge(one)
    return Inside(prop.name, safe, unsafe)


def _regions(prop: Property) -> list[Region]:
    return [region_of(case, prop.n_outputs) for case in prop.cases]


def _within(boxes: list[Region], x: np.ndarray) -> np.ndarray:
    """Whether each point lies in one of the boxes."""
    return np.any([np.zeros(len(x), bool), *(box.holds(x) for box in boxes)], axis=0)


class _Uniform:
    """Random points of a box, in chunks that do not depend on each other."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray, points: int, seed):
        self._lower, self._upper, self._points, self._seed = lower, upper, points, np.atleast_1d(seed).tolist()
        self.chunks = -(-points // CHUNK)

    def chunk(self, i: int) -> np.ndarray:
        random = np.random.default_rng([*self._seed, i])
        return random.uniform(self._lower, self._upper, (min(CHUNK, self._points - i * CHUNK), len(self._lower)))


class _Grid:
    """The regular grid with `size` points along each input, ends included; none where size is 0."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray, size: int):
        self._lower, self._upper, self._size = lower, upper, size
        self.chunks = -(-(size ** len(lower)) // CHUNK)

    def chunk(self, i: int) -> np.ndarray:
        inputs = len(self._lower)
        index = np.arange(i * CHUNK, min((i + 1) * CHUNK, self._size**inputs))
        places = np.stack(np.unravel_index(index, (max(self._size, 1),) * inputs), 1)
        return self._lower + (self._upper - self._lower) * places / max(self._size - 1, 1)
