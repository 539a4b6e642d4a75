"""One box of one case as a mixed-integer program: a cross-check and a source of candidate points.

The model is exact in principle (big-M over given bounds of the hidden neurons), but solvers work to
tolerances of about 1e-6: "infeasible" here is never a proof, and a candidate point is one only once
exact arithmetic and onnxruntime agree (search/confirm.py).
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp

from engine.errors import InputError
from engine.network import Network
from engine.property import Case, Polytope

TOLERANCE = 1e-6  # margins below this are noise to a solver

Solution = tuple[np.ndarray | None, bool]  # the best values, if any, and True where they are optimal


@dataclass(frozen=True, slots=True)
class BoxResult:
    """A solver's result on a box: `status` infeasible, feasible or unknown.

    margin: the depth of the deepest point found inside an unsafe polytope (negative: its distance from all); None where
    the time did not suffice; point: that point [inputs], or None.
    """

    status: str
    point: np.ndarray | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class Program:
    """Maximize v[-1] where matrix v <= limits and low <= v <= high; `whole` marks integers."""

    matrix: np.ndarray
    limits: np.ndarray
    low: np.ndarray
    high: np.ndarray
    whole: np.ndarray


def solve_box(
    network: Network,
    case: Case,
    *,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    l: npt.ArrayLike,
    u: npt.ArrayLike,
    backend: str = "auto",
    timeout: float | None = None,
) -> BoxResult:
    """Says whether an unsafe polytope of `case` is reached on the box [lower, upper], to a solver's tolerances.

    l, u: [hidden], true bounds of every ReLU's input on the box. backend: gurobi, highs, or auto
    (gurobi where it is installed and its licence allows the model). timeout: in seconds.
    """
    network.demand_relus("a mixed-integer program")
    solvers = {"gurobi": _gurobi, "highs": _highs, "auto": _either}
    if backend not in solvers:
        raise InputError(f"unknown backend {backend!r}", advice="use auto, gurobi or highs")
    low, high, below, above = (np.asarray(a, dtype=np.float64) for a in (lower, upper, l, u))
    end = np.inf if timeout is None else time.monotonic() + timeout
    best = BoxResult("infeasible", None, -np.inf)
    for polytope in case.unsafe:
        if not polytope.rows:
            return BoxResult("feasible", (low + high) / 2, np.inf)
        found = solvers[backend](box_program(network, polytope, low, high, below, above), end - time.monotonic())
        best = _deeper(best, _result(found, len(low)))
    return best


def _deeper(a: BoxResult, b: BoxResult) -> BoxResult:
    """The result on the union of two polytopes."""
    order = ("infeasible", "unknown", "feasible")
    if a.status != b.status:
        return max(a, b, key=lambda result: order.index(result.status))
    return max(a, b, key=lambda result: -np.inf if result.margin is None else result.margin)


def _result(found: Solution, n_inputs: int) -> BoxResult:
    values, optimal = found
    if values is None:
        return BoxResult("unknown", None, None)
    margin = float(values[-1])
    outside = optimal and margin < -TOLERANCE
    status = "feasible" if margin > TOLERANCE else "infeasible" if outside else "unknown"
    return BoxResult(status, values[:n_inputs], margin)


def box_program(
    network: Network, polytope: Polytope, lower: np.ndarray, upper: np.ndarray, l: np.ndarray, u: np.ndarray
) -> Program:
    """The program of `solve_box` for one polytope, by big-M.

    Variables: inputs, outputs of the ReLUs of open sign, their phases, the depth inside the polytope.
    """
    unstable = np.flatnonzero((l < 0) & (u > 0))
    n, m = len(lower), len(unstable)
    columns = n + 2 * m + 1
    place = dict(zip(unstable.tolist(), range(m)))
    rows = []  # each [columns + 1], <= 0
    h = np.eye(n, columns + 1)  # every layer's outputs as affine functions of the variables
    start = 0
    for layer in network.layers:
        z = layer.weight @ h
        z[:, -1] += layer.bias
        h = z.copy()
        for i, j in enumerate(layer.relus.tolist(), start):
            if l[i] < 0:
                h[j] = 0.0
                if u[i] > 0:
                    h[j, n + place[i]] = 1.0
                    rows += _relu_rows(z[j], h[j], n + m + place[i], l[i], u[i])
        start += len(layer.relus)
    for row in polytope.rows:
        value = np.array(row.outputs, dtype=np.float64) @ h
        value[:n] += np.array(row.inputs, dtype=np.float64)
        value[[-2, -1]] += (1.0, float(row.constant))
        rows.append(value)
    table = np.array(rows)
    low = np.concatenate([lower, np.zeros(2 * m), [-np.inf]])
    high = np.concatenate([upper, u[unstable], np.ones(m), [np.inf]])
    whole = np.repeat([0, 1, 0], [n + m, m, 1])
    return Program(table[:, :-1], -table[:, -1], low, high, whole)


def _relu_rows(z: np.ndarray, h: np.ndarray, phase: int, l: float, u: float) -> list[np.ndarray]:
    """h = max(z, 0) where l <= z <= u and h >= 0: z <= h, h <= z - l (1 - phase), h <= u phase."""
    on, off = h - z, h.copy()
    on[phase] -= l
    on[-1] += l
    off[phase] -= u
    return [z - h, on, off]


def _either(model: Program, seconds: float) -> Solution:
    try:
        return _gurobi(model, seconds)
    except InputError:
        return _highs(model, seconds)


def _gurobi(model: Program, seconds: float) -> Solution:
    """InputError where gurobi cannot be used."""
    try:
        import gurobipy
    except ImportError as error:
        raise InputError(f"gurobi cannot be used ({error})", advice="use the highs backend") from None
    try:
        with gurobipy.Env(params={"OutputFlag": 0}) as env, gurobipy.Model(env=env) as program:
            program.Params.Threads = 1
            program.Params.TimeLimit = max(seconds, 0.0) if np.isfinite(seconds) else 1e100
            kinds = np.where(model.whole == 1, "B", "C")
            values = program.addMVar(len(model.low), lb=model.low, ub=model.high, vtype=kinds)
            program.addConstr(model.matrix @ values <= model.limits)
            program.setObjective(values[-1], gurobipy.GRB.MAXIMIZE)
            program.optimize()
            found = np.asarray(values.X) if program.SolCount else None
            return found, program.Status == gurobipy.GRB.OPTIMAL
    except gurobipy.GurobiError as error:
        raise InputError(f"gurobi cannot be used ({error})", advice="use the highs backend") from None


def _highs(model: Program, seconds: float) -> Solution:
    objective = np.zeros(len(model.low))
    objective[-1] = -1.0
    found = milp(
        objective,
        integrality=model.whole,
        bounds=Bounds(model.low, model.high),
        constraints=LinearConstraint(model.matrix, -np.inf, model.limits),
        options={"time_limit": max(seconds, 0.0)} if np.isfinite(seconds) else {},
    )
    return found.x, found.status == 0
