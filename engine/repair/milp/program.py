"""The smallest change of a row of weights that meets very many linear constraints, found by cutting planes.

Only constraints that some solution violated are handed to the solver: at most HELD + 2 BATCH of hundreds of thousands.
Solvers are numerical: what they return is checked against all constraints, and the network made of it is proved by the
search as any other.
"""

from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from engine.errors import InputError

BATCH = 300  # violated constraints added in a round, of lower bounds and of upper bounds each
HELD = 1200  # constraints up to which a round keeps all
TIGHT = 600  # else it keeps so many, the tightest
ROUNDS = 60
SECONDS = 20.0  # limit of one call of a solver
TOLERANCE = 1e-6  # float32 resolves no less
FREE_LICENCE = 2000  # variables, and constraints, that gurobi solves without a licence of its own
NORMS = ("l1", "count", "max")

#: Gurobi takes Ctrl-C while it solves and gives it back at the end: two at once would keep it for good.
ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Find w near `base` with need <= features @ w[:-1] + w[-1] <= cap at each of n points.

    features: float32 [n, width]; base, lower, upper [width + 1]; need, cap [n], infinite where nothing is asked;
    norm: of w - base, which is made small: l1, count (how many numbers change) or max; largest [width]: at least the
    absolute value of each feature, found where it is not given.
    """

    features: np.ndarray
    base: np.ndarray
    need: np.ndarray
    cap: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    norm: str = "l1"
    largest: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise InputError(f"unknown norm {self.norm!r}", advice=f"use {', '.join(NORMS)}")

    def select(self, which: np.ndarray) -> "Program":
        """The same about these points only: bool [n]."""
        return replace(self, features=self.features[which], need=self.need[which], cap=self.cap[which])

    def join(self, other: "Program") -> "Program":
        """The same weights' program about the points of both."""
        return replace(
            self,
            features=np.concatenate([self.features, other.features]),
            need=np.concatenate([self.need, other.need]),
            cap=np.concatenate([self.cap, other.cap]),
            largest=np.maximum(self._largest(), other._largest()),
        )

    def _largest(self) -> np.ndarray:
        return largest(self.features) if self.largest is None else self.largest


def solve(program: Program, *, backend: str = "auto", rounds: int = ROUNDS) -> np.ndarray | None:
    """w, which violates no constraint by more than TOLERANCE of one plus the largest sum; None if none is found.

    backend: gurobi, highs, or auto (gurobi where it is installed and its licence suffices).
    """
    solver = {"gurobi": _gurobi, "highs": _highs, "auto": _either}.get(backend)
    if solver is None:
        raise InputError(f"unknown backend {backend!r}", advice="use auto, gurobi or highs")
    if not ((program.need <= program.cap) & (program.need < np.inf) & (program.cap > -np.inf)).all():
        return None
    w, width = program.base.copy(), len(program.base)
    rows, limits = np.empty((0, width), np.float32), np.empty(0)
    asked = (program.need > -np.inf) | (program.cap < np.inf)
    program = program if asked.all() else program.select(asked)
    most = program._largest()
    for _ in range(rounds):
        value = program.features @ w[:-1].astype(np.float32) + np.float32(w[-1])
        tolerance = TOLERANCE * (1.0 + float(np.abs(w[:-1]) @ most))
        if len(rows) > HELD:  # those that are slack; of an integer program they may come back
            tightest = np.argpartition(limits - rows @ w, TIGHT)[:TIGHT]
            rows, limits = rows[tightest], limits[tightest]
        held = len(rows)
        for excess, sign, bound in ((program.need - value, -1, program.need), (value - program.cap, 1, program.cap)):
            worst = _worst(excess, tolerance)
            rows = np.concatenate([rows, sign * np.column_stack([program.features[worst], np.ones(len(worst))])])
            limits = np.concatenate([limits, sign * bound[worst]])
        if len(rows) == held:
            return w
        found = solver(_Model(rows.astype(np.float64), limits, program))
        if found is None:
            return None
        w = found
    return None


def largest(features: np.ndarray) -> np.ndarray:
    """The largest absolute value of each feature at points [n, width]: [width]."""
    found: np.ndarray = np.maximum(features.max(0, initial=0.0), -features.min(0, initial=0.0))
    return found


def _worst(excess: np.ndarray, tolerance: float) -> np.ndarray:
    """At most BATCH places [k], those where the excess is largest and above the tolerance."""
    found = np.flatnonzero(excess > tolerance)
    return found if len(found) <= BATCH else found[np.argpartition(-excess[found], BATCH)[:BATCH]]


class _Model:
    """Minimize cost . v where matrix v <= limits and 0 <= v <= high, with integers where `whole` is 1.

    v: up and down with w = base + up - down, then what the norm needs.
    """

    def __init__(self, matrix: np.ndarray, limits: np.ndarray, program: Program):
        n = len(program.base)
        extra = {"l1": 0, "count": n, "max": 1}[program.norm]
        up, down = program.upper - program.base, program.base - program.lower
        self.base = program.base
        self.matrix = np.hstack([matrix, -matrix, np.zeros((len(matrix), extra))])
        self.limits = limits - matrix @ program.base
        self.high = np.concatenate([up, down, np.full(extra, np.inf if program.norm == "max" else 1.0)])
        self.cost = np.concatenate([np.full(2 * n, 1e-3 if extra else 1.0), np.ones(extra)])
        self.whole = np.repeat([0, 1 if program.norm == "count" else 0], [2 * n, extra])
        if extra:
            self._link(n, np.maximum(up, down).clip(max=1e3))

    def _link(self, n: int, most: np.ndarray) -> None:
        """Adds up + down <= the maximum, or <= most * (0 or 1)."""
        both = np.hstack([np.eye(n), np.eye(n)])
        last = -np.diag(most) if self.whole.any() else -np.ones((n, 1))
        self.matrix = np.vstack([self.matrix, np.hstack([both, last])])
        self.limits = np.concatenate([self.limits, np.zeros(n)])

    def solution(self, v: np.ndarray) -> np.ndarray:
        """The weights w that these variables stand for."""
        n = len(self.base)
        change = v[:n] - v[n : 2 * n]
        return self.base + np.where(np.abs(change) > 1e-9, change, 0.0)


def _either(model: _Model) -> np.ndarray | None:
    if max(model.matrix.shape) > FREE_LICENCE:
        return _highs(model)
    try:
        return _gurobi(model)
    except InputError:
        return _highs(model)


def _highs(model: _Model) -> np.ndarray | None:
    if model.whole.any():  # without presolve: where that misled it, HiGHS prints a line to stdout
        found = milp(
            model.cost,
            integrality=model.whole,
            bounds=Bounds(0, model.high),
            constraints=LinearConstraint(model.matrix, -np.inf, model.limits),
            options={"time_limit": SECONDS, "presolve": False},
        )
    else:
        ends = np.column_stack([np.zeros(len(model.high)), model.high])
        found = linprog(
            model.cost,
            A_ub=model.matrix,
            b_ub=model.limits,
            bounds=ends,
            method="highs",
            options={"time_limit": SECONDS},
        )
    return None if found.x is None else model.solution(found.x)


def _gurobi(model: _Model) -> np.ndarray | None:
    """The solution by gurobi; InputError where gurobi cannot be used."""
    try:
        import gurobipy
    except ImportError as error:
        raise InputError(f"gurobi cannot be used ({error})", advice="use the highs backend") from None
    try:
        with ONE_AT_A_TIME, gurobipy.Env(params={"OutputFlag": 0}) as env, gurobipy.Model(env=env) as program:
            program.Params.Threads, program.Params.TimeLimit = 1, SECONDS
            values = program.addMVar(len(model.cost), ub=model.high, vtype=np.where(model.whole == 1, "B", "C"))
            program.addConstr(model.matrix @ values <= model.limits)
            program.setObjective(model.cost @ values)
            program.optimize()
            if program.Status == gurobipy.GRB.INTERRUPTED:
                raise KeyboardInterrupt
            return model.solution(np.asarray(values.X)) if program.SolCount else None
    except gurobipy.GurobiError as error:
        raise InputError(f"gurobi cannot be used ({error})", advice="use the highs backend") from None
