"""The least change of a row of weights that meets very many linear constraints, found by cutting planes.

Only constraints that some solution violated are handed to the solver (models.py), a few of hundreds of thousands.
Solvers are numerical: what they return is checked strictly against all constraints, and the network made of it is
proved by the search as any other.
"""

import numpy as np

from engine.errors import InputError
from engine.repair.milp.programs.models import BACKENDS, Model, Solver
from engine.repair.milp.programs.program import Program

BATCH = 300  # violated constraints added in a round, of lower bounds and of upper bounds each
HELD = 1200  # constraints up to which a round keeps all
TIGHT = 600  # else it keeps so many, the tightest
ROUNDS = 300
SLACK = 1e-6  # by which a constraint is tighter for the solver, of one plus the sum of its row
SLACK_SHARE = 0.1  # ... and of the bound at most
CLOSE = 0.02  # up to this share of what values cost they may cost more than the solver thinks


def solve(program: Program, *, backend: str = "auto", rounds: int = ROUNDS) -> np.ndarray | None:
    """w, which meets every constraint, and nearly the least change; None if none is found.

    backend: gurobi, highs, or auto (gurobi where it is installed and its licence suffices).
    """
    solver = BACKENDS.get(backend)
    if solver is None:
        raise InputError(f"unknown backend {backend!r}", advice="use auto, gurobi or highs")
    if not ((program.need <= program.cap) & (program.need < np.inf) & (program.cap > -np.inf)).all():
        return None
    if not program.counts_scores:
        asked = (program.need > -np.inf) | (program.cap < np.inf)
        program = program if asked.all() else program.select(asked)
    return _Cuts(program, solver).solution(rounds)


class _Cuts:
    """Constraints found so far: rows @ (w, largest value, mean value) <= limits. The last two are of norm scores."""

    def __init__(self, program: Program, solver: Solver):
        self._program, self._solver = program, solver
        self._w, self._values = program.base.copy(), np.zeros(2)
        self._rows, self._limits = np.empty((0, len(program.base) + 2)), np.empty(0)
        self._magnitudes = np.append(program.magnitudes.astype(np.float64), 1.0)

    def solution(self, rounds: int) -> np.ndarray | None:
        """w, once it violates nothing; None where there is none, or not after so many rounds."""
        for _ in range(rounds):
            if not self._add_violated():
                return self._w
            found = self._solver(Model(self._rows, self._limits, self._program))
            if found is None:
                return None
            self._w, self._values = found
        return None

    def _add_violated(self) -> bool:
        """Adds the worst constraints that are violated; False where there are none."""
        program, w = self._program, self._w
        value = program.features @ w[:-1].astype(np.float32) + np.float32(w[-1])
        self._drop_slack()
        held = len(self._rows)
        self._add(self._short(program.need - value, program.need, -1), program.need, -1)
        self._add(self._short(value - program.cap, program.cap, 1), program.cap, 1)
        if program.counts_scores:
            self._add_values(value)
        return len(self._rows) > held

    def _short(self, excess: np.ndarray, bound: np.ndarray, sign: int) -> np.ndarray:
        """The worst points [k] at which sign * (value - bound) > 0; what float32 leaves open is computed in float64.

        excess [n]: that difference in float32.
        """
        program, w = self._program, self._w
        unsure = 4e-7 * (1 + len(w) / 8) * float(np.abs(w) @ self._magnitudes)
        near = np.flatnonzero(excess > -unsure)
        exact = program.features[near].astype(np.float64) @ w[:-1] + w[-1]
        return _worst(near, sign * (exact - bound[near]), 0.0)

    def _add(self, at: np.ndarray, bound: np.ndarray, sign: int) -> None:
        """Adds sign * value <= sign * bound at these points, a little tighter."""
        rows = sign * self._full(at)
        slack = np.minimum(SLACK * (1 + np.abs(rows[:, :-2] * self._w).sum(1)), SLACK_SHARE * np.abs(bound[at]))
        self._extend(rows, sign * bound[at] - slack)

    def _add_values(self, value: np.ndarray) -> None:
        """Adds that the largest value is at least those that exceed it most, and the mean that of what is positive.

        Nothing where that costs hardly more than the solver thinks.
        """
        program, (most, mean) = self._program, self._values
        dear, mean_price = program.prices
        allowed = CLOSE * (dear * most + mean_price * mean) + SLACK
        above = _worst(np.arange(len(value)), value, most + allowed / dear)
        rows = self._full(above)
        rows[:, -2] = -1.0
        self._extend(rows, np.zeros(len(above)))
        domain = np.ones(len(value), bool) if program.domain is None else program.domain
        on = domain & (value > 0)
        n = max(1, int(domain.sum()))
        if value[on].sum(dtype=np.float64) / n > mean + allowed / mean_price:
            row = np.zeros((1, self._rows.shape[1]))
            row[0, :-3] = program.features[on].sum(0, dtype=np.float64) / n
            row[0, -3], row[0, -1] = on.sum() / n, -1.0
            self._extend(row, np.zeros(1))

    def _full(self, at: np.ndarray) -> np.ndarray:
        """The rows of these points, with 0 for the values."""
        rows = np.zeros((len(at), self._rows.shape[1]))
        rows[:, :-3], rows[:, -3] = self._program.features[at], 1.0
        return rows

    def _extend(self, rows: np.ndarray, limits: np.ndarray) -> None:
        self._rows, self._limits = np.concatenate([self._rows, rows]), np.concatenate([self._limits, limits])

    def _drop_slack(self) -> None:
        """Where many are held, keeps the tightest; of an integer program the others may come back."""
        if len(self._rows) > HELD:
            left = self._limits - self._rows @ np.append(self._w, self._values)
            tightest = np.argpartition(left, TIGHT)[:TIGHT]
            self._rows, self._limits = self._rows[tightest], self._limits[tightest]


def _worst(at: np.ndarray, excess: np.ndarray, least: float) -> np.ndarray:
    """At most BATCH of the points `at` [n], those where the excess is largest and above `least`."""
    found = np.flatnonzero(excess > least)
    worst: np.ndarray = at[found if len(found) <= BATCH else found[np.argpartition(-excess[found], BATCH)[:BATCH]]]
    return worst
