"""The record of splits and exclusions that proofs are made of."""

import numpy as np
import torch

from engine.bounds.relaxation import SLOPE_STEPS
from engine.proof import LEAF, Proof
from engine.search.exclusions import NAMES, Exclusions
from engine.search.pool import Nodes

Arrays = dict[str, np.ndarray]


class Recorder:
    """The trees of all roots of a run, by the ids of their nodes."""

    def __init__(self, inputs: int):
        self._inputs = inputs
        self._used = 0
        # by id: the first child (the second follows it), where it was split, and at which value
        self._child = np.full(1024, LEAF, np.int64)
        self._axis = np.full_like(self._child, LEAF)
        self._cut = np.zeros(len(self._child))
        self._exclusions: list[Arrays] = []
        self._count, self._bytes = 0, 0  # of exclusions

    @property
    def nbytes(self) -> int:
        """The bytes of the record; to make a proof of it takes about twice as many more."""
        return self._bytes + self._child.nbytes + self._axis.nbytes + self._cut.nbytes

    def new_roots(self, count: int) -> range:
        """Ids for so many new roots."""
        return self._new(count)

    def exclude(self, exclusions: Exclusions) -> None:
        """Records exclusions of polytopes."""
        arrays = {name: getattr(exclusions, name).cpu().numpy() for name in NAMES}
        for of in ("slope_of", "multiplier_of"):
            arrays[of] = arrays[of] + self._count
        self._count += len(exclusions.node)
        self._bytes += sum(array.nbytes for array in arrays.values())
        self._exclusions.append(arrays)

    def split(self, parents: Nodes, low: Nodes, high: Nodes, neuron: torch.Tensor | None = None) -> None:
        """Gives the children their ids, and records their parents and the splits.

        neuron: [n], the hidden neurons whose signs were split; None where inputs were.
        """
        ids = torch.tensor(self._new(2 * len(parents)), dtype=torch.long, device=parents.id.device)
        first = ids[::2]
        low.id.copy_(first)
        high.id.copy_(first + 1)
        parent = parents.id.cpu().numpy()
        self._child[parent] = first.cpu().numpy()
        if neuron is None:
            axis = (low.upper != parents.upper).int().argmax(1, keepdim=True)
            self._cut[parent] = low.upper.take_along_dim(axis, 1)[:, 0].cpu().numpy()
            self._axis[parent] = axis[:, 0].cpu().numpy()
        else:
            self._axis[parent] = self._inputs + neuron.cpu().numpy()

    def _new(self, count: int) -> range:
        self._used += count
        while self._used > len(self._child):
            self._grow()
        return range(self._used - count, self._used)

    def _grow(self) -> None:
        self._child, self._axis = (np.concatenate([a, np.full_like(a, LEAF)]) for a in (self._child, self._axis))
        self._cut = np.concatenate([self._cut, np.zeros_like(self._cut)])

    def proof(self, roots: list[int]) -> Proof:
        """The proof whose cases are these roots, in this order, all of whose leaves are excluded."""
        ids = self._level_order(np.array(roots))
        split = self._axis[ids]
        cut = self._cut[ids[(0 <= split) & (split < self._inputs)]]
        number = np.full(self._used, LEAF)
        number[ids] = np.arange(len(ids))
        return Proof(split.astype(np.int32), cut, **self._of_nodes(number), of_cone=False)

    def _level_order(self, level: np.ndarray) -> np.ndarray:
        levels = []
        while len(level):
            levels.append(level)
            child = self._child[level]
            child = child[child != LEAF]
            level = np.stack([child, child + 1], 1).ravel()
        return np.concatenate(levels)

    def _of_nodes(self, number: np.ndarray) -> Arrays:
        """The arrays of the exclusions at nodes that have a number, in its order."""
        found = self._merged()
        node = number[found["node"]]
        order = np.lexsort((found["polytope"], node))
        order = order[node[order] != LEAF]
        rank = np.full(len(node), LEAF)
        rank[order] = np.arange(len(order))
        weights = np.rint(found["weights"][order] * SLOPE_STEPS).astype(np.int32)
        exclusion, row = weights.nonzero()
        slopes = _ragged(found, "slope", rank, len(order))
        multipliers = _ragged(found, "multiplier", rank, len(order))
        return {
            "node": node[order].astype(np.int32),
            "polytope": found["polytope"][order].astype(np.int32),
            "rows": np.bincount(exclusion, minlength=len(order)).astype(np.int32),
            "slopes": slopes[0],
            "multipliers": multipliers[0],
            "row": row.astype(np.int32),
            "row_weight": weights[exclusion, row],
            "slope": slopes[1],
            "slope_value": np.rint(slopes[2] * SLOPE_STEPS).astype(np.int32),
            "multiplier": multipliers[1],
            "multiplier_value": multipliers[2],
        }

    def _merged(self) -> Arrays:
        """All exclusions, as one part."""
        if not self._exclusions:  # no batch was done in time
            return {name: np.zeros((0, 1) if name == "weights" else 0, np.int64) for name in NAMES}
        if len(self._exclusions) > 1:
            parts = self._exclusions
            self._exclusions = [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}]
        return self._exclusions[0]


def _ragged(found: Arrays, name: str, rank: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The number of entries of each exclusion, their neurons and their values, by the exclusions' rank."""
    of = rank[found[f"{name}_of"]]
    neuron, value = found[name], found[f"{name}_value"]
    order = np.lexsort((neuron, of))
    order = order[of[order] != LEAF]
    counts = np.bincount(of[order], minlength=n).astype(np.int32)
    return counts, neuron[order].astype(np.int32), value[order]
