"""Few weights by satisfiability modulo theories, after NNrepair (Usman et al., CAV 2021), counterexample-guided.

The changes of a few localized edges of one layer are real unknowns. What the network must do at sampled points
is linear in them while activation patterns are fixed: z3 decides it in exact rationals. Its solution is rounded
to float32 and tried on all samples, and those that it gets wrong become constraints. Where there is no solution,
the unsatisfiable core is a conflict between points: the edge that the conflict's multipliers weigh most is the
next unknown. NNrepair takes all edges of a localized layer at once; here they stay few.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import z3
from scipy.optimize import nnls

from .edit import edited, single
from .localize import Edge, Localization, localize
from .region import FACES, in_box, region_of, unsafe_set
from .task import Candidate, Evidence, Say, Task
from ..errors import InputError
from ..network import Network

MARGINS = (0.1, 0.01, 0.003)  # by which unsafe rows are to be missed: the larger, the easier the proof
BOUNDS = (0.05, 0.2, 0.8, 3.2, 12.8)  # on a weight's change, relaxed step by step
KEPT = 0.1  # the share of each score's distance to the lowest one that is to remain
NEW = 10  # samples of each kind that become constraints in a round
NOISE = 1e-6  # what rounding may change of scores
EFFORT = 5_000_000  # of z3 each time, about a second


def smt(task: Task, evidence: Evidence, say: Say, *, edges: Sequence[Edge] | None = None,
        margins: Sequence[float] = MARGINS, most: int = 8, samples: int = 200_000,
        rounds: int = 30, forgiven: float = 1e-4) -> Iterator[Candidate]:
    """Candidates that are right at all samples and at the evidence, with at most `most` weights changed.

    edges: what may change, the most significant first, all in the last layer or all in the one before it;
    by default the last layer's as localized, one output's at a time, then all of them. samples: of the domain,
    and of each target's boxes; rounds: of z3 for one choice of edges and one margin; forgiven: the share of the
    samples whose advisory may change after all where nothing else was found.
    """
    last = len(task.network.layers) - 1
    choices = [[list(edges)]] if edges is not None else by_output(localize(task, evidence))
    points = Points(task, _layer(choices, last), samples)
    points.learn(evidence)
    searches = [[Search(points, choice, most) for choice in group] for group in choices]
    for group, forgiving in product(searches, (0, int(forgiven * len(points.x)))):
        for margin, search in product(margins[-2:] if forgiving else margins, group):
            say(f"z3: {search.name}, margin {margin:g}" + f", forgiving {forgiving}" * (forgiving > 0))
            for change in search.solutions(margin, rounds, forgiving):
                note = f"{np.count_nonzero(change)} weights, {search.name}, margin {margin:g}"
                yield Candidate(search.network(change), note)
                if not points.learn(evidence):
                    break  # no point is wrong, only the proof too hard


def by_output(localization: Localization) -> list[list[list[Edge]]]:
    """The last layer's edges, biases first: each output's, the most significant output first; and then all."""
    last = len(localization.neurons) - 1
    edges = localization.best_edges(layer=last)
    bias = localization.edges[last].shape[1]
    choices = []
    for _, output in localization.best_neurons(layer=last):
        choices.append([(last, output, bias)] + [edge for edge in edges if edge[1] == output])
    return [choices, [[edge for choice in choices for edge in choice]]]


def _layer(choices: list[list[list[Edge]]], last: int) -> int:
    layers = {layer for group in choices for edges in group for layer, _, _ in edges}
    if len(layers) != 1 or not layers <= {last, last - 1}:
        raise InputError("the edges to change are not all in the last layer, nor all in the one before it",
                         where="smt", advice="localize within one of the two")
    return layers.pop()


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """One of several linear functions of the edges' changes must be >= 0: constant [n] + slope [n, edges].

    point: where an advisory is to stay, which may be forgiven; else -1.
    """

    constant: np.ndarray
    slope: np.ndarray
    point: int = -1


class Points:
    """Samples of the domain and of every case: what the layer reads there, the scores, what is asked of them.

    A point of a case must miss the unsafe polytopes: by the margin for a target, by at most half of what it
    missed them for a property that holds already. Everywhere but where the original violates a target, the
    advisory stays, and every score keeps a tenth of its distance to it.
    """

    def __init__(self, task: Task, layer: int, samples: int):
        self.original, self.layer = task.network, layer
        self.numbers = np.column_stack([task.network.layers[layer].weight, task.network.layers[layer].bias])
        cases = [(p, c, case) for p, prop in enumerate(task.properties) for c, case in enumerate(prop.cases)]
        self._place = {(p, c): root for root, (p, c, _) in enumerate(cases)}
        self._target = np.array([p < len(task.targets) for p, _, _ in cases] + [False])
        kinds = {case.unsafe: case for _, _, case in cases}  # many cases may be unsafe alike
        self.unsafe = [unsafe_set(case, task.network.n_outputs) for case in kinds.values()]
        self._kind = np.array([list(kinds).index(case.unsafe) for _, _, case in cases] + [-1])
        random = np.random.default_rng(task.seed)
        x, root = [random.uniform(task.lower, task.upper, (samples, len(task.lower)))], [np.full(samples, -1)]
        for r, (p, _, case) in enumerate(cases):
            half = 1 + samples // len(task.properties[p].cases) // (2 if self._target[r] else 10)
            region = region_of(case, task.network.n_outputs)
            x += [in_box(region, random, half, faces=faces) for faces in (0.0, FACES)]
            root += [np.full(len(part), r) for part in x[-2:]]
        self._columns: tuple[np.ndarray, ...] = ()
        self._add(np.concatenate(x), np.concatenate(root))
        self._known: set = set()

    def learn(self, evidence: Evidence) -> bool:
        """Adds the evidence's points: counterexamples, corners and centres of boxes. Whether any was new."""
        found = {(self._place[c.property, c.case], *map(float, c.point)) for c in evidence.counterexamples}
        for box in evidence.boxes:
            corners = [*product(*zip(box.lower, box.upper)), (box.lower + box.upper) / 2]
            found |= {(self._place[box.property, box.case], *map(float, x)) for x in corners}
        new = sorted(found - self._known)
        self._known |= found
        if new:
            self._add(np.array([x for _, *x in new]), np.array([root for root, *_ in new]))
        return bool(new)

    def _add(self, x: np.ndarray, root: np.ndarray) -> None:
        h = np.pad(Network(self.original.layers[: self.layer]).evaluate(x), ((0, 0), (0, 1)), constant_values=1.0)
        z = h @ self.numbers.T
        y = self._above(z)
        distance, target = self._distances(x, y, root), self._target[root]
        free, holds = target & (distance <= 0), np.where(target, np.inf, distance / 2)
        new = (x, root, h, z, y, y.argmin(1), free, holds)
        self._columns = tuple(map(np.concatenate, zip(self._columns, new))) if self._columns else new
        self.x, self.root, self.h, self.z, self.y, self.lowest, self.free, self.holds = self._columns

    def _above(self, z: np.ndarray) -> np.ndarray:
        """The scores, given the layer's affine outputs."""
        h = np.maximum(z, 0) if self.original.layers[self.layer].relu else z
        return Network(self.original.layers[self.layer + 1 :]).evaluate(h)

    def _distances(self, x: np.ndarray, y: np.ndarray, root: np.ndarray) -> np.ndarray:
        """How far each point is from unsafe, negative inside; infinite for points of no case."""
        found = np.full(len(y), np.inf)
        for kind, unsafe in enumerate(self.unsafe):
            here = self._kind[root] == kind
            found[here] = unsafe.distance(x[here], y[here])
        return found

    def wrong(self, edges: list[Edge], change: np.ndarray, margin: float, forgiven: set[int]):
        """The worst points for these changes: (point, -1) where it is too near to unsafe, (point, output) where
        that output comes too near to the advisory."""
        z = self.z.copy()
        for (_, out, i), delta in zip(edges, change):
            z[:, out] += self.h[:, i] * delta
        y = self._above(z)
        short = self._distances(self.x, y, self.root) - np.minimum(margin, self.holds)
        yield from ((p, -1) for p in _lowest(short))
        kept = self._over_advisory(y) - KEPT * self._over_advisory(self.y)
        output, kept = kept.argmin(1), np.where(self.free, np.inf, kept.min(1))
        kept[list(forgiven)] = np.inf
        yield from ((p, int(output[p])) for p in _lowest(kept))

    def _over_advisory(self, y: np.ndarray) -> np.ndarray:
        return y - y[np.arange(len(y)), self.lowest, None]

    def demands(self, point: int, output: int, edges: list[Edge], margin: float) -> Iterator[Demand]:
        """What `wrong` misses there, linear in the edges' changes while the signs of their neurons stay."""
        _, outs, ins = np.array(edges).T
        h, z, y = self.h[point], self.z[point], self.y[point]
        gain = self._gain(z)[:, outs] * h[ins]
        if output < 0:
            unsafe, need = self.unsafe[self._kind[self.root[point]]], min(margin, self.holds[point])
            for rows in unsafe.polytopes:
                row, slope = rows.values(self.x[point, None], y[None])[0], rows.outputs @ gain
                varies = np.abs(slope).max(1) > 0
                if (row[~varies] < need).all():  # what no change moves does not help
                    yield Demand(row[varies] - need, slope[varies])
        else:
            over = y[output] - y[self.lowest[point]]
            yield Demand(np.array([(1 - KEPT) * over]), (gain[output] - gain[self.lowest[point]])[None], point)
        if self.original.layers[self.layer].relu:
            for out in np.unique(outs):
                side = 1.0 if z[out] > 0 else -1.0
                yield Demand(np.array([side * z[out]]), (side * h[ins] * (outs == out))[None])

    def _gain(self, z: np.ndarray) -> np.ndarray:
        """How the scores change with the layer's affine outputs: [outputs, out]."""
        last = self.layer + 1 == len(self.original.layers)
        gain = np.eye(len(z)) if last else self.original.layers[-1].weight
        return gain * (z > 0) if self.original.layers[self.layer].relu else gain


class Search:
    """Changes of few of the given edges that are right at all points by a margin."""

    def __init__(self, points: Points, edges: list[Edge], most: int):
        self._points, self._edges, self._most = points, edges, most
        self._asked: list[tuple[int, int]] = []
        neurons = sorted({out for _, out, _ in edges})
        which = f"neuron {neurons[0]}" if len(neurons) == 1 else f"{len(neurons)} neurons"
        self.name = f"{which} of layer {points.layer + 1}"

    def solutions(self, margin: float, rounds: int, forgiving: int) -> Iterator[np.ndarray]:
        """Changes, one for each edge, most of them 0; resumed, the next that is right at the points then known.

        What was asked for another margin is asked again. forgiving: how many points' advisories may change.
        """
        self._margin, self._used, self._forgiven, self._forgiving = margin, [0], set(), forgiving
        self._demands: list[Demand] = []
        self._ask(self._asked)
        self._start()
        for _ in range(rounds + forgiving):
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
        """The changes that remain when the changed weights are float32 numbers."""
        old = np.array([self._points.numbers[out, i] for _, out, i in self._edges])
        return single(old + change) - old

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
        sums = [z3.Sum([exact(c)] + [exact(a) * d for a, d in zip(slope, self._unknowns) if a])
                for c, slope in zip(demand.constant, demand.slope[:, self._used])]
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


def _lowest(values: np.ndarray) -> list[int]:
    """Where the lowest few values are, of those below 0 by more than noise."""
    few = values.argpartition(min(NEW, len(values) - 1))[:NEW]
    return few[values[few] < -NOISE].tolist()
