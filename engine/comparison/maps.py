"""Decision maps: what two networks of one shape decide over a plane of inputs, at each place of a regular grid.

A view says which inputs vary with the place and what the others are. Decisions are those of float32 execution at
single points: a decision can change between them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from engine.comparison.decision import Decision
from engine.evaluation import scores
from engine.network import Network

SIZE = 300  # places along x and along y
NOWHERE = -1  # instead of a decision, where the view shows nothing


class View(Protocol):
    """A square of a plane, from -radius to radius along x and along y, and what a network reads at its places."""

    @property
    def radius(self) -> float: ...

    def shows(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """True for places x, y that belong to the map, of any shape."""

    def inputs_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The network's inputs [n, inputs] at places x, y [n]."""


AnyView = TypeVar("AnyView", bound=View)


@dataclass(frozen=True, slots=True, eq=False)
class DecisionMap(Generic[AnyView]):
    """Decisions, numbers of outputs, before and after a change: int16 [size, size], NOWHERE outside the view.

    The first index is of y, the second of x, both ascending, at `coordinates(view.radius, size)`.
    """

    view: AnyView
    before: np.ndarray
    after: np.ndarray

    @property
    def differs(self) -> np.ndarray:
        """True where the decision differs: bool [size, size]."""
        return np.asarray(self.before != self.after)

    @property
    def points(self) -> int:
        """The number of places that the map shows."""
        return int((self.before != NOWHERE).sum())

    @property
    def changed(self) -> int:
        """The number of places where the decision differs."""
        return int(self.differs.sum())


def decision_maps(
    before: Network,
    after: Network,
    views: Iterable[AnyView],
    *,
    decision: Decision = Decision.LOWEST,
    size: int = SIZE,
) -> tuple[DecisionMap[AnyView], ...]:
    """One map for each view, of `size` places along x and along y."""
    return tuple(
        DecisionMap(view, *(_decisions(network, view, decision, size) for network in (before, after))) for view in views
    )


def coordinates(radius: float, size: int) -> np.ndarray:
    """The x, and the y, of a map's places: middles of `size` equal parts of [-radius, radius]."""
    return radius * ((2 * np.arange(size) + 1) / size - 1)


def _decisions(network: Network, view: View, decision: Decision, size: int) -> np.ndarray:
    ends = coordinates(view.radius, size)
    x, y = np.meshgrid(ends, ends)
    shown = view.shows(x, y)
    found = np.full((size, size), NOWHERE, np.int16)
    found[shown] = decision.of(scores(network, view.inputs_at(x[shown], y[shown])))
    return found
