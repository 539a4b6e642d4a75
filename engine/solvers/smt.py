"""The verification question in z3, in exact rationals: for tiny networks, as a cross-check."""

from dataclasses import dataclass
from fractions import Fraction

import z3

from engine.joint import Model, blocks_of
from engine.network import Network
from engine.property import Case, Property, Row, Vector


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of z3. status: unsat, sat or unknown (it gave up); point: unsafe rational inputs of one case."""

    status: str
    point: Vector | None = None


def solve(model: Model, property: Property, *, timeout: float | None = None) -> Answer:
    """Says whether some real point of some case reaches an unsafe polytope. timeout: in seconds, for each case.

    InputError where float64 does not hold the network's numbers.
    """
    for block in blocks_of(model):
        block.network.demand_own_numbers("an exact answer by z3")
        block.network.demand_relus("an exact answer by z3")
    answers = (solve_case(model, case, timeout=timeout) for case in property.cases)
    worst = Answer("unsat")
    for answer in answers:
        if answer.status == "sat":
            return answer
        worst = answer if answer.status == "unknown" else worst
    return worst


def solve_case(model: Model, case: Case, *, timeout: float | None = None) -> Answer:
    """The same for one case, about the numbers in the layers."""
    solver = z3.SolverFor("QF_LRA")
    if timeout is not None:
        solver.set("timeout", round(1000 * timeout))
    x = [z3.Real(f"x{i}") for i in range(model.n_inputs)]
    for v, low, high in zip(x, case.lower, case.upper):
        solver.add(v >= _exact(low), v <= _exact(high))
    y: list[z3.ArithRef] = []
    for number, block in enumerate(blocks_of(model)):
        y += _outputs(block.network, [x[i] for i in block.inputs], solver, str(number))
    polytopes = [z3.And([_holds(row, x, y) for row in polytope.rows]) for polytope in case.unsafe]
    solver.add(z3.Or(polytopes))
    result = solver.check()
    if result != z3.sat:
        return Answer("unsat" if result == z3.unsat else "unknown")
    found = solver.model()
    return Answer("sat", tuple(found.eval(v, model_completion=True).as_fraction() for v in x))


def _outputs(network: Network, x: list[z3.ArithRef], solver: z3.Solver, name: str) -> list[z3.ArithRef]:
    """The outputs as variables with this `name` in theirs, one for each neuron, so that no expression is copied."""
    h = x
    for k, layer in enumerate(network.layers):
        outputs = []
        relus = set(layer.relus.tolist())
        for j, (weights, bias) in enumerate(zip(layer.weight.tolist(), layer.bias.tolist())):
            z = z3.Sum([_exact(w) * v for w, v in zip(weights, h) if w] + [_exact(bias)])
            h_j = z3.Real(f"h{name}_{k}_{j}")
            solver.add(h_j == (z3.If(z >= 0, z, _exact(0)) if j in relus else z))
            outputs.append(h_j)
        h = outputs
    return h


def _holds(row: Row, x: list[z3.ArithRef], y: list[z3.ArithRef]) -> z3.BoolRef:
    terms = [_exact(c) * v for cs, vs in ((row.inputs, x), (row.outputs, y)) for c, v in zip(cs, vs) if c]
    value = z3.Sum(terms + [_exact(row.constant)])
    return value < 0 if row.strict else value <= 0


def _exact(value: Fraction | float) -> z3.RatNumRef:
    return z3.RealVal(str(Fraction(value)))
