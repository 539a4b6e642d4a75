"""The measured difference between two networks: weights that changed, and outputs and decisions on points.

Figures are measured on points, in float32 as networks are executed: they are statistics, not proofs.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.comparison.decision import Decision

if TYPE_CHECKING:  # the command line imports this module, and torch takes long
    import torch

MAX_EXAMPLES = 100  # points with another decision that are kept


@dataclass(slots=True)
class Difference:
    """On `points` points: at how many the decision changed, the largest and the mean change of an output.

    reordered: at how many the order of all outputs changed, the decision's first, and the first of equals; examples:
    some of the points [n, inputs] where the decision changed. Where it is not known, both change nowhere.
    """

    decision: Decision = Decision.LOWEST
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
        """The share of points with the same decision; None without points, and where the decision is not known."""
        return 1 - self.changed / self.points if self.points and self.decision.is_known else None

    @property
    def order_kept(self) -> float | None:
        """The share of points with the same order of all outputs; None where `agreement` is."""
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
                other = (self.decision.of(before) != self.decision.of(after)).cpu().numpy()
                self.changed += int(other.sum())
                self.reordered += _reordered(self.decision, before, after)
                self.examples += list(x[other][: MAX_EXAMPLES - len(self.examples)])
            self.largest = max(self.largest, float(change.max()))
            self.total += float(change.double().mean(1).sum())


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

    decision: what is compared; outside, grid: None where the domain is not known.
    """

    weights: int
    neurons: int
    layers: int
    decision: Decision
    outside: Difference | None
    grid: Difference | None
    inside: tuple[Inside, ...]
