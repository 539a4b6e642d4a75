"""The record of splits and exclusions that proofs are made of."""

from collections.abc import Sequence

import numpy as np
import torch

from engine.bounds.relaxation import SLOPE_STEPS
from engine.proof import LEAF, OF_EXCLUSIONS, Arrays, CasePart, Proof, ordered_exclusions
from engine.search.exclusions import NAMES, Exclusions
from engine.search.pool import Nodes


class Recorder:
    """The trees of all roots of a run, by the ids of their nodes."""

    def __init__(self, inputs: int):
        self._inputs = inputs
        self._used = 0
        # by id: the first child (the second follows it), where it was split, and at which value
        self._child = np.full(1024, LEAF, np.int64)
        self._axis = np.full_like(self._child, LEAF)
        self._cut = np.zeros(len(self._child))
        # of exclusions by the names of Proof's arrays, in the order in which they were made
        self._exclusions: dict[str, list[np.ndarray]] = {name: [] for name in OF_EXCLUSIONS}
        self._bytes = 0
        # of roots that were set apart: the polytopes proved there, and the root of each other one
        self._apart: dict[int, tuple[tuple[int, ...], dict[int, int]]] = {}

    @property
    def nbytes(self) -> int:
        """The bytes of the record; to make a proof of it takes about twice as many more."""
        return self._bytes + self._child.nbytes + self._axis.nbytes + self._cut.nbytes

    def new_roots(self, count: int) -> range:
        """Ids for so many new roots."""
        return self._new(count)

    def set_apart(self, root: int, proved: Sequence[int], others: Sequence[int]) -> range:
        """Ids for new roots of the same box, one for each of the other polytopes of its case than those proved."""
        ids = self._new(len(others))
        self._apart[root] = tuple(proved), dict(zip(others, ids))
        return ids

    def exclude(self, exclusions: Exclusions) -> None:
        """Records exclusions of polytopes."""
        arrays = compact(exclusions)
        self._bytes += sum(array.nbytes for array in arrays.values())
        for name, array in arrays.items():
            self._exclusions[name].append(array)

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
        """The proof whose cases are these roots, in this order, all of whose leaves are excluded; of roots set apart,
        parts of these cases."""
        exclusions = self._merged()
        parts: tuple[CasePart, ...] = ()
        if any(root in self._apart for root in roots):
            roots, parts = self._parts(roots)
            exclusions["polytope"] = self._renumbered(exclusions, np.array(roots), parts)
        ids = self._level_order(np.array(roots))
        split = self._axis[ids]
        cut = self._cut[ids[(0 <= split) & (split < self._inputs)]]
        number = np.full(self._used, LEAF)
        number[ids] = np.arange(len(ids))
        return Proof(split.astype(np.int32), cut, **ordered_exclusions(exclusions, number), of_cone=False, parts=parts)

    def _parts(self, roots: Sequence[int]) -> tuple[list[int], tuple[CasePart, ...]]:
        """The roots of all parts of these cases' roots, case by case, and what each is a part of."""
        found: list[tuple[int, CasePart]] = []
        for case, root in enumerate(roots):
            proved, others = self._apart.get(root, (None, {}))
            if proved != ():
                found.append((root, CasePart(case, proved)))
            found += [(other, CasePart(case, (polytope,))) for polytope, other in others.items()]
        return [root for root, _ in found], tuple(part for _, part in found)

    def _renumbered(self, exclusions: Arrays, roots: np.ndarray, parts: Sequence[CasePart]) -> np.ndarray:
        """The polytopes of the exclusions, by their numbers in the parts that these roots stand for."""
        tree, level = np.full(self._used, LEAF), roots
        tree[roots] = np.arange(len(roots))
        while len(level):
            parents = level[self._child[level] != LEAF]
            level = np.concatenate([self._child[parents], self._child[parents] + 1])
            tree[level] = np.tile(tree[parents], 2)
        table = np.tile(np.arange(int(exclusions["polytope"].max(initial=0)) + 1), (len(parts) + 1, 1))
        for number, part in enumerate(parts):
            if part.polytopes is not None:
                table[number, list(part.polytopes)] = np.arange(len(part.polytopes))
        # what lies below none of them has the last row, LEAF's
        found: np.ndarray = table[tree[exclusions["node"]], exclusions["polytope"]]
        return found

    def _level_order(self, level: np.ndarray) -> np.ndarray:
        levels = []
        while len(level):
            levels.append(level)
            child = self._child[level]
            child = child[child != LEAF]
            level = np.stack([child, child + 1], 1).ravel()
        return np.concatenate(levels)

    def _merged(self) -> Arrays:
        """All exclusions, one array for each name."""
        merged = {}
        for name, parts in self._exclusions.items():  # one after the other, for the memory that both copies take
            merged[name] = np.concatenate(parts) if parts else np.zeros(0, np.int32)
            self._exclusions[name] = [merged[name]]
        return merged


def compact(exclusions: Exclusions) -> Arrays:
    """The arrays of Proof about exclusions, of small types, with the ids of nodes."""
    found = {name: getattr(exclusions, name).cpu().numpy() for name in NAMES}
    weights = np.rint(found["weights"] * SLOPE_STEPS)
    exclusion, row = weights.nonzero()
    of = {"rows": exclusion, "slopes": found["slope_of"], "multipliers": found["multiplier_of"]}
    counts = {name: np.bincount(numbers, minlength=len(weights)) for name, numbers in of.items()}
    whole = {
        "node": found["node"],
        "polytope": found["polytope"],
        **counts,
        "row": row,
        "row_weight": weights[exclusion, row].astype(np.int64),
        "slope": found["slope"],
        "slope_value": np.rint(found["slope_value"] * SLOPE_STEPS).astype(np.int64),
        "multiplier": found["multiplier"],
    }
    small = {name: _small(array) for name, array in whole.items()}
    return small | {"multiplier_value": found["multiplier_value"]}


def _small(numbers: np.ndarray) -> np.ndarray:
    """The same numbers, none of which is negative, in the smallest unsigned type that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))
