"""Few of the given edges changed so that all constraints hold: z3 in exact rationals, counterexample-guided.

z3's solution is rounded to what the file can hold and tried on all samples; those that it gets wrong become
constraints. Where there is no solution, the unsatisfiable core is a conflict between points: the edge that the
conflict's multipliers weigh most (conflict.py) is the next unknown.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import z3

from engine.network import Network
from engine.onnx_file import storable
from engine.repair.edit import edited
from engine.repair.localize import Edge
from engine.repair.smt.conflict import significance
from engine.repair.smt.points import NOISE, Constraint, Fault, Points
from engine.repair.task import Say

BOUNDS = (0.05, 0.2, 0.8, 3.2, 12.8)  # on a weight's change, relaxed step by step
RESOURCE_LIMIT = 5_000_000  # of each call of z3, in its own unit: about a second


class WeightSearch:
    """Changes of few of the given edges that are right at all points by a margin."""

    # set anew by each `_start`
    _context: z3.Context
    _solver: z3.Solver
    _unknowns: list[z3.ArithRef]  # the change of each edge in use
    _asserted: int  # constraints that the solver has
    _bound: int  # number of the bound in force

    def __init__(self, points: Points, edges: list[Edge], max_weights: int):
        self._points, self._edges, self._max_weights = points, edges, max_weights
        self._constrained: list[Fault] = []  # of all margins so far
        self._margin = 0.0
        self._constraints: list[Constraint] = []
        self._used: list[int] = []  # numbers of the edges that are unknowns
        self._forgiven: set[int] = set()  # points whose advisory may change
        self._max_forgiven = 0
        neurons = sorted({out for _, out, _ in edges})
        which = f"neuron {neurons[0]}" if len(neurons) == 1 else f"{len(neurons)} neurons"
        self.name = f"{which} of layer {points.layer + 1}"

    def solutions(self, margin: float, rounds: int, forgiving: int, say: Say) -> Iterator[np.ndarray]:
        """Yields changes [edges], most of them 0; resumed, the next that is right at the points then known.

        Points that became constraints for another margin are constraints again. margin: in scores; rounds: calls of z3;
        forgiving: the number of points whose advisories may change; say is told of each round.
        """
        about = f"z3: {self.name}, margin {margin:g}" + f", forgiving {forgiving}" * (forgiving > 0)
        self._margin, self._used, self._forgiven, self._max_forgiven = margin, [0], set(), forgiving
        self._constraints = []
        self._constrain(self._constrained)
        self._start()
        for _ in range(rounds + forgiving):
            say(f"{about}, {len(self._constraints)} demands")
            found = self._solve()
            if isinstance(found, list):
                if not self._relax(found):
                    return
                continue
            change = self._rounded(found)
            new = self._new_faults(change)
            if not new:
                change = self._fewest(change)
                yield change
                new = self._new_faults(change)
                if not new:
                    return
            self._constrained += new
            self._constrain(new)

    def _constrain(self, faults: list[Fault]) -> None:
        """Adds constraints against these faults."""
        for fault in faults:
            self._constraints += self._points.constraints(fault, self._edges, self._margin)

    def network(self, change: np.ndarray) -> Network:
        """The original with these changes."""
        numbers = self._points.numbers.copy()
        for (_, out, i), delta in zip(self._edges, change):
            numbers[out, i] += delta
        return edited(self._points.original, {self._points.layer: (numbers[:, :-1], numbers[:, -1])})

    def _faults(self, change: np.ndarray) -> list[Fault]:
        """The worst points for this change."""
        edges = [self._edges[e] for e in self._used]
        return list(self._points.faults(edges, change[self._used], self._margin, self._forgiven))

    def _new_faults(self, change: np.ndarray) -> list[Fault]:
        """Those that are no constraints yet."""
        return [fault for fault in self._faults(change) if fault not in self._constrained]

    def _fewest(self, change: np.ndarray) -> np.ndarray:
        """The same changes without those that no point needs, the smallest tried first."""
        for e in sorted(self._used, key=lambda e: abs(change[e])):
            fewer = change.copy()
            fewer[e] = 0.0
            change = change if self._faults(fewer) else fewer
        return change

    def _rounded(self, change: np.ndarray) -> np.ndarray:
        """The changes when each changed weight is the nearest number that the file can hold."""
        numbers = self._points.numbers
        wanted = numbers.copy()
        for (_, out, i), delta in zip(self._edges, change):
            wanted[out, i] += delta
        weight, bias = storable(self._points.original)[self._points.layer]
        held = np.column_stack([weight.nearest(wanted[:, :-1]), bias.nearest(wanted[:, -1])])
        return np.array([held[out, i] - numbers[out, i] for _, out, i in self._edges])

    def _solve(self) -> np.ndarray | list[int]:
        """Changes [edges] under which all constraints hold; else the numbers of those in conflict.

        Among these, -1 stands for the bound on changes. The list is empty where z3 gave up.
        """
        for number in range(self._asserted, len(self._constraints)):
            self._solver.assert_and_track(self._formula(self._constraints[number]), f"demand:{number}")
        self._asserted = len(self._constraints)
        answer = self._solver.check(self._within(self._bound))
        if answer != z3.sat:
            core = self._solver.unsat_core() if answer == z3.unsat else []
            return [int(str(name).split(":")[1]) for name in core]
        model, change = self._solver.model(), np.zeros(len(self._edges))
        for e, unknown in zip(self._used, self._unknowns):
            change[e] = float(model.eval(unknown, model_completion=True).as_fraction())
        return change

    def _formula(self, constraint: Constraint) -> z3.BoolRef:
        """The constraint on the unknowns in use, for z3."""
        zero, exact = self._exact(0.0), self._exact
        sums = [
            z3.Sum([exact(c)] + [exact(a) * d for a, d in zip(slope, self._unknowns) if a])
            for c, slope in zip(constraint.constant, constraint.slope[:, self._used])
        ]
        return z3.Or([z3.BoolVal(False, self._context)] + [s >= zero for s in sums])

    def _start(self) -> None:
        """Starts a solver for the unknowns in use, with the tightest bound.

        It has a context of its own, so that its answers do not depend on what z3 did before.
        """
        self._context, self._asserted, self._bound = z3.Context(), 0, 0
        self._unknowns = [z3.Real(f"d{e}", self._context) for e in self._used]
        self._solver = z3.SolverFor("QF_LRA", self._context)
        self._solver.set("rlimit", RESOURCE_LIMIT)
        for k, bound in enumerate(map(self._exact, BOUNDS)):
            within = z3.And([z3.And(-bound <= d, d <= bound) for d in self._unknowns])
            self._solver.add(z3.Implies(self._within(k), within))

    def _within(self, bound: int) -> z3.BoolRef:
        """Assumed where this bound on changes is in force."""
        return z3.Bool(f"bound{bound}:-1", self._context)

    def _exact(self, value: float) -> z3.RatNumRef:
        """The nearest float32 value, for z3."""
        return z3.RealVal(str(Fraction(float(np.float32(value)))), self._context)

    def _relax(self, core: list[int]) -> bool:
        """Raises the bound if the conflict needs it; else adds an unknown; else forgives an advisory.

        That is the one nearest to changing. False where nothing helps.
        """
        if -1 in core and self._bound + 1 < len(BOUNDS):
            self._bound += 1
            return True
        conflict = [self._constraints[i] for i in core if i >= 0]
        weight = significance(conflict, self._used) if conflict else np.zeros(1)
        if len(self._used) < self._max_weights and weight.max() > NOISE:
            self._used.append(int(weight.argmax()))
        elif len(self._forgiven) < self._max_forgiven and any(one.point >= 0 for one in conflict):
            forgivable = [one for one in conflict if one.point >= 0]
            self._forgiven.add(min(forgivable, key=lambda one: float(one.constant[0])).point)
            self._constraints = [one for one in self._constraints if one.point not in self._forgiven]
        else:
            return False
        self._start()
        return True
