"""Plans: a feature, the direction in which it moves the scores, and how large it may be; the promising ones first."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engine.evaluation import in_threads
from engine.repair.milp import settings

#: What a solution costs: True iff it changes many weights; the share of the domain on which it changes scores.
Cost = tuple[bool, float]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A way to choose z.

    strategy, place: of its feature; v [outputs]: the direction; margin: by which targets are to hold at samples, in
    scores; level: how large z may be outside the targets' boxes, as a multiple of what is needed inside.
    """

    strategy: str
    place: int
    v: np.ndarray
    margin: float
    level: float

    def __str__(self) -> str:
        scores = " ".join(f"{'+' if c > 0 else '-'}y{i}" for i, c in enumerate(self.v) if c)
        return f"{scores}, margin {self.margin:g}"


class Costs(Protocol):
    """Says what a plan's solution costs, None where it has none; threads may ask."""

    def cost(self, plan: Plan) -> Cost | None: ...


def ranked_plans(costs: Costs, directions: list[np.ndarray], margin: float, strategies: list[str]) -> list[Plan]:
    """The plans that have a solution: the best direction of each feature first, the cheapest first of these."""
    ways = [
        (strategy, place, v)
        for strategy in strategies
        for v in directions
        for place in range(1 if strategy == "shift" else settings.MAX_NEURONS)
    ]
    found = in_threads(lambda way: lowest_level(costs, *way, margin), ways)
    ranked = [plan for _, plan in sorted((pair for pair in found if pair), key=lambda pair: pair[0])]
    earlier: list[int] = []  # for each plan, how many better ones have the same feature
    for i, plan in enumerate(ranked):
        earlier.append(sum((other.strategy, other.place) == (plan.strategy, plan.place) for other in ranked[:i]))
    return [ranked[i] for i in sorted(range(len(ranked)), key=lambda i: earlier[i])]


def lowest_level(costs: Costs, strategy: str, place: int, v: np.ndarray, margin: float) -> tuple[Cost, Plan] | None:
    """The plan of the lowest level that changes few weights, else of the highest level; with its cost.

    None where the highest level has no solution.
    """
    highest = Plan(strategy, place, v, margin, np.inf)
    cost = costs.cost(highest)
    if cost is None:
        return None
    for level in settings.LEVELS[:-1]:
        plan = Plan(strategy, place, v, margin, level)
        lower = costs.cost(plan)
        if lower and not lower[0]:
            return lower, plan
    return cost, highest
