"""The smallest change of one neuron's incoming weights that meets linear demands, as a linear program and in z3.

A demand of sample i is sign_i * (inputs_i . change) >= needed_i, where inputs_i are the values on the edges that may
change, and a 1 for the bias.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import z3
from scipy import sparse
from scipy.optimize import linprog

from engine.errors import EngineError

Doubles = npt.NDArray[np.float64]
ROUNDS = 12  # in which unmet demands are added
ADDED = 200  # demands at most in a round
GAP = 0.01  # of the least cost: nearer to it, no demands are added
TOLERANCE = 1e-7  # by which a demand may be unmet and still count as met: the solver's own


@dataclass(frozen=True, slots=True, eq=False)
class Demands:
    """inputs [n, edges], sign [n] of 1 or -1, needed [n]; weight [n]: what each costs that is left unmet."""

    inputs: Doubles
    sign: Doubles
    needed: Doubles
    weight: Doubles

    def __len__(self) -> int:
        return len(self.needed)

    def select(self, which: np.ndarray) -> "Demands":
        """The demands with these numbers, or where a mask is true."""
        return Demands(self.inputs[which], self.sign[which], self.needed[which], self.weight[which])

    def unmet(self, change: Doubles) -> Doubles:
        """By how much each is unmet after this change [edges]: [n], negative where it is met with room."""
        found: Doubles = self.needed - self.sign * (self.inputs @ change)
        return found


def joined(parts: list[Demands]) -> Demands:
    """All demands of some lists."""
    return Demands(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Demands)))


def smallest_change(demands: Demands, *, penalty: float, norm: str = "l1") -> Doubles:
    """The change [edges] that minimizes its norm plus `penalty` times what it leaves unmet of all demands.

    norm: l1, the sum of all changes, which leaves most edges alone; or linf, the largest change times the number of
    edges. Where all can be met and the penalty is large, all are met, to the solver's tolerance of 1e-7. Demands are
    added only when a change would leave them unmet, so that thousands of samples cost little: the program of some
    demands bounds the whole one from below, and the best change is within 1% of it, or of ROUNDS programs.
    """
    best = change = np.zeros(demands.inputs.shape[1])
    chosen = np.zeros(len(demands), bool)
    least, lower = _cost(demands, change, penalty, norm), 0.0
    for _ in range(ROUNDS):
        unmet = demands.unmet(change)
        worst = np.flatnonzero((unmet > TOLERANCE) & ~chosen)
        if not len(worst) or least - lower <= GAP * least:
            break
        chosen[worst[np.argsort(-unmet[worst], kind="stable")[:ADDED]]] = True
        change = _solved(demands.select(chosen), penalty, norm)
        lower = _cost(demands.select(chosen), change, penalty, norm)
        if _cost(demands, change, penalty, norm) < least:
            best, least = change, _cost(demands, change, penalty, norm)
    return best


def _cost(demands: Demands, change: Doubles, penalty: float, norm: str) -> float:
    size = np.abs(change).sum() if norm == "l1" else len(change) * np.abs(change).max(initial=0.0)
    return float(size + penalty * (np.maximum(demands.unmet(change), 0) @ demands.weight))


def _solved(demands: Demands, penalty: float, norm: str) -> Doubles:
    count, edges = demands.inputs.shape
    rows = demands.sign[:, None] * demands.inputs
    # variables: the positive and the negative part of the change, what each demand is unmet by, the largest change
    costs = np.concatenate([np.full(2 * edges, float(norm == "l1")), penalty * demands.weight, [edges]])
    matrix = sparse.csr_array(np.hstack([-rows, rows, -np.eye(count), np.zeros((count, 1))]))
    limits = -demands.needed
    if norm == "linf":
        one, nothing = sparse.eye_array(edges), sparse.csr_array((edges, count))
        matrix = sparse.vstack([matrix, sparse.hstack([one, one, nothing, sparse.csr_array(-np.ones((edges, 1)))])])
        limits = np.concatenate([limits, np.zeros(edges)])
    found = linprog(costs, A_ub=matrix, b_ub=limits, bounds=(0, None), method="highs")
    if found.x is None:
        raise EngineError(f"the linear program could not be solved: {found.message}")
    change: Doubles = found.x[:edges] - found.x[edges : 2 * edges]
    return change


def z3_change(demands: Demands, *, bound: float, steps: int = 4, seconds: float = 10.0) -> Doubles | None:
    """A change [edges] that meets all demands exactly, each number of it within a bound; None where z3 finds none.

    The bound is halved up to `steps` times while there is a change within it, so the largest number of the change is
    at most twice the least possible, within these steps. NNrepair (Usman et al., CAV 2021) asks z3 in the same way.
    """
    variables = [z3.Real(f"change_{k}") for k in range(demands.inputs.shape[1])]
    solver = z3.Solver()
    solver.set("timeout", max(1, round(1000 * seconds)))
    for inputs, sign, needed in zip(demands.inputs, demands.sign, demands.needed):
        total = z3.Sum([_exact(sign * value) * variable for value, variable in zip(inputs, variables) if value])
        solver.add(total >= _exact(needed))
    found = None
    for _ in range(steps):
        solver.push()
        for variable in variables:
            solver.add(variable <= _exact(bound), variable >= _exact(-bound))
        if solver.check() != z3.sat:
            break
        model = solver.model()
        found = np.array([_number(model.eval(variable, model_completion=True)) for variable in variables])
        bound = float(np.abs(found).max(initial=0.0)) / 2
        solver.pop()
    return found


def _exact(value: float) -> z3.RatNumRef:
    """The number itself: every float64 is a fraction."""
    numerator, denominator = float(value).as_integer_ratio()
    exact: z3.RatNumRef = z3.Q(numerator, denominator)
    return exact


def _number(value: z3.RatNumRef) -> float:
    return float(value.as_fraction())
