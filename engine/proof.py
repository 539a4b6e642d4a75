"""Proofs as data: searches make them, and certificates are written of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]

LEAF = -1  # in `split`
MAX_AT_ONCE = 1 << 14  # exclusions whose entries are gathered together, for the memory that their places take


class CasePart(NamedTuple):
    """Some unsafe polytopes of one case of a property, by their numbers, ascending; None for all of them."""

    case: int
    polytopes: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """Boxes that cover a property's cases, with an exclusion of each unsafe polytope on each.

    The arrays are those of docs/certificate-format.md, section 4, which explains them: the tree in
    level order, then the exclusions by (node, polytope) with their rows, slopes and multipliers. of_cone: True where
    they hold of what the free inputs reach (section 12), and need not hold with bounds of the whole network. parts:
    what each of its cases is of the property's, in order; empty where they are the same.
    """

    split: np.ndarray
    cut: np.ndarray
    node: np.ndarray
    polytope: np.ndarray
    rows: np.ndarray
    slopes: np.ndarray
    multipliers: np.ndarray
    row: np.ndarray
    row_weight: np.ndarray
    slope: np.ndarray
    slope_value: np.ndarray
    multiplier: np.ndarray
    multiplier_value: np.ndarray
    of_cone: bool = False
    parts: tuple[CasePart, ...] = ()

    @classmethod
    def of_nothing(cls) -> "Proof":
        """The proof of one case without unsafe polytopes: a leaf, and nothing to be excluded."""
        ends, none = np.full(1, LEAF, np.int32), np.zeros(0, np.int32)
        arrays = dict.fromkeys(ARRAYS, none) | dict.fromkeys(("cut", "multiplier_value"), np.zeros(0))
        return cls(**arrays | {"split": ends}, of_cone=False, parts=())


#: the names of the arrays, in order
ARRAYS = tuple(name for name in Proof.__slots__ if name not in ("of_cone", "parts"))
#: those of exclusions; each exclusion has so many of the entries
ENTRIES = {
    "rows": ("row", "row_weight"),
    "slopes": ("slope", "slope_value"),
    "multipliers": ("multiplier", "multiplier_value"),
}
OF_EXCLUSIONS = ARRAYS[ARRAYS.index("node") :]


def joined(proofs: Sequence[Proof], *, n_inputs: int, order: Sequence[int] | None = None) -> Proof:
    """The proof whose cases are those of the proofs, about one network, one after the other; there is at least one, and
    none is in parts.

    order: which of these cases it has, by their numbers through all proofs, in this order (None: all).
    """
    proof = _side_by_side(proofs)
    sizes, roots = [len(each.split) for each in proofs], [_roots(each) for each in proofs]
    starts = np.cumsum([0, *sizes[:-1]])
    child = np.concatenate([_children(*each) for each in zip(proofs, roots, starts, strict=True)])
    tops = np.concatenate([start + np.arange(count) for start, count in zip(starts, roots, strict=True)])
    ids = _level_order(tops if order is None else tops[np.asarray(order, np.int64)], child)
    cut = np.zeros(len(child))
    cut[(proof.split >= 0) & (proof.split < n_inputs)] = proof.cut
    split = proof.split[ids]
    cuts = cut[ids][(split >= 0) & (split < n_inputs)]
    number = np.full(len(proof.split), LEAF, np.int64)
    number[ids] = np.arange(len(ids))
    arrays = {name: getattr(proof, name) for name in OF_EXCLUSIONS}
    return Proof(split, cuts, **ordered_exclusions(arrays, number), of_cone=proof.of_cone, parts=())


def _side_by_side(proofs: Sequence[Proof]) -> Proof:
    """Their arrays one after the other, nodes numbered through all of them: no level order."""
    arrays = {name: np.concatenate([getattr(proof, name) for proof in proofs]) for name in ARRAYS}
    starts = np.cumsum([0, *(len(proof.split) for proof in proofs[:-1])])
    node = [proof.node + start for proof, start in zip(proofs, starts, strict=True)]
    return Proof(**arrays | {"node": np.concatenate(node)}, of_cone=any(proof.of_cone for proof in proofs), parts=())


def _roots(proof: Proof) -> int:
    """The number of its cases: all nodes but the two children of each that is split."""
    return len(proof.split) - 2 * int((proof.split != LEAF).sum())


def _children(proof: Proof, roots: int, start: int) -> np.ndarray:
    """The first child of each node, which the second follows; LEAF where there is none. Nodes count from `start`."""
    found = np.full(len(proof.split), LEAF, np.int64)
    parents = (proof.split != LEAF).nonzero()[0]
    found[parents] = start + roots + 2 * np.arange(len(parents))
    return found


def _level_order(level: np.ndarray, child: np.ndarray) -> np.ndarray:
    """The nodes at and below those of the first level, by their depth."""
    levels = []
    while len(level):
        levels.append(level)
        first = child[level]
        first = first[first != LEAF]
        level = np.stack([first, first + 1], 1).ravel()
    return np.concatenate(levels)


def ordered_exclusions(arrays: Arrays, number: np.ndarray) -> Arrays:
    """The exclusions at nodes that have a number, by (number, polytope); `arrays`: OF_EXCLUSIONS, in any order."""
    node = number[arrays["node"]]
    order = np.lexsort((arrays["polytope"], node))
    order = order[node[order] != LEAF]
    found = {"node": node[order].astype(np.int32), "polytope": arrays["polytope"][order].astype(np.int32)}
    for counts, entries in ENTRIES.items():
        found[counts] = arrays[counts][order].astype(np.int32)
        found |= _taken([arrays[name] for name in entries], entries, arrays[counts], order)
    return found


def _taken(parts: list[np.ndarray], names: Sequence[str], counts: np.ndarray, order: np.ndarray) -> Arrays:
    """The entries of exclusions in this order, `counts` being the numbers of them of all exclusions, side by side."""
    lengths = counts.astype(np.int64)
    starts, total = np.cumsum(lengths) - lengths, int(lengths[order].sum())
    found = {
        name: np.empty(total, part.dtype if part.dtype.kind == "f" else np.int32) for name, part in zip(names, parts)
    }
    done = 0
    for i in range(0, len(order), MAX_AT_ONCE):
        kept = order[i : i + MAX_AT_ONCE]
        places = _entries(starts[kept], lengths[kept])
        for name, part in zip(names, parts):
            found[name][done : done + len(places)] = part[places]
        done += len(places)
    return found


def _entries(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """So many places from each start on, one after the other."""
    before = np.cumsum(lengths) - lengths
    found: np.ndarray = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return found
