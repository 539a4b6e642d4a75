"""The change of a row of weights that mends all unsafe samples, and keeps of the others as much as it can.

It is the linear program of milp/programs/ with a price, instead of a limit, on what else changes: so there nearly
always is a solution, also where unsafe inputs lie at a face of the box, beyond which nothing is to change.
"""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from engine.repair.milp.programs.program import Program

ROUNDS = 12
BATCH = 100  # constraints added in a round, of those that must hold and of the others each
SECONDS = 20.0  # limit of one call of the solver
TOLERANCE = 1e-6  # of one and the largest value
MOST_MISSED = 0.002  # of the samples: a program that misses more is given up, where nothing else is asked for
PRICE = 100.0  # of each unit by which a constraint with a price is missed, beside a change of a weight by 1


def solve_elastic(
    program: Program, must: np.ndarray, *, most_missed: float = MOST_MISSED
) -> tuple[np.ndarray, float] | None:
    """w with need <= features . w at samples where `must` [n] is True, and by how much all other limits are missed.

    None where no w is found that has all of the former, and of the latter all but a share `most_missed`.
    """
    features = np.column_stack([program.features, np.ones(len(program.features), np.float32)])
    needs, caps = np.flatnonzero(program.need > -np.inf), np.flatnonzero(program.cap < np.inf)
    at = np.concatenate([needs, caps])
    sign = np.repeat(np.array([1, -1], np.float32), [len(needs), len(caps)])
    least = np.concatenate([program.need[needs], -program.cap[caps]])
    hard = np.concatenate([must[needs], np.zeros(len(caps), bool)])
    if (least == np.inf).any():
        return None
    w, held = program.base.copy(), np.zeros(len(at), bool)
    for _ in range(ROUNDS):
        value = features @ w.astype(np.float32)
        short = least - sign * value[at]
        tolerance = TOLERANCE * (1 + float(np.abs(value).max()))
        new = [_worst(np.where(held | (hard != kind), -np.inf, short), tolerance) for kind in (True, False)]
        if not len(new[0]) + len(new[1]):
            break
        held[np.concatenate(new)] = True
        some = np.flatnonzero(held)
        found = _solved(program, sign[some, None] * features[at[some]], least[some], ~hard[some])
        if found is None:
            return None
        w, missed = found
        if missed > most_missed * len(features):
            return None
    short = least - sign * (features @ w.astype(np.float32))[at]
    if (short[hard] > 10 * TOLERANCE * (1 + np.abs(least[hard]).max(initial=0.0))).any():
        return None
    return w, float(short[~hard].clip(min=0).sum())


def _worst(short: np.ndarray, tolerance: float) -> np.ndarray:
    found = np.flatnonzero(short > tolerance)
    return found if len(found) <= BATCH else found[np.argpartition(-short[found], BATCH)[:BATCH]]


def _solved(program: Program, rows: np.ndarray, least: np.ndarray, priced: np.ndarray) -> tuple[np.ndarray, int] | None:
    """The cheapest w with rows @ w >= least, where those that are priced may be missed; how many are."""
    n, soft = len(program.base), np.flatnonzero(priced)
    slack = csr_array((np.ones(len(soft)), (soft, np.arange(len(soft)))), shape=(len(rows), len(soft)))
    dense = csr_array(rows.astype(np.float64))
    high = np.concatenate([program.upper - program.base, program.base - program.lower, np.full(len(soft), np.inf)])
    found = linprog(
        np.repeat([1.0, PRICE], [2 * n, len(soft)]),
        A_ub=-hstack([dense, -dense, slack]),
        b_ub=-(least - rows.astype(np.float64) @ program.base),
        bounds=np.column_stack([np.zeros(len(high)), high]),
        method="highs",
        options={"time_limit": SECONDS},
    )
    if found.x is None:
        return None
    change = found.x[:n] - found.x[n : 2 * n]
    w: np.ndarray = program.base + np.where(np.abs(change) > 1e-9, change, 0.0)
    return w, int(np.count_nonzero(found.x[2 * n :] > TOLERANCE))
