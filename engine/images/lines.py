"""Linear bounds of tensors that depend on one variable in each row, and their passage through activations.

In one dimension a line is two numbers, its values at both ends of the variable's interval. The largest of several
lines is convex, so the chord between its ends is the lowest line above it: upper bounds of a ReLU and of max-pooling
need no slopes, and are tighter than CROWN's (Zhang et al., NeurIPS 2018), which knows an interval alone. Every bound
holds but for rounding: it serves heuristics, and proves nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

STEEPEST = 0.25  # slope of the logistic function, at 0
LEAST = 1e-30  # keeps logarithms and quotients finite


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """below(t) <= tensor(t) <= above(t) for each t in a row's interval, both of them linear in t.

    ends: [2, 2, rows, ...]: below and above; at the interval's start and at its end.
    """

    ends: Tensor

    @property
    def below(self) -> Tensor:
        return self.ends[0]

    @property
    def above(self) -> Tensor:
        return self.ends[1]

    @property
    def flat(self) -> Tensor:
        """All ends as one batch: [4 rows, ...]."""
        return self.ends.flatten(0, 2)

    def monotone(self, function: Callable[[Tensor], Tensor]) -> "Lines":
        """The image under a function of batches that is linear and nowhere falls in any of its inputs."""
        return Lines(rows_of(function(self.flat), self.ends.shape[:3]))

    def linear(self, function: Callable[[Tensor], Tensor], radius: Callable[[Tensor], Tensor]) -> "Lines":
        """The image under an affine function of batches; `radius` is the same with absolute weights and no constant."""
        shape = self.ends.shape[1:3]
        middle = rows_of(function((self.above + self.below).div(2).flatten(0, 1)), shape)
        half = (self.above - self.below).div(2).flatten(0, 1)
        if not half.any():
            return Lines(torch.stack([middle, middle]))
        half = rows_of(radius(half), shape)
        return Lines(torch.stack([middle - half, middle + half]))

    def negative(self) -> "Lines":
        return Lines(-self.ends.flip(0))

    def leaky(self, alpha: float) -> "Lines":
        """The image under max(z, alpha z), for alpha in [0, 1]: below, the branch that is higher in the middle."""
        positive = self.below.mean(0) > 0
        below = torch.where(positive, self.below, alpha * self.below)
        return Lines(torch.stack([below, torch.maximum(self.above, alpha * self.above)]))

    def at_least(self, least: Tensor) -> "Lines":
        """The image under max(z, least)."""
        below = torch.where(self.below.mean(0) > least, self.below, least)
        return Lines(torch.stack([below, torch.maximum(self.above, least)]))

    def sigmoid(self) -> "Lines":
        """The image under the logistic function: its chords, moved in parallel as far as it bends beyond them."""
        return Lines(torch.stack([_shifted_chord(self.below, -1.0), _shifted_chord(self.above, 1.0)]))

    def tanh(self) -> "Lines":
        return Lines(2 * Lines(2 * self.ends).sigmoid().ends - 1)

    def largest(self, pool: Callable[[Tensor], Tensor], places: Callable[[Tensor], Tensor]) -> "Lines":
        """The image under max-pooling: below, in each window, the line that is highest in the middle.

        places(x) are the winners' numbers in the flattened images of x, [rows, channels, ...].
        """
        above = rows_of(pool(self.above.flatten(0, 1)), self.ends.shape[1:3])
        chosen = places(self.below.mean(0))
        below = [end.flatten(2).gather(2, chosen.flatten(2)).view_as(chosen) for end in self.below]
        return Lines(torch.stack([torch.stack(below), above]))


def rows_of(batch: Tensor, shape: torch.Size) -> Tensor:
    """The batch [n, ...] with its first dimension cut into this shape."""
    return batch.reshape(*shape, *batch.shape[1:])


def constant_lines(value: Tensor) -> Lines:
    """A tensor [rows, ...] that does not depend on the variable."""
    return Lines(value.expand(2, 2, *value.shape))


def _shifted_chord(ends: Tensor, sign: float) -> Tensor:
    """The logistic function's chord on the interval between two ends [2, ...], moved so far that it bounds it.

    sign: 1 for a bound from above, -1 for one from below. The function leaves its chord furthest where its slope is
    the chord's: at the two points +-z with p (1 - p) = slope for p = sigmoid(z).
    """
    start, end = ends
    values = ends.sigmoid()
    width = end - start
    flat = width.abs() < 1e-6
    slope = torch.where(flat, values[0] * (1 - values[0]), (values[1] - values[0]) / torch.where(flat, 1.0, width))
    slope = slope.clamp(LEAST, STEEPEST)
    p = (1 + (1 - 4 * slope).sqrt()) / 2
    touching = sign * (p * p / slope).log()
    touching = torch.minimum(torch.maximum(touching, torch.minimum(start, end)), torch.maximum(start, end))
    bend = sign * (touching.sigmoid() - values[0] - slope * (touching - start))
    result: Tensor = values + sign * bend.clamp(min=0)
    return result
