"""The measured difference between two networks: weights that changed, and outputs and decisions on points.

Figures are measured on points, in float32 as networks are executed: they are statistics, not proofs.
"""

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from engine.comparison.decision import Decision

if TYPE_CHECKING:  # the command line imports this module, and torch takes long
    import torch

MAX_EXAMPLES = 100  # points with another decision that are kept


@dataclass(slots=True)
class Difference:
    """On `points` points: at how many the decision changed, the largest and the mean change of an output.

    tolerance: where it is finite, points at which some output changed by more count as changed, whatever is decided.
    reordered: at how many the order of all outputs changed, the decision's first, and the first of equals; examples:
    some of the points [n, inputs] where the decision changed. Where it is not known, both change nowhere.
    """

    decision: Decision = Decision.LOWEST
    tolerance: float = inf
    points: int = 0
    changed: int = 0
    reordered: int = 0
    largest: float = 0.0
    total: float = field(default=0.0, repr=False)  # of all outputs' changes, each point's mean
    examples: list[np.ndarray] = field(default_factory=list, repr=False)

    @property
    def mean(self) -> float:
        return self.total / self.points if self.points else 0.0

    @property
    def agreement(self) -> float | None:
        """The share of points that did not change; None without points, and where nobody says what counts as that."""
        return 1 - self.changed / self.points if self.points and self.counts_changes else None

    @property
    def counts_changes(self) -> bool:
        """True iff it is known what a change is."""
        return self.decision.is_known or self.tolerance < inf

    @property
    def order_kept(self) -> float | None:
        """The share of points with the same order of all outputs; None where the decision is not known."""
        return 1 - self.reordered / self.points if self.points and self.decision.is_known else None

    def merge(self, other: "Difference") -> None:
        """Counts in what was found at other points."""
        self.points, self.changed = self.points + other.points, self.changed + other.changed
        self.reordered += other.reordered
        self.largest, self.total = max(self.largest, other.largest), self.total + other.total
        self.examples = (self.examples + other.examples)[:MAX_EXAMPLES]

    def add(self, x: np.ndarray, before: "torch.Tensor", after: "torch.Tensor") -> None:
        """Counts in the outputs [n, outputs] at n more points x [n, inputs]."""
        if len(before):
            change = (after - before).abs()
            self.points += len(before)
            if self.decision.is_known:
                self.reordered += _reordered(self.decision, before, after)
            if self.counts_changes:
                other = differs(self.decision, self.tolerance, before, after).cpu().numpy()
                self.changed += int(other.sum())
                self.examples += list(x[other][: MAX_EXAMPLES - len(self.examples)])
            self.largest = max(self.largest, float(change.max()))
            self.total += float(change.double().mean(1).sum())


def differs(decision: Decision, tolerance: float, before: "torch.Tensor", after: "torch.Tensor") -> "torch.Tensor":
    """Bool [n]: at which of n points some output [n, outputs] changes by more than a finite tolerance, else by another
    decision, which is known."""
    return (after - before).abs().amax(1) > tolerance if tolerance < inf else decision.of(before) != decision.of(after)


def _reordered(decision: Decision, before: "torch.Tensor", after: "torch.Tensor") -> int:
    """At how many points the order of the outputs [n, outputs] is another."""
    some = (before != after).any(1)
    falling = decision is Decision.HIGHEST
    orders = [part[some].sort(dim=1, descending=falling, stable=True).indices for part in (before, after)]
    return int((orders[0] != orders[1]).any(1).sum())


@dataclass(frozen=True, slots=True)
class Inside:
    """One property's boxes: where the original was safe, and where it was not."""

    property: str
    safe: Difference
    unsafe: Difference


@dataclass(frozen=True, slots=True)
class Fidelity:
    """The effect of a change of weights: `outside` all boxes, on the regular `grid` of the domain, `inside` each box.

    decision: what is compared; outside, grid: None where the domain is not known; tolerance: see Difference, None where
    it is not finite.
    """

    weights: int
    neurons: int
    layers: int
    decision: Decision
    outside: Difference | None
    grid: Difference | None
    inside: tuple[Inside, ...]
    tolerance: float | None = None
