"""A linear or integer program as solvers take it, solved by HiGHS or gurobi."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, hstack, vstack

from engine.errors import InputError
from engine.repair.milp.programs.program import Program

SECONDS = 20.0  # limit of one call of a solver
FEASIBLE = 1e-9  # by which solvers may violate a constraint, the least that they take
FREE_LICENCE = 2000  # variables, and constraints, that gurobi solves without a licence of its own
WEIGHT_PRICE = (
    0.03  # of norm scores, of a change of a weight by 1: of nearly equal changes that of few weights is taken
)

#: Gurobi takes Ctrl-C while it solves and gives it back at the end: two at once would keep it for good. Beside HiGHS
#: the standard output is put aside.
ONE_AT_A_TIME = Lock()


class Found(NamedTuple):
    """What a solver found: the weights w; the largest value, where scores count; the excess of each row that may be
    exceeded."""

    w: np.ndarray
    largest: float
    excess: np.ndarray


class Model:
    """Minimize cost . v where matrix v <= limits and 0 <= v <= high, with integers where `whole` is 1.

    v: up and down with w = base + up - down, then the largest value, where scores count, and the excess of each row
    that may be exceeded, then what the norm needs.
    """

    def __init__(self, rows: np.ndarray, limits: np.ndarray, prices: np.ndarray, linear: np.ndarray, program: Program):
        """rows: of (w, largest value); prices: of each unit by which a row is exceeded, infinite where none may be;
        linear: what each weight costs beside its change.
        """
        n, at = len(program.base), np.flatnonzero(prices < np.inf)
        extra = {"count": n, "max": 1}.get(program.norm, 0)
        up, down = program.upper - program.base, program.base - program.lower
        weights = csr_array(rows[:, :n])
        excess = csr_array((-np.ones(len(at)), (at, np.arange(len(at)))), shape=(len(rows), len(at)))
        largest = [csr_array(rows[:, n:])] if program.counts_scores else []
        self.base, self.counts_scores, self.soft = program.base, program.counts_scores, len(at)
        self.matrix = hstack([weights, -weights, *largest, excess, csr_array((len(rows), extra))], format="csr")
        self.limits = limits - weights @ program.base
        high = np.inf if program.norm == "max" else 1.0
        values = [*[program.prices[0]] * len(largest), *prices[at]]
        self.high = np.concatenate([up, down, np.full(len(values), np.inf), np.full(extra, high)])
        price = {"scores": WEIGHT_PRICE, "l1": 1.0}.get(program.norm, 1e-3)
        self.cost = np.concatenate([price + linear, price - linear, values, np.ones(extra)])
        self.whole = np.repeat([0, 1 if program.norm == "count" else 0], [2 * n + len(values), extra])
        if extra:
            self._link(n, len(values), np.maximum(up, down).clip(max=1e3))

    def _link(self, n: int, values: int, most: np.ndarray) -> None:
        """Adds up + down <= the maximum, or <= most * (0 or 1)."""
        last = -np.diag(most) if self.whole.any() else -np.ones((n, 1))
        more = np.hstack([np.eye(n), np.eye(n), np.zeros((n, values)), last])
        self.matrix = vstack([self.matrix, csr_array(more)], format="csr")
        self.limits = np.concatenate([self.limits, np.zeros(n)])

    def solution(self, v: np.ndarray) -> Found:
        """What these variables stand for."""
        n = len(self.base)
        change, values = v[:n] - v[n : 2 * n], v[2 * n :]
        largest, values = (float(values[0]), values[1:]) if self.counts_scores else (0.0, values)
        return Found(self.base + np.where(np.abs(change) > 1e-9, change, 0.0), largest, values[: self.soft])


Solver = Callable[[Model], Found | None]


def _either(model: Model) -> Found | None:
    if max(model.matrix.shape) > FREE_LICENCE:
        return _highs(model)
    try:
        return _gurobi(model)
    except InputError:
        return _highs(model)


def _highs(model: Model) -> Found | None:
    from scipy.optimize import Bounds, LinearConstraint, linprog, milp  # slow to import

    if model.whole.any():
        with ONE_AT_A_TIME, _silent():
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
            options={"time_limit": SECONDS, "primal_feasibility_tolerance": FEASIBLE},
        )
    return None if found.x is None else model.solution(found.x)


@contextmanager
def _silent() -> Iterator[None]:
    """Drops what is written to the standard output: HiGHS prints a line of its own from C, where a point is not quite
    feasible."""
    try:
        before = os.dup(1)
    except OSError:  # there is none
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C still holds back
        os.dup2(before, 1)
        os.close(before)


def _gurobi(model: Model) -> Found | None:
    """The solution by gurobi; InputError where gurobi cannot be used."""
    try:
        import gurobipy
    except ImportError as error:
        raise InputError(f"gurobi cannot be used ({error})", advice="use the highs backend") from None
    try:
        with ONE_AT_A_TIME, gurobipy.Env(params={"OutputFlag": 0}) as env, gurobipy.Model(env=env) as program:
            program.Params.Threads, program.Params.TimeLimit = 1, SECONDS
            program.Params.FeasibilityTol = FEASIBLE
            values = program.addMVar(len(model.cost), ub=model.high, vtype=np.where(model.whole == 1, "B", "C"))
            program.addConstr(model.matrix @ values <= model.limits)
            program.setObjective(model.cost @ values)
            program.optimize()
            if program.Status == gurobipy.GRB.INTERRUPTED:
                raise KeyboardInterrupt
            return model.solution(np.asarray(values.X)) if program.SolCount else None
    except gurobipy.GurobiError as error:
        raise InputError(f"gurobi cannot be used ({error})", advice="use the highs backend") from None


BACKENDS: dict[str, Solver] = {"auto": _either, "gurobi": _gurobi, "highs": _highs}
