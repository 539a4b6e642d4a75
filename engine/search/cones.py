"""Problems of which most inputs are fixed, searched in their cones (engine/cone/), and their verdicts in the whole."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.bounds.roots import outward
from engine.cone import Cone, cones, free_inputs
from engine.cone.constants import Products
from engine.cone.reach import Reach, reach_of
from engine.network import Network
from engine.proof import Proof
from engine.property import Case, Property
from engine.search.plan import layers_bytes, sparse_bytes, stack_bytes
from engine.search.problem import Options, Problem
from engine.verdict import Unknown, Verdict, Verified

MOST_FREE = 0.5  # share of inputs, and of weights that they reach, up to which a cone is searched
MAX_FOLDED = 1 << 22  # values of neurons that are held at once while cones are made


class Cones:
    """Which problems of a run are searched in cones. These are made when their turn comes, group by group."""

    def __init__(self, problems: Sequence[Problem], options: Options, *, always: bool = False):
        """always: also where most inputs are free, or they reach most of the network."""
        self._problems = problems
        self._reach: dict[int, Reach] = {}
        self._products: dict[int, Products] = {}
        known: dict[tuple[int, tuple[int, ...]], Reach | None] = {}
        for i, problem in enumerate(problems if options.semantics == "real" else ()):
            network, cases = problem.network, problem.property.cases
            if not isinstance(network, Network) or len(cases) != 1:
                continue
            free = free_inputs(cases[0])
            if not always and len(free) > MOST_FREE * network.n_inputs:
                continue
            if (id(network), free) not in known:
                known[id(network), free] = _reach(network, free, always=always)
            if reach := known[id(network), free]:
                self._reach[i] = reach

    def shape(self, i: int) -> object:
        """Problems of one shape can be stacked. Sparse layers are only stacked where they are the same."""
        network, reach = self._problems[i].network, self._reach.get(i)
        if reach:
            return reach.shape, id(reach) * reach.is_sparse
        is_sparse = isinstance(network, Network) and any(layer.is_sparse for layer in network.layers)
        return network.shape, id(network) * is_sparse

    def stack_bytes(self, i: int) -> int:
        """The bytes of the bounds' copies of what the problem is searched in (plan.py)."""
        if i not in self._reach:
            return stack_bytes(self._problems[i].network)
        reach = self._reach[i]
        if reach.is_sparse:
            return sparse_bytes(reach.weights, sum(reach.widths))
        return layers_bytes(list(zip(reach.widths[1:], reach.widths)))

    def searched(self, group: Sequence[int]) -> list[tuple[int, Problem]]:
        """The problems of a group as they are searched: those that have one in their cones.

        InputError where numbers are beyond the rounding analysis.
        """
        alike: dict[int, list[int]] = defaultdict(list)
        for i in group:
            if i in self._reach:
                alike[id(self._reach[i])].append(i)
        found = {i: self._problems[i] for i in group}
        for some in alike.values():
            reach = self._reach[some[0]]
            at_once = max(1, MAX_FOLDED // max(reach.network.n_inputs, *(len(a.bias) for a in reach.network.layers)))
            for j in range(0, len(some), at_once):
                found |= self._made(reach, some[j : j + at_once])
        return list(found.items())

    def _made(self, reach: Reach, some: Sequence[int]) -> dict[int, Problem]:
        if id(reach.network) not in self._products:
            self._products[id(reach.network)] = Products(reach.network)
        made = cones(reach, self._products[id(reach.network)], [self._problems[i].property.cases[0] for i in some])
        return {i: _in_cone(self._problems[i], cone) for i, cone in zip(some, made)}

    def verdict(self, i: int, verdict: Verdict) -> Verdict:
        """The verdict on a problem as it was given: its numbers of inputs and hidden neurons are the whole network's.

        Points of it are those of the whole network as they come (confirm.py).
        """
        reach = self._reach.get(i)
        if reach and isinstance(verdict, Verified) and verdict.proof:
            return replace(verdict, proof=in_whole(verdict.proof, reach))
        if reach and isinstance(verdict, Unknown) and verdict.boxes is not None:
            (case,) = self._problems[i].property.cases
            return replace(verdict, boxes=_whole_boxes(verdict.boxes, case, reach))
        return verdict


def _reach(network: Network, free: tuple[int, ...], *, always: bool) -> Reach | None:
    found = reach_of(network, free)
    whole = sum(layer.count for layer in network.layers)
    return found if found and (always or found.weights <= MOST_FREE * whole) else None


def _in_cone(problem: Problem, cone: Cone) -> Problem:
    given = problem.property
    asked = Property((cone.case,), len(cone.reach.free), given.n_outputs, given.name, given.sha256)
    return Problem(cone.network, asked, problem.timeout, cone)


def in_whole(proof: Proof, reach: Reach) -> Proof:
    """The proof of a cone with the whole network's numbers of inputs and hidden neurons."""
    numbers = np.concatenate([[-1], reach.free, reach.network.n_inputs + reach.hidden])  # of leaves, inputs, signs
    return replace(
        proof,
        split=numbers[proof.split + 1].astype(np.int32),
        slope=reach.hidden[proof.slope].astype(np.int32),
        multiplier=reach.hidden[proof.multiplier].astype(np.int32),
        of_cone=True,
    )


def _whole_boxes(boxes: np.ndarray, case: Case, reach: Reach) -> np.ndarray:
    """Boxes [n, 2, free] as boxes [n, 2, inputs], outward of what is fixed."""
    ends = [[outward(value, side) for value in values] for values, side in ((case.lower, -1), (case.upper, 1))]
    found = np.repeat(np.array(ends)[None], len(boxes), 0)
    found[:, :, reach.free] = boxes
    return found
