"""Plans: a feature, and the direction in which it moves the scores; the promising ones first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, log2
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


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a change of scores (scores/change.py); theorem: True iff the weights say how decisions change;
    reordered: the share of the domain's samples on which the order of the scores is another."""

    amount: float
    theorem: bool
    reordered: float = 0.0

    @property
    def rank(self) -> tuple[int, bool, float, float]:
        """The order of changes: of about equal ones that with a theorem comes first, then that which keeps orders."""
        return ceil(log2(max(self.amount, 1e-30))), not self.theorem, self.reordered, self.amount


class Sizes(Protocol):
    """Says how large the change is that a plan's solution on few samples makes, None where it has none.

    Threads may ask.
    """

    def size(self, plan: Plan) -> Size | None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Sized:
    """A plan, and the size of what its solution on few samples changes."""

    plan: Plan
    size: Size


def ranked(sizes: Sizes, plans: Sequence[Plan]) -> list[Sized]:
    """The plans that have a solution: the best direction of each feature first, the smallest first of these."""
    known = zip(plans, in_threads(sizes.size, plans))
    found = sorted((Sized(plan, each) for plan, each in known if each), key=lambda each: each.size.rank)
    earlier: list[int] = []  # for each plan, how many better ones have the same feature
    for i, each in enumerate(found):
        earlier.append(sum(other.plan.feature == each.plan.feature for other in found[:i]))
    return [found[i] for i in sorted(range(len(found)), key=lambda i: earlier[i])]


class Narrow:
    """The margins that are too narrow for proofs: those up to the widest with which a proof stayed open."""

    def __init__(self) -> None:
        self._widest = -inf

    def add(self, plan: Plan) -> None:
        """Notes that a proof of this plan stayed open."""
        self._widest = max(self._widest, plan.margin)

    @property
    def is_known(self) -> bool:
        """True once a proof stayed open."""
        return self._widest > -inf

    def __contains__(self, margin: float) -> bool:
        return margin <= self._widest


def in_order(
    sizes: Sizes, ways: Sequence[Plan], margins: Sequence[float], *, enough: float, say: Say, narrow: Narrow
) -> Iterator[Plan]:
    """Yields plans: of each margin those that change scores by no more than enough, or near the least; then others.

    The wider a margin the easier is the proof: none is yielded whose margin is found too narrow by then, and wide
    margins come once a proof stayed open. ways: plans, whatever their margin. Nothing where neither the first nor the
    least margin has a plan.
    """
    for plan in _in_order(sizes, ways, margins, enough, say, narrow):
        if plan.margin not in narrow:
            yield plan


def _in_order(
    sizes: Sizes, ways: Sequence[Plan], margins: Sequence[float], enough: float, say: Say, narrow: Narrow
) -> Iterator[Plan]:
    later: list[Sized] = []
    widest: list[Plan] = []  # of those with a solution: the others have none with a wider margin either

    def at(margin: float, ways: Sequence[Plan]) -> list[Sized]:
        """The plans with this margin."""
        say(f"linear programs, margin {margin:g}")
        return ranked(sizes, [replace(way, margin=margin) for way in ways])

    for margin in margins:
        if margin in narrow:
            continue
        found = at(margin, ways)
        if margin == margins[0]:
            widest = [each.plan for each in found]
            if not found and not at(min(margins), ways):
                return
        some, least = found[: settings.MAX_PLANS], min((each.size.amount for each in found), default=inf)
        near = max(enough, settings.HOPEFUL * least)
        yield from (each.plan for each in some if each.size.amount <= near)
        later += [each for each in some if each.size.amount > near]
    yield from (each.plan for each in sorted(later, key=lambda each: each.size.rank))
    for margin in settings.WIDE_MARGINS if narrow.is_known else ():
        yield from (each.plan for each in at(margin, widest)[: settings.MAX_PLANS])
