"""Plans: a feature, and the direction in which it moves the scores; the promising ones first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

import numpy as np

from engine.evaluation import in_threads
from engine.repair.milp import settings
from engine.repair.task import Say


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A way to choose z.

    strategy, place: of its feature; v [outputs]: the direction; margin: by which targets are to hold at samples, in
    scores.
    """

    strategy: str
    place: int
    v: np.ndarray
    margin: float

    @property
    def feature(self) -> tuple[str, int]:
        """The feature, as features are known by."""
        return self.strategy, self.place

    def __str__(self) -> str:
        scores = " ".join(f"{'+' if c > 0 else '-'}y{i}" for i, c in enumerate(self.v) if c)
        return f"{scores}, margin {self.margin:g}"


class Sizes(Protocol):
    """Says how much a plan's solution on few samples changes scores (scores/change.py), None where it has none.

    Threads may ask.
    """

    def size(self, plan: Plan) -> float | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Sized:
    """A plan, and how much its solution on few samples changes scores."""

    plan: Plan
    size: float


def ranked(sizes: Sizes, plans: Sequence[Plan]) -> list[Sized]:
    """The plans that have a solution: the best direction of each feature first, the smallest first of these."""
    known = zip(plans, in_threads(sizes.size, plans))
    found = sorted((Sized(plan, each) for plan, each in known if each is not None), key=lambda each: each.size)
    earlier: list[int] = []  # for each plan, how many better ones have the same feature
    for i, each in enumerate(found):
        earlier.append(sum(other.plan.feature == each.plan.feature for other in found[:i]))
    return [found[i] for i in sorted(range(len(found)), key=lambda i: earlier[i])]


def in_order(
    sizes: Sizes, ways: Sequence[Plan], margins: Sequence[float], *, enough: float, say: Say
) -> Iterator[Plan]:
    """Yields plans: those of each margin that change scores by no more than enough, then the others by their size.

    The wider a margin the easier is the proof. ways: plans, whatever their margin; at the next margin those that are
    far behind are not asked for again.
    """
    later: list[Sized] = []
    for margin in margins:
        say(f"linear programs, margin {margin:g}")
        found = ranked(sizes, [replace(way, margin=margin) for way in ways])
        some = found[: settings.MAX_PLANS]
        yield from (each.plan for each in some if each.size <= enough)
        later += [each for each in some if each.size > enough]
        least = min((each.size for each in found), default=inf)
        ways = [each.plan for each in found if each.size <= settings.HOPEFUL * least] or ways
    yield from (each.plan for each in sorted(later, key=lambda each: each.size))
    say(f"linear programs, margin {settings.WIDE_MARGIN:g}")
    wide = ranked(sizes, [replace(way, margin=settings.WIDE_MARGIN) for way in ways])
    yield from (each.plan for each in wide[: settings.MAX_PLANS])
