"""The least change of a row of weights that meets very many linear constraints, found by cutting planes.

Only constraints that some solution violated are handed to the solver (models.py), a few of hundreds of thousands.
Solvers are numerical: what they return is checked strictly against all constraints, and the network made of it is
proved by the search as any other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

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
ROUNDS = 100
SLACK = 1e-6  # by which a constraint is tighter for the solver, of one plus the sum of its row
SLACK_SHARE = 0.1  # ... and of the bound at most
CLOSE = 0.02  # up to this share of what values cost they may cost more than the solver thinks
PATIENT = 20  # rounds; each ten later ones add as much to this share


class Kind(IntEnum):
    """A constraint of a point: its least value, its most, that the largest value is at least its own, or that what its
    value has above 0 counts in the mean."""

    NEED = 0
    CAP = 1
    LARGEST = 2
    COUNTED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Some of a program's constraints: of which kind, of which point, [k] each."""

    kind: np.ndarray
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.at)

    def of(self, kind: Kind) -> np.ndarray:
        """True for those of this kind: bool [k]."""
        found: np.ndarray = self.kind == kind
        return found

    def select(self, which: np.ndarray) -> "Constraints":
        """Those that a mask or an index names."""
        return Constraints(self.kind[which], self.at[which])

    def join(self, other: "Constraints") -> "Constraints":
        """These, then those."""
        return Constraints(np.append(self.kind, other.kind), np.append(self.at, other.at))


NONE = Constraints(np.empty(0, int), np.empty(0, int))


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """Weights w [width + 1] that meet every constraint, and the constraints by which the solver found them: a program
    about more points is solved sooner from these."""

    w: np.ndarray
    held: Constraints


def solve(
    program: Program,
    *,
    backend: str = "auto",
    rounds: int = ROUNDS,
    most_missed: float = np.inf,
    known: Constraints = NONE,
    check: Callable[[], None] = lambda: None,
) -> Solved | None:
    """Weights that meet every constraint, with nearly the least change; None if none are found.

    Limits that may be missed are missed as little as can be, at a price; after so many rounds, by more. most_missed: of
    them, else there is no solution. known: constraints to begin with. check: is called before each round, and may raise
    what ends them all. backend: gurobi, highs, or auto (gurobi where it is installed and its licence suffices).
    """
    solver = BACKENDS.get(backend)
    if solver is None:
        raise InputError(f"unknown backend {backend!r}", advice="use auto, gurobi or highs")
    possible = (program.need <= program.cap) | program.may_be_missed
    if not (possible & (program.need < np.inf) & (program.cap > -np.inf)).all():
        return None
    asked = (program.need > -np.inf) | (program.cap < np.inf) | program.counts_scores
    numbers = np.flatnonzero(asked)
    known = known.select(asked[known.at])
    known = Constraints(known.kind, np.searchsorted(numbers, known.at))
    found = _Cuts(program if asked.all() else program.select(asked), solver, known).solution(rounds, most_missed, check)
    return found and Solved(found.w, Constraints(found.held.kind, numbers[found.held.at]))


class _Cuts:
    """Constraints found so far: rows @ (w, largest value) <= limits; those that are soft may be exceeded at a price.

    They are soft where a limit may be missed, and where norm scores counts the values at samples of the domain: each is
    at most 0, or its excess counts in the mean. One constraint for each sample, and not one for their mean, takes few
    rounds.
    """

    def __init__(self, program: Program, solver: Solver, known: Constraints):
        self._program, self._solver = program, solver
        self._w, self._largest = program.base.copy(), 0.0
        self._close = CLOSE
        self._held, self._added = NONE, 0  # all constraints; the number added in the last round
        self._rows, self._limits = np.empty((0, len(program.base) + 1)), np.empty(0)
        self._excess = np.empty(0)  # of each constraint, as the solver has it
        self._magnitudes = np.append(program.magnitudes.astype(np.float64), 1.0)
        self._counted = program.counted
        self._linear = np.zeros(len(program.base))  # what each weight costs, where the mean is linear
        if program.counts_scores and program.is_never_negative:
            self._linear, self._counted = program.mean_price * program.mean_row, np.zeros(len(program.need), bool)
        self._begin(known)

    def _begin(self, known: Constraints) -> None:
        """Adds those that the program has, too."""
        limits = np.where(known.of(Kind.NEED), self._program.need[known.at], self._program.cap[known.at])
        asked = np.where(known.kind < Kind.LARGEST, np.isfinite(limits), self._program.counts_scores)
        asked &= ~known.of(Kind.COUNTED) | self._counted[known.at]
        self._extend(known.select(asked))

    def solution(self, rounds: int, most_missed: float, check: Callable[[], None]) -> Solved | None:
        """The solution, once it violates nothing and costs little more than the least; None where there is none.

        After so many rounds whatever meets the limits will do.
        """
        for number in range(rounds):
            check()
            self._close = CLOSE * (1 + max(0, number - PATIENT) / 10)
            if (number or not len(self._held)) and not self._add_violated():
                return Solved(self._w, self._held)
            prices = np.where(self._held.of(Kind.COUNTED), self._program.mean_price, np.inf)
            prices[self._may_be_missed] = MISS_PRICE
            found = self._solver(Model(self._rows, self._limits, prices, self._linear, self._program))
            if found is None:
                return None
            self._w, self._largest = found.w, found.largest
            self._excess[:] = 0
            self._excess[prices < np.inf] = found.excess
            if np.count_nonzero(self._excess[self._may_be_missed] > MISSED) > most_missed:
                return None
        return Solved(self._w, self._held) if self._meets_limits(most_missed) else None

    @property
    def _may_be_missed(self) -> np.ndarray:
        """True for the constraints that are limits which may be missed: bool [k]."""
        found: np.ndarray = (self._held.kind < Kind.LARGEST) & self._program.may_be_missed[self._held.at]
        return found

    def _meets_limits(self, most_missed: float) -> bool:
        """True iff the weights miss no limit that may not be missed, and no more than that many of the others."""
        program, value = self._program, self._value()
        pairs = (self._violated(value, program.need, -1), self._violated(value, program.cap, 1))
        at, excess = (np.concatenate(parts) for parts in zip(*pairs))
        may = program.may_be_missed[at]
        return bool(may.all() and np.count_nonzero(excess > MISSED) <= most_missed)

    def _add_violated(self) -> bool:
        """Adds the worst constraints that are violated; False where there are none."""
        program, value = self._program, self._value()
        self._drop_slack()
        self._added = 0
        self._add(value, program.need, Kind.NEED)
        self._add(value, program.cap, Kind.CAP)
        if program.counts_scores and self._price(value) > (1 + self._close) * self._price(None) + SLACK:
            self._add_values(value)
        return self._added > 0

    def _add(self, value: np.ndarray, bound: np.ndarray, kind: Kind) -> None:
        """Adds limits at the worst points at which they are violated: of those that may be missed what is not there
        yet, and of the others."""
        at, excess = self._violated(value, bound, _sign(kind))
        may = self._program.may_be_missed[at]
        new = may & ~np.isin(at, self._held.at[self._held.of(kind)])
        for some in (~may, new):
            self._extend(_all_of(kind, _worst(at[some], excess[some])))

    def _value(self) -> np.ndarray:
        """The value of each point, in float32: [n]."""
        found: np.ndarray = self._program.features @ self._w[:-1].astype(np.float32) + np.float32(self._w[-1])
        return found

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
        counted = self._excess[self._held.of(Kind.COUNTED)] if value is None else value[self._counted].clip(min=0)
        return self._program.prices[0] * largest + self._program.mean_price * float(counted.sum(dtype=np.float64))

    def _add_values(self, value: np.ndarray) -> None:
        """Adds that the largest value is at least those that exceed it most, and the excess of those that count."""
        above = _worst(np.arange(len(value)), value - (1 + self._close) * self._largest)
        self._extend(_all_of(Kind.LARGEST, above))
        there = self._held.of(Kind.COUNTED)
        if there.sum() >= MOST_SOFT:
            self._thin()
            there = self._held.of(Kind.COUNTED)
        free = self._counted.copy()
        free[self._held.at[there]] = False
        counts = np.flatnonzero(free & (value > 0))
        self._extend(_all_of(Kind.COUNTED, _worst(counts, value[counts])))

    def _thin(self) -> None:
        """Has one in THINNING of the points stand for all that count, from now on."""
        counted = np.zeros(len(self._counted), bool)
        counted[np.flatnonzero(self._counted)[::THINNING]] = True
        self._counted, self._program = counted, replace(self._program, domain=counted)
        self._keep(~self._held.of(Kind.COUNTED) | counted[self._held.at])

    def _extend(self, more: Constraints) -> None:
        """Adds these constraints, limits a little tighter than they are."""
        limits, rows = more.kind < Kind.LARGEST, np.zeros((len(more), self._rows.shape[1]))
        rows[:, :-2], rows[:, -2] = self._program.features[more.at], 1.0
        rows[more.of(Kind.LARGEST), -1] = -1.0
        signs = np.where(more.of(Kind.NEED), -1.0, 1.0)
        rows *= signs[:, None]
        bound = np.where(more.of(Kind.NEED), self._program.need[more.at], self._program.cap[more.at])
        bound = np.where(limits, bound, 0.0)
        slack = np.minimum(SLACK * (1 + np.abs(rows[:, :-1] * self._w).sum(1)), SLACK_SHARE * np.abs(bound))
        self._added += len(more)
        self._held = self._held.join(more)
        self._rows, self._limits = np.concatenate([self._rows, rows]), np.append(self._limits, signs * bound - slack)
        self._excess = np.append(self._excess, np.zeros(len(more)))

    def _drop_slack(self) -> None:
        """Where many are held, keeps the tightest; of an integer program the others may come back."""
        if len(self._rows) > HELD:
            left = self._limits - self._rows @ np.append(self._w, self._largest) + self._excess
            binding = int((left <= BINDING).sum())
            self._keep(np.argsort(left, kind="stable")[: max(TIGHT, binding)])

    def _keep(self, which: np.ndarray) -> None:
        """Drops all constraints but these."""
        self._held = self._held.select(which)
        self._rows, self._limits, self._excess = self._rows[which], self._limits[which], self._excess[which]


def _sign(kind: Kind) -> int:
    """1 for an upper limit, -1 for a lower one."""
    return -1 if kind == Kind.NEED else 1


def _all_of(kind: Kind, at: np.ndarray) -> Constraints:
    return Constraints(np.full(len(at), kind), at)


def _worst(at: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """At most BATCH of the points `at` [n], those where the excess is largest and above 0."""
    found = np.flatnonzero(excess > 0)
    worst: np.ndarray = at[found if len(found) <= BATCH else found[np.argpartition(-excess[found], BATCH)[:BATCH]]]
    return worst
