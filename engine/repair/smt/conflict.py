"""The edges that would resolve a conflict between constraints."""

import numpy as np
from scipy.optimize import nnls

from engine.repair.smt.points import Constraint


def significance(conflict: list[Constraint], used: list[int]) -> np.ndarray:
    """The amount by which a change of each edge would ease the conflict: [edges], 0 for those in use.

    A conflict over the edges in use has multipliers under which its constraints' slopes cancel (Farkas' lemma). The
    slope of another edge under them is what that edge can contribute: the price by which the simplex method chooses.
    Of a constraint's alternatives the one nearest to holding counts.
    """
    if not all(len(constraint.constant) for constraint in conflict):
        return np.zeros(conflict[0].slope.shape[1])  # one of them cannot be met
    slopes = np.array([constraint.slope[constraint.constant.argmax()] for constraint in conflict])
    system = np.vstack([slopes[:, used].T, np.ones(len(slopes))])
    multipliers, _ = nnls(system, np.append(np.zeros(len(used)), 1.0))
    weight: np.ndarray = np.abs(multipliers @ slopes)
    weight[used] = 0.0
    return weight
