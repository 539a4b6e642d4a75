"""What is to stay at reference points, as residuals that are linear in the outputs: of least squares in whole.py."""

from dataclasses import dataclass
from math import inf

import torch

from engine.repair.gradient.guides import Reference

CHANGE = 0.05  # of the outputs' deviation: a unit of distances, where decisions are to stay
LEAST_ROOM = 0.02  # units: added to the distance of the runner-up

TOLERABLE = 0.3  # of a change: up to here it counts little
LITTLE = 0.3  # the weight of a residual up to there


@dataclass(frozen=True, slots=True)
class Stays:
    """Changes at n points: k of each, slopes [k, n, outputs] . y - offset [k, n]; above 1 one is no longer tolerable.

    Where outputs are to stay: each one's change, in tolerances, up or down. Where decisions are: the part of the
    distance to the runner-up that is lost; growing, it is no loss.
    """

    slopes: torch.Tensor
    offset: torch.Tensor
    both_ways: bool

    @classmethod
    def of(cls, points: Reference, tolerance: float) -> "Stays":
        """tolerance: of outputs; inf where decisions are to stay."""
        if tolerance < inf:
            n, outputs = points.y.shape
            slopes = (torch.eye(outputs) / tolerance)[:, None].expand(outputs, n, outputs)
            return cls(slopes, points.y.T / tolerance, True)
        runner_up = points.y.scatter(1, points.advisory[:, None], inf).argmin(1, keepdim=True)
        lead = torch.zeros_like(points.y).scatter(1, runner_up, 1.0).scatter(1, points.advisory[:, None], -1.0)
        room = (lead * points.y).sum(1, keepdim=True) + LEAST_ROOM * unit_of(points, tolerance)
        return cls((-lead / room)[None], (-(lead * points.y).sum(1, keepdim=True) / room).T, False)

    def __len__(self) -> int:
        return self.offset.shape[1]

    def select(self, some: torch.Tensor) -> "Stays":
        """Those at these points."""
        return Stays(self.slopes[:, some], self.offset[:, some], self.both_ways)

    def changes(self, y: torch.Tensor) -> torch.Tensor:
        """[k, n], where the outputs are y [n, outputs]."""
        return (self.slopes * y).sum(2) - self.offset

    def residuals(self, changes: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The residuals and their weights [k, n], by which least squares descend the loss."""
        beyond = self._beyond(changes)
        is_beyond = beyond > 0
        residual = torch.where(is_beyond, changes.sign() * beyond, changes)
        size = torch.where(is_beyond, beyond, changes.abs() / (1.0 if self.both_ways else TOLERABLE))
        weight = torch.where(is_beyond, 1.0, LITTLE) / (1 + (size / scale) ** 2)
        return residual, weight

    def loss(self, changes: torch.Tensor, scale: float) -> torch.Tensor:
        """Cauchy's loss of what is beyond tolerable, and a little of what is not: [n]."""
        beyond = self._beyond(changes)
        within = changes.clamp(-TOLERABLE, TOLERABLE)
        return (LITTLE * within**2 + scale**2 * torch.log1p((beyond / scale) ** 2)).sum(0)

    def _beyond(self, changes: torch.Tensor) -> torch.Tensor:
        return ((changes.abs() if self.both_ways else changes) - TOLERABLE).clamp(min=0)


def unit_of(points: Reference, tolerance: float) -> float:
    """In which distances from unsafe are told: the tolerance, or a share of the outputs' deviation."""
    return tolerance if tolerance < inf else CHANGE * float(points.y.std(0, unbiased=False).mean())
