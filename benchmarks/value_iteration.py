"""Value iteration on a grid of states, backwards from the last second: the tables from which networks are trained.

A model says in which state an advisory, with some random acceleration, leaves the two aircraft one second later. States
between those of the grid have the value that multilinear interpolation gives; states beyond it that of its edge.
(Kochenderfer, Decision Making Under Uncertainty, 2015, chapter 10.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np


class Model(Protocol):
    """Two aircraft: grid, the axes of the states; names, of the advisories; seconds, from which the table starts."""

    @property
    def grid(self) -> tuple[np.ndarray, ...]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def seconds(self) -> int: ...

    def followers(self, states: np.ndarray, advisory: int) -> Sequence[tuple[float, np.ndarray]]:
        """What becomes of states [n, axes] in a second: probabilities, and the states then."""

    def cost(self, states: np.ndarray, advisory: int) -> np.ndarray:
        """The cost [n] of a second with the advisory."""

    def collision(self, states: np.ndarray) -> np.ndarray:
        """The cost [n] of the last second."""


@dataclass(frozen=True, slots=True)
class Table:
    """costs [seconds + 1, states, advisories]: expected from each state on, so many seconds before the last one."""

    states: np.ndarray
    costs: np.ndarray


def solve(model: Model) -> Table:
    """The least expected cost of each advisory in each state, if the best one is taken ever after."""
    states = np.stack(np.meshgrid(*model.grid, indexing="ij"), -1).reshape(-1, len(model.grid))
    advisories = range(len(model.names))
    steps = [
        [(p, *_corners(model.grid, after)) for p, after in model.followers(states, advisory)] for advisory in advisories
    ]
    now = np.stack([model.cost(states, advisory) for advisory in advisories], 1)
    costs = [np.repeat(model.collision(states)[:, None], len(advisories), 1)]
    for _ in range(model.seconds):
        best = costs[-1].min(1)
        later = [sum(p * (share * best[at]).sum(0) for p, at, share in step) for step in steps]
        costs.append(now + np.stack(later, 1))
    return Table(states, np.stack(costs))


def _corners(grid: tuple[np.ndarray, ...], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The grid's states around each of x [n, axes], and their shares: both [2^axes, n]."""
    low, part = [], []
    for axis, values in zip(grid, x.T):
        at = np.clip(np.searchsorted(axis, values) - 1, 0, len(axis) - 2)
        low.append(at)
        part.append(np.clip((values - axis[at]) / (axis[at + 1] - axis[at]), 0, 1))
    shape, found = [len(axis) for axis in grid], []
    for corner in product((0, 1), repeat=len(grid)):
        at = np.ravel_multi_index([a + c for a, c in zip(low, corner)], shape)
        found.append((at, np.prod([p if c else 1 - p for p, c in zip(part, corner)], axis=0)))
    return np.stack([at for at, _ in found]), np.stack([share for _, share in found])
