"""The rules of section 4 that speak of the arrays alone: orders, ranges, what must exist."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Protocol, TypeAlias

import numpy as np

from engine.audit.data import Integers, Polytope, Tree, Truths
from engine.audit.failures import demand, need

Rule: TypeAlias = tuple[bool | Truths, str]  # where it holds, and what is wrong elsewhere

#: The least and the largest number in these arrays; all are finite.
RANGES = {
    "row_weight": (1, 1024),
    "slope_value": (0, 1024),
    "multiplier_value": (0, np.inf),
    "cut": (-np.inf, np.inf),
}


class AnyCase(Protocol):
    """A Case, or what is as one: that of an image, say, which is made when it is asked."""

    @property
    def lower(self) -> Sequence[Fraction]: ...
    @property
    def upper(self) -> Sequence[Fraction]: ...

    @property
    def unsafe(self) -> tuple[Polytope, ...]:
        """The polytopes that are claimed not to be reached."""


def check_tree(tree: Tree, cases: Sequence[AnyCase]) -> None:
    """Malformed where the arrays' lengths do not fit together, Rejected by another rule.

    What needs the network (which neurons there are, and which have an assumed sign) is left to
    walk.py.
    """
    _check_lengths(tree, len(cases[0].lower))
    for holds, what in _rules(tree, cases):
        demand(np.all(holds), what)


def _check_lengths(tree: Tree, n_inputs: int) -> None:
    """Section 4, the table's column `entries`."""
    exclusions = len(tree.node)
    lengths = {
        "cut": np.count_nonzero((0 <= tree.split) & (tree.split < n_inputs)),
        **dict.fromkeys(("polytope", "rows", "slopes", "multipliers"), exclusions),
        **dict.fromkeys(("row", "row_weight"), _total(tree.rows)),
        **dict.fromkeys(("slope", "slope_value"), _total(tree.slopes)),
        **dict.fromkeys(("multiplier", "multiplier_value"), _total(tree.multipliers)),
    }
    fit = all(len(getattr(tree, name)) == length for name, length in lengths.items())
    need(fit, "its arrays' lengths do not belong together")


def _total(counts: Integers) -> int:
    return int(counts.sum(dtype=np.int64))


def _rules(tree: Tree, cases: Sequence[AnyCase]) -> Iterator[Rule]:
    """Section 4's rules, in an order in which each relies on those before it."""
    parent = _parents(tree.split, len(cases))
    yield from _rules_of_nodes(tree.split, parent, len(cases))
    case = case_of_nodes(tree.split, len(cases))
    yield (0 <= tree.node) & (tree.node < len(case)), "node: there is no such node"
    yield from _rules_of_exclusions(tree, case[tree.node], cases)
    for name, (least, largest) in RANGES.items():
        values = getattr(tree, name)
        within = np.isfinite(values) & (least <= values) & (values <= largest)
        yield within, f"{name}: a number is not between {least} and {largest}"


def _parents(split: Integers, roots: int) -> Integers:
    """The parent of each node, a root being its own: each split node has two children, in order."""
    splits = np.flatnonzero(split >= 0).astype(np.int32)
    return np.concatenate([np.arange(roots, dtype=np.int32), np.repeat(splits, 2)])


def _rules_of_nodes(split: Integers, parent: Integers, roots: int) -> Iterator[Rule]:
    """Every node but the roots is the child of exactly one node, which has a smaller number."""
    yield split >= -1, "split: there are numbers below -1"
    fits = len(parent) == len(split)
    yield fits, "split: there are not as many nodes as roots and children of nodes"
    smaller = parent[roots:] < np.arange(roots, len(parent))
    yield smaller, "split: a node is its own child or descendant"


def case_of_nodes(split: Integers, roots: int) -> Integers:
    """The number of each node's root, which is that of its case."""
    root = _parents(split, roots)
    while (root >= roots).any():
        root = root[root]  # from ancestors to theirs: twice as far each time
    return root


def _rules_of_exclusions(tree: Tree, case: Integers, cases: Sequence[AnyCase]) -> Iterator[Rule]:
    """Exclusions and their entries ascend, and what they name exists.

    case: of each exclusion's node.
    """
    first = np.cumsum([0, *(len(case.unsafe) for case in cases)])  # polytope of each case
    exists = (0 <= tree.polytope) & (tree.polytope < np.diff(first)[case])
    yield exists, "polytope: the case has no such polytope"
    new_node = tree.node[1:] > tree.node[:-1]
    same_node = tree.node[1:] == tree.node[:-1]
    ascend = new_node | same_node & (tree.polytope[1:] > tree.polytope[:-1])
    yield ascend, "node, polytope: not in ascending order"
    lengths = np.array([len(rows) for case in cases for rows in case.unsafe], np.int32)
    rows_there = lengths[first[case] + tree.polytope]
    yield from _rules_of_entries("row", tree.rows, tree.row, rows_there)
    yield from _rules_of_entries("slope", tree.slopes, tree.slope)
    yield from _rules_of_entries("multiplier", tree.multipliers, tree.multiplier)


def _rules_of_entries(
    name: str, counts: Integers, entries: Integers, there: Integers | None = None
) -> Iterator[Rule]:
    """Of one kind of entries: how many each exclusion has, and what they name.

    there: how many of what they name exist for each exclusion, where that is known here.
    """
    yield counts >= 0, f"{name}s: there are negative numbers"
    yield 0 <= entries, f"{name}: there is no such {name}"
    if there is not None:
        yield entries < np.repeat(there, counts), f"{name}: there is no such {name}"
    yield _ascend(entries, begins(counts)), f"{name}: not in ascending order within an exclusion"


def begins(counts: Integers) -> Integers:
    """Returns the place where each group of so many entries begins, and where the last one ends.

    int32, as no array is longer.
    """
    found = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=found[1:])
    return found


def _ascend(entries: Integers, begin: Integers) -> Truths:
    """True for each number but the first that exceeds the one before it, or begins a group."""
    starts = np.zeros(len(entries) + 1, bool)
    starts[begin] = True
    return starts[1:-1] | (entries[1:] > entries[:-1])
