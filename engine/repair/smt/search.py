"""Few of the given edges changed so that all demands are met: z3 in exact rationals, counterexample-guided.

z3's solution is rounded to float32 and tried on all samples, and those that it gets wrong become constraints. Where
there is no solution, the unsatisfiable core is a conflict between points: the edge that the conflict's multipliers
weigh most is the next unknown.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import z3
from scipy.optimize import nnls

from engine.network import Network
from engine.onnx_file import storable
from engine.repair.edit import edited
from engine.repair.localize import Edge
from engine.repair.smt.points import NOISE, Demand, Points
from engine.repair.task import Say

BOUNDS = (0.05, 0.2, 0.8, 3.2, 12.8)  # on a weight's change, relaxed step by step
EFFORT = 5_000_000  # of z3 each time, about a second


class Search:
    """Changes of few of the given edges that are right at all points by a margin."""

    def __init__(self, points: Points, edges: list[Edge], most: int):
        self._points, self._edges, self._most = points, edges, most
        self._asked: list[tuple[int, int]] = []
        neurons = sorted({out for _, out, _ in edges})
        which = f"neuron {neurons[0]}" if len(neurons) == 1 else f"{len(neurons)} neurons"
        self.name = f"{which} of layer {points.layer + 1}"

    def solutions(self, margin: float, rounds: int, forgiving: int, say: Say) -> Iterator[np.ndarray]:
        """Changes, one for each edge, most of them 0; resumed, the next that is right at the points then known.

        What was asked for another margin is asked again. forgiving: how many points' advisories may change.
        """
        about = f"z3: {self.name}, margin {margin:g}" + f", forgiving {forgiving}" * (forgiving > 0)
        self._margin, self._used, self._forgiven, self._forgiving = margin, [0], set(), forgiving
        self._demands: list[Demand] = []
        self._ask(self._asked)
        self._start()
        for _ in range(rounds + forgiving):
            say(f"{about}, {len(self._demands)} demands")
            found = self._solve()
            if isinstance(found, list):
                if not self._relax(found):
                    return
                continue
            change = self._rounded(found)
            new = [key for key in self._wrong(change) if key not in self._asked]
            if not new:
                change = self._fewest(change)
                yield change
                new = [key for key in self._wrong(change) if key not in self._asked]
                if not new:
                    return
            self._asked += new
            self._ask(new)

    def _ask(self, keys: list[tuple[int, int]]) -> None:
        for key in keys:
            self._demands += self._points.demands(*key, self._edges, self._margin)

    def network(self, change: np.ndarray) -> Network:
        """The original with these changes."""
        numbers = self._points.numbers.copy()
        for (_, out, i), delta in zip(self._edges, change):
            numbers[out, i] += delta
        return edited(self._points.original, {self._points.layer: (numbers[:, :-1], numbers[:, -1])})

    def _wrong(self, change: np.ndarray) -> list[tuple[int, int]]:
        edges = [self._edges[e] for e in self._used]
        return list(self._points.wrong(edges, change[self._used], self._margin, self._forgiven))

    def _fewest(self, change: np.ndarray) -> np.ndarray:
        """The same changes without those, the smallest first, that all points are right without."""
        for e in sorted(self._used, key=lambda e: abs(change[e])):
            fewer = change.copy()
            fewer[e] = 0.0
            change = change if self._wrong(fewer) else fewer
        return change

    def _rounded(self, change: np.ndarray) -> np.ndarray:
        """The changes that remain when the changed weights are numbers that the file can hold."""
        numbers = self._points.numbers
        wanted = numbers.copy()
        for (_, out, i), delta in zip(self._edges, change):
            wanted[out, i] += delta
        weight, bias = storable(self._points.original)[self._points.layer]
        held = np.column_stack([weight.nearest(wanted[:, :-1]), bias.nearest(wanted[:, -1])])
        return np.array([held[out, i] - numbers[out, i] for _, out, i in self._edges])

    def _solve(self) -> np.ndarray | list[int]:
        """Changes that meet all demands; or the demands in conflict, with -1 among them for the bound on changes."""
        for number in range(self._told, len(self._demands)):
            self._solver.assert_and_track(self._formula(self._demands[number]), f"demand:{number}")
        self._told = len(self._demands)
        answer = self._solver.check(self._within(self._bound))
        if answer != z3.sat:
            core = self._solver.unsat_core() if answer == z3.unsat else []
            return [int(str(name).split(":")[1]) for name in core]
        model, change = self._solver.model(), np.zeros(len(self._edges))
        for e, unknown in zip(self._used, self._unknowns):
            change[e] = float(model.eval(unknown, model_completion=True).as_fraction())
        return change

    def _formula(self, demand: Demand) -> z3.BoolRef:
        zero, exact = self._exact(0.0), self._exact
        sums = [
            z3.Sum([exact(c)] + [exact(a) * d for a, d in zip(slope, self._unknowns) if a])
            for c, slope in zip(demand.constant, demand.slope[:, self._used])
        ]
        return z3.Or([z3.BoolVal(False, self._context)] + [s >= zero for s in sums])

    def _start(self) -> None:
        """A solver for the unknowns in use, with the tightest bound; in a context of its own, so that its answers
        do not depend on what z3 did before."""
        self._context, self._told, self._bound = z3.Context(), 0, 0
        self._unknowns = [z3.Real(f"d{e}", self._context) for e in self._used]
        self._solver = z3.SolverFor("QF_LRA", self._context)
        self._solver.set("rlimit", EFFORT)
        for k, bound in enumerate(map(self._exact, BOUNDS)):
            within = z3.And([z3.And(-bound <= d, d <= bound) for d in self._unknowns])
            self._solver.add(z3.Implies(self._within(k), within))

    def _within(self, bound: int) -> z3.BoolRef:
        return z3.Bool(f"bound{bound}:-1", self._context)

    def _exact(self, value: float) -> z3.RatNumRef:
        return z3.RealVal(str(Fraction(float(np.float32(value)))), self._context)

    def _relax(self, core: list[int]) -> bool:
        """A larger bound if the conflict needs it, else one more unknown, else the advisory nearest to changing
        forgiven; False where nothing helps."""
        if -1 in core and self._bound + 1 < len(BOUNDS):
            self._bound += 1
            return True
        conflict = [self._demands[i] for i in core if i >= 0]
        weight = significance(conflict, self._used) if conflict else np.zeros(1)
        if len(self._used) < self._most and weight.max() > NOISE:
            self._used.append(int(weight.argmax()))
        elif len(self._forgiven) < self._forgiving and any(demand.point >= 0 for demand in conflict):
            stays = [demand for demand in conflict if demand.point >= 0]
            self._forgiven.add(min(stays, key=lambda demand: demand.constant[0]).point)
            self._demands = [demand for demand in self._demands if demand.point not in self._forgiven]
        else:
            return False
        self._start()
        return True


def significance(conflict: list[Demand], used: list[int]) -> np.ndarray:
    """How much a change of each edge would ease the conflict, 0 for those in use.

    A conflict over the edges in use has multipliers under which its demands' slopes cancel (Farkas): the
    slope of another edge under them is what it can contribute, which is the price that the simplex method
    chooses by. Of several alternatives the one nearest to holding counts.
    """
    if not all(len(demand.constant) for demand in conflict):
        return np.zeros(conflict[0].slope.shape[1])  # one of them cannot be met
    slopes = np.array([demand.slope[demand.constant.argmax()] for demand in conflict])
    system = np.vstack([slopes[:, used].T, np.ones(len(slopes))])
    multipliers, _ = nnls(system, np.append(np.zeros(len(used)), 1.0))
    weight = np.abs(multipliers @ slopes)
    weight[used] = 0.0
    return weight
