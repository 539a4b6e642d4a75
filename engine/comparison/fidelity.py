"""Fidelity: how two networks of one shape differ in their weights, and on points in outputs and decisions."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import inf

import numpy as np
import torch

from engine.comparison.decision import Decision
from engine.comparison.difference import Difference, Fidelity, Inside
from engine.comparison.region import Region, floats, region_of
from engine.comparison.sampling import Grid, PointSource, Uniform, points_along
from engine.errors import InputError
from engine.evaluation import Float32Pair, in_threads
from engine.network import Network
from engine.property import Property

_Kind = tuple[Decision, float]  # of a Difference: the decision, and the tolerance of outputs
#: (points [n, inputs], outputs before, after) -> which of the points belong to each part: bool [n], or all.
Parts = Callable[[np.ndarray, torch.Tensor, torch.Tensor], "list[np.ndarray | slice]"]


def compare(
    original: Network,
    repaired: Network,
    properties: Sequence[Property],
    *,
    lower: Sequence[Fraction | float] | np.ndarray | None = None,
    upper: Sequence[Fraction | float] | np.ndarray | None = None,
    decision: Decision = Decision.LOWEST,
    points: int = 1_000_000,
    inside: int | None = None,
    grid: int = 30,
    seed: int = 0,
    device: str = "cpu",
    tolerance: float = inf,
) -> Fidelity:
    """Both networks on `points` uniform points of the domain [lower, upper] outside the properties' boxes, on
    grid^inputs points of it, at most MAX_GRID, and on `inside` (`points` where that is None) uniform points of each
    property's boxes. Without a domain, on the boxes alone. tolerance: of outputs (Difference).

    InputError where the networks' shapes differ, or they have Sigmoids or Tanhs.
    """
    if original.shape != repaired.shape:
        raise InputError(
            "the networks have different shapes",
            where=repaired.name or "the second network",
            advice="compare networks of the same architecture",
        )
    demand_fit(original, properties)
    original.demand_relus("a comparison")
    pair, kind = Float32Pair(original, repaired, device=device), (decision, tolerance)
    outside, regular = None, None
    if lower is not None and upper is not None:
        ends = floats(lower), floats(upper)
        boxes = [region for prop in properties for region in _regions(prop)]
        (outside,) = _measured(
            pair, kind, Uniform(*ends, points, [seed]), lambda x, before, after: [~_within(boxes, x)]
        )
        (regular,) = _measured(
            pair, kind, Grid(*ends, points_along(grid, len(ends[0]))), lambda x, before, after: [slice(None)]
        )
    of_box = points if inside is None else inside
    within = tuple(_inside(pair, kind, prop, of_box, [seed, n]) for n, prop in enumerate(properties, 1))
    within_limit = tolerance if tolerance < inf else None
    return Fidelity(*changes(original, repaired), decision, outside, regular, within, within_limit)


def demand_fit(network: Network, properties: Sequence[Property]) -> None:
    """InputError where a property has other inputs or outputs than the network."""
    for prop in properties:
        if (prop.n_inputs, prop.n_outputs) != (network.n_inputs, network.n_outputs):
            raise InputError(
                "the property has other inputs or outputs than the networks",
                where=prop.name,
                advice="choose a property written for these networks",
            )


def changes(original: Network, repaired: Network) -> tuple[int, int, int]:
    """Returns the number of weights and biases that differ, of neurons that have one, and of layers."""
    differ = [
        np.column_stack([a.weight != b.weight, a.bias != b.bias])
        for a, b in zip(original.layers, repaired.layers, strict=True)
    ]
    return (
        sum(int(d.sum()) for d in differ),
        sum(int(d.any(1).sum()) for d in differ),
        sum(bool(d.any()) for d in differ),
    )


def _measured(pair: Float32Pair, kind: _Kind, source: PointSource, parts: Parts) -> list[Difference]:
    """A Difference for each part that `parts` divides the points into.

    Chunks are divided among threads, with one thread for each tensor operation.
    """

    def measure(i: int) -> list[Difference]:
        x = source.chunk(i)
        before, after = pair.outputs(x)
        found = []
        for which in parts(x, before, after):
            on_device = which if isinstance(which, slice) else torch.from_numpy(which).to(before.device)
            found.append(Difference(*kind))
            found[-1].add(x[which], before[on_device], after[on_device])
        return found

    found = in_threads(measure, range(max(source.chunks, 1)))
    totals = found[0]
    for more in found[1:]:
        for total, one in zip(totals, more):
            total.merge(one)
    return totals


def _inside(pair: Float32Pair, kind: _Kind, prop: Property, points: int, seed: list[int]) -> Inside:
    """The property's boxes, with an equal number of points in each case's."""
    safe, unsafe = Difference(*kind), Difference(*kind)
    for number, box in enumerate(_regions(prop)):
        source = Uniform(box.lower, box.upper, max(1, points // len(prop.cases)), [*seed, number])

        def split(
            x: np.ndarray, before: torch.Tensor, after: torch.Tensor, box: Region = box
        ) -> list[np.ndarray | slice]:
            violated = box.unsafe.contains(x, before.cpu().double().numpy())
            return [~violated, violated]

        for total, one in zip((safe, unsafe), _measured(pair, kind, source, split)):
            total.merge(one)
    return Inside(prop.name, safe, unsafe)


def _regions(prop: Property) -> list[Region]:
    return [region_of(case, prop.n_outputs) for case in prop.cases]


def _within(boxes: list[Region], x: np.ndarray) -> np.ndarray:
    """True for points that lie in one of the boxes."""
    return np.asarray(np.any([np.zeros(len(x), bool), *(box.holds(x) for box in boxes)], axis=0))
