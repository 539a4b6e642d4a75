"""The smallest change of one neuron's incoming weights that meets linear demands, as a linear program and in z3.

A demand of sample i is sign_i * (inputs_i . change) >= needed_i, where inputs_i are the values on the edges that may
change, and a 1 for the bias.
"""

from dataclasses import dataclass, fields
from fractions import Fraction

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


def z3_change(demands: Demands, *, bound: float, seconds: float = 10.0) -> Doubles | None:
    """The change [edges] that meets all demands and whose largest number is least, in exact arithmetic.

    None where no change within the bound meets them all, or z3 finds none in this time. Numbers are rounded to float64
    at the end. NNrepair (Usman et al., CAV 2021) asks z3 for any change; the least one leaves most as it is.
    """
    context = z3.Context()  # of its own, so that answers do not depend on what z3 did before
    variables = [z3.Real(f"change_{k}", context) for k in range(demands.inputs.shape[1])]
    largest = z3.Real("largest", context)
    solver = z3.Optimize(ctx=context)
    solver.set("timeout", max(1, round(1000 * seconds)))
    solver.add(largest <= _exact(bound, context))
    for variable in variables:
        solver.add(variable <= largest, variable >= -largest)
    for inputs, sign, needed in zip(demands.inputs, demands.sign, demands.needed):
        terms = [_exact(sign * value, context) * variable for value, variable in zip(inputs, variables) if value]
        solver.add(z3.Sum([_exact(0.0, context), *terms]) >= _exact(needed, context))
    solver.minimize(largest)
    if solver.check() != z3.sat:
        return None
    model = solver.model()
    return np.array([float(model.eval(variable, model_completion=True).as_fraction()) for variable in variables])


def _exact(value: float, context: z3.Context) -> z3.RatNumRef:
    """The number itself: every float64 is a fraction."""
    return z3.RealVal(str(Fraction(float(value))), context)
