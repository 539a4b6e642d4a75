"""Remembers how boxes were split and what was excluded where, so that a proof can be written down."""

import numpy as np
import torch

from engine.bounds.relaxation import SLOPE_STEPS
from engine.proof import Proof
from engine.search.exclude import Shown
from engine.search.pool import Nodes

LEAF = -1


class Recorder:
    """The trees of all roots of a run, by the ids of their nodes."""

    def __init__(self, inputs: int):
        self._inputs = inputs
        self._used = 0
        # by id: the first child (the second follows it), where it was split, and at which value
        self._child = np.full(1024, LEAF, np.int64)
        self._axis = np.full_like(self._child, LEAF)
        self._cut = np.zeros(len(self._child))
        self._shown: list[dict[str, np.ndarray]] = []
        self._exclusions, self._bytes = 0, 0

    @property
    def nbytes(self) -> int:
        """What is remembered takes so much memory; a proof made of it is made in about twice as much again."""
        return self._bytes + self._child.nbytes + self._axis.nbytes + self._cut.nbytes

    def plant(self, roots: int) -> range:
        """Ids for so many new roots."""
        return self._new(roots)

    def show(self, shown: Shown) -> None:
        """Keeps how polytopes were excluded."""
        arrays = {name: getattr(shown, name).cpu().numpy() for name in Shown.__slots__}
        for of in ("slope_of", "multiplier_of"):
            arrays[of] = arrays[of] + self._exclusions
        self._exclusions += len(shown.node)
        self._bytes += sum(array.nbytes for array in arrays.values())
        self._shown.append(arrays)

    def split(self, parents: Nodes, low: Nodes, high: Nodes, neuron: torch.Tensor | None = None) -> None:
        """Gives the children their ids, and keeps whose they are and what was split.

        neuron: [n], the hidden neuron whose sign it was; else it was an input.
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

    def _grow(self):
        self._child, self._axis = (np.concatenate([a, np.full_like(a, LEAF)]) for a in (self._child, self._axis))
        self._cut = np.concatenate([self._cut, np.zeros_like(self._cut)])

    def proof(self, roots: list[int]) -> Proof:
        """The proof whose cases are these roots, in this order, all of whose leaves are excluded."""
        ids = self._level_order(np.array(roots))
        split = self._axis[ids]
        cut = self._cut[ids[(0 <= split) & (split < self._inputs)]]
        number = np.full(self._used, LEAF)
        number[ids] = np.arange(len(ids))
        return Proof(split.astype(np.int32), cut, **self._of_nodes(number))

    def _level_order(self, level: np.ndarray) -> np.ndarray:
        levels = []
        while len(level):
            levels.append(level)
            child = self._child[level]
            child = child[child != LEAF]
            level = np.stack([child, child + 1], 1).ravel()
        return np.concatenate(levels)

    def _of_nodes(self, number: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of the exclusions at nodes that have a number, in its order."""
        shown = self._merged()
        node = number[shown["node"]]
        order = np.lexsort((shown["polytope"], node))
        order = order[node[order] != LEAF]
        rank = np.full(len(node), LEAF)
        rank[order] = np.arange(len(order))
        weights = np.rint(shown["weights"][order] * SLOPE_STEPS).astype(np.int32)
        exclusion, row = weights.nonzero()
        slopes = _ragged(shown, "slope", rank, len(order))
        multipliers = _ragged(shown, "multiplier", rank, len(order))
        return {
            "node": node[order].astype(np.int32),
            "polytope": shown["polytope"][order].astype(np.int32),
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

    def _merged(self) -> dict[str, np.ndarray]:
        """All that was shown, as one part."""
        if not self._shown:  # no batch was done in time
            return {name: np.zeros((0, 1) if name == "weights" else 0, np.int64) for name in Shown.__slots__}
        if len(self._shown) > 1:
            parts = self._shown
            self._shown = [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}]
        return self._shown[0]


def _ragged(shown: dict[str, np.ndarray], name: str, rank: np.ndarray, n: int):
    """How many entries each exclusion has, their neurons and their values, by the exclusions' rank."""
    of = rank[shown[f"{name}_of"]]
    neuron, value = shown[name], shown[f"{name}_value"]
    order = np.lexsort((neuron, of))
    order = order[of[order] != LEAF]
    counts = np.bincount(of[order], minlength=n).astype(np.int32)
    return counts, neuron[order].astype(np.int32), value[order]
