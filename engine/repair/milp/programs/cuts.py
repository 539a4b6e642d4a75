"""The least change of a row of weights that meets very many linear constraints, found by cutting planes.

Only constraints that some solution violated are handed to the solver (models.py), a few of hundreds of thousands.
Solvers are numerical: what they return is checked strictly against all constraints, and the network made of it is
proved by the search as any other.
"""

from dataclasses import replace

import numpy as np

from engine.errors import InputError
from engine.repair.milp.programs.models import BACKENDS, Model, Solver
from engine.repair.milp.programs.program import MISS_PRICE, Program

BATCH = 300  # violated constraints added in a round, of each kind
HELD = 1200  # constraints up to which a round keeps all
TIGHT = 600  # else it keeps so many, the tightest, and all that bind
MOST_SOFT = 1000  # constraints of values that count; where more do, one in THINNING of the points stands for all
THINNING = 8
MISSED = 1e-6  # by which a limit is missed at least, to count
BINDING = 1e-7  # by how much a constraint that binds may hold, as solvers are numerical
ROUNDS = 300
SLACK = 1e-6  # by which a constraint is tighter for the solver, of one plus the sum of its row
SLACK_SHARE = 0.1  # ... and of the bound at most
CLOSE = 0.05  # up to this share of what values cost they may cost more than the solver thinks


def solve(
    program: Program, *, backend: str = "auto", rounds: int = ROUNDS, most_missed: float = np.inf
) -> np.ndarray | None:
    """w, which meets every constraint, and nearly the least change; None if none is found.

    Limits that may be missed are missed as little as can be, at a price; after so many rounds, by more. most_missed: of
    them, else there is no solution. backend: gurobi, highs, or auto (gurobi where it is installed and its licence
    suffices).
    """
    solver = BACKENDS.get(backend)
    if solver is None:
        raise InputError(f"unknown backend {backend!r}", advice="use auto, gurobi or highs")
    possible = (program.need <= program.cap) | program.may_be_missed
    if not (possible & (program.need < np.inf) & (program.cap > -np.inf)).all():
        return None
    if not program.counts_scores:
        asked = (program.need > -np.inf) | (program.cap < np.inf)
        program = program if asked.all() else program.select(asked)
    return _Cuts(program, solver).solution(rounds, most_missed)


class _Cuts:
    """Constraints found so far: rows @ (w, largest value) <= limits; those that are soft may be exceeded at a price.

    They are soft where a limit may be missed, and where norm scores counts the values at samples of the domain: each is
    at most 0, or its excess counts in the mean. One constraint for each sample, and not one for their mean, takes few
    rounds.
    """

    def __init__(self, program: Program, solver: Solver):
        self._program, self._solver = program, solver
        self._w, self._largest = program.base.copy(), 0.0
        self._rows, self._limits = np.empty((0, len(program.base) + 1)), np.empty(0)
        self._added = 0  # rows, in the last round
        self._soft = np.empty(0, int)  # of each row the point whose value counts, or -1
        self._excess = np.zeros(len(program.need), np.float32)  # of each point, as the solver has it
        self._missable = np.empty(0, int)  # of each row the number of its limit that may be missed, or -1
        self._missed = np.empty(0)  # of each row, by how much
        self._magnitudes = np.append(program.magnitudes.astype(np.float64), 1.0)
        self._counted = program.counted
        self._linear = np.zeros(len(program.base))  # what each weight costs, where the mean is linear
        if program.counts_scores and program.is_never_negative:
            self._linear, self._counted = program.mean_price * program.mean_row, np.zeros(len(program.need), bool)

    def solution(self, rounds: int, most_missed: float) -> np.ndarray | None:
        """w, once it violates nothing; None where there is none, or not after so many rounds."""
        for _ in range(rounds):
            if not self._add_violated():
                return self._w
            prices = np.where(self._soft >= 0, self._program.mean_price, np.inf)
            prices[self._missable >= 0] = MISS_PRICE
            found = self._solver(Model(self._rows, self._limits, prices, self._linear, self._program))
            if found is None:
                return None
            self._w, self._largest, more = found.w, found.largest, np.zeros(len(prices))
            more[prices < np.inf] = found.excess
            self._excess[:] = 0
            self._excess[self._soft[self._soft >= 0]] = more[self._soft >= 0]
            self._missed = np.where(self._missable >= 0, more, 0.0)
            if np.count_nonzero(self._missed > MISSED) > most_missed:
                return None
        return self._w if self._misses_only_what_may_be(most_missed) else None

    def _misses_only_what_may_be(self, most_missed: float) -> bool:
        """True iff limits may be missed, no others are, and no more than that many."""
        missed, may = self._program.missed(self._w), self._program.may_be_missed
        return bool(may.any() and not missed[~may].any() and np.count_nonzero(missed > MISSED) <= most_missed)

    def _add_violated(self) -> bool:
        """Adds the worst constraints that are violated; False where there are none."""
        program, w = self._program, self._w
        value = program.features @ w[:-1].astype(np.float32) + np.float32(w[-1])
        self._drop_slack()
        self._added = 0
        self._add(value, program.need, -1)
        self._add(value, program.cap, 1)
        if program.counts_scores and self._price(value) > (1 + CLOSE) * self._price(None) + SLACK:
            self._add_values(value)
        return self._added > 0

    def _add(self, value: np.ndarray, bound: np.ndarray, sign: int) -> None:
        """Adds sign * value <= sign * bound, a little tighter, at the worst points [n] at which it is violated: of
        limits that may be missed those that are not there yet, and of the others."""
        at, excess = self._violated(value, bound, sign)
        may = self._program.may_be_missed[at]
        new = may & ~np.isin(_limit(at, sign), self._missable)
        for some, missable in ((~may, False), (new, True)):
            worst = _worst(at[some], excess[some])
            rows = sign * self._full(worst)
            slack = np.minimum(SLACK * (1 + np.abs(rows[:, :-1] * self._w).sum(1)), SLACK_SHARE * np.abs(bound[worst]))
            self._extend(rows, sign * bound[worst] - slack, missable=_limit(worst, sign) if missable else None)

    def _violated(self, value: np.ndarray, bound: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """The points [k] at which sign * (value - bound) > 0, and by how much; what float32 leaves open is computed in
        float64."""
        program, w = self._program, self._w
        unsure = 4e-7 * (1 + len(w) / 8) * float(np.abs(w) @ self._magnitudes)
        near = np.flatnonzero(sign * (value - bound) > -unsure)
        exact = program.features[near].astype(np.float64) @ w[:-1] + w[-1]
        excess = sign * (exact - bound[near])
        return near[excess > 0], excess[excess > 0]

    def _price(self, value: np.ndarray | None) -> float:
        """What these values cost [n], or those that the solver knows of."""
        largest = self._largest if value is None else float(value.max(initial=0.0))
        excess = self._excess if value is None else value.clip(min=0)
        counted = float(excess[self._counted].sum(dtype=np.float64))
        return self._program.prices[0] * largest + self._program.mean_price * counted

    def _add_values(self, value: np.ndarray) -> None:
        """Adds that the largest value is at least those that exceed it most, and the excess of those that count."""
        above = _worst(np.arange(len(value)), value - (1 + CLOSE) * self._largest)
        rows = self._full(above)
        rows[:, -1] = -1.0
        self._extend(rows, np.zeros(len(above)))
        if (self._soft >= 0).sum() >= MOST_SOFT:
            self._thin()
        free = self._counted.copy()
        free[self._soft[self._soft >= 0]] = False
        counts = np.flatnonzero(free & (value > 0))
        counts = _worst(counts, value[counts])
        self._extend(self._full(counts), np.zeros(len(counts)), soft=counts)

    def _thin(self) -> None:
        """Has one in THINNING of the points stand for all that count, from now on."""
        counted = np.zeros(len(self._counted), bool)
        counted[np.flatnonzero(self._counted)[::THINNING]] = True
        self._counted, self._program = counted, replace(self._program, domain=counted)
        self._keep((self._soft < 0) | counted[self._soft])
        self._excess[~counted] = 0

    def _full(self, at: np.ndarray) -> np.ndarray:
        """The rows of these points, with 0 for the largest value."""
        rows = np.zeros((len(at), self._rows.shape[1]))
        rows[:, :-2], rows[:, -2] = self._program.features[at], 1.0
        return rows

    def _extend(
        self,
        rows: np.ndarray,
        limits: np.ndarray,
        *,
        soft: np.ndarray | None = None,
        missable: np.ndarray | None = None,
    ) -> None:
        """Adds rows; soft: the points whose values they are about; missable: numbers of limits that may be missed."""
        none = np.full(len(rows), -1)
        self._added += len(rows)
        self._rows, self._limits = np.concatenate([self._rows, rows]), np.concatenate([self._limits, limits])
        self._soft = np.concatenate([self._soft, none if soft is None else soft])
        self._missable = np.concatenate([self._missable, none if missable is None else missable])
        self._missed = np.concatenate([self._missed, np.zeros(len(rows))])

    def _drop_slack(self) -> None:
        """Where many are held, keeps the tightest; of an integer program the others may come back."""
        if len(self._rows) > HELD:
            left = self._limits - self._rows @ np.append(self._w, self._largest) + self._missed
            left += np.where(self._soft >= 0, self._excess[self._soft], 0.0)
            binding = int((left <= BINDING).sum())
            self._keep(np.argsort(left, kind="stable")[: max(TIGHT, binding)])

    def _keep(self, which: np.ndarray) -> None:
        """Drops all rows but these."""
        self._rows, self._limits, self._soft = self._rows[which], self._limits[which], self._soft[which]
        self._missable, self._missed = self._missable[which], self._missed[which]


def _limit(points: np.ndarray, sign: int) -> np.ndarray:
    """The numbers of these points' lower limits, or upper ones."""
    found: np.ndarray = 2 * points + (sign > 0)
    return found


def _worst(at: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """At most BATCH of the points `at` [n], those where the excess is largest and above 0."""
    found = np.flatnonzero(excess > 0)
    worst: np.ndarray = at[found if len(found) <= BATCH else found[np.argpartition(-excess[found], BATCH)[:BATCH]]]
    return worst
