"""A part of a proof's tree: some leaves with their ancestors, or one share of several."""

from collections.abc import Sequence

import numpy as np

from engine.audit.data import Tree, Truths
from engine.audit.nodes import joined
from engine.audit.tree import AnyCase, case_of_nodes
from engine.audit.walk import OnNodes, Proof, Tally, merge


def chosen_nodes(tree: Tree, sample: int | None, seed: int) -> Truths:
    """True for the nodes to visit: all, or so many leaves, by chance, and their ancestors."""
    splits, leaves = np.flatnonzero(tree.split >= 0), np.flatnonzero(tree.split < 0)
    if sample is None or sample >= len(leaves):
        return np.ones(len(tree.split), bool)
    some = np.random.default_rng(seed).choice(leaves, sample, replace=False)
    wanted = np.isin(np.arange(len(tree.split)), some)
    first_children = range(len(wanted) - 2, 0, -2)
    for node, child in zip(splits[::-1], first_children):  # children have larger numbers
        wanted[node] = wanted[child] | wanted[child + 1]
    return wanted


def share_of_cases(
    tree: Tree, cases: Sequence[AnyCase], wanted: Truths, share: tuple[int, int]
) -> tuple[Truths, tuple[int, int]]:
    """The wanted nodes of every n-th of many cases, and what share of these is to be walked: all.

    Of few cases, all wanted nodes and the share.
    """
    mine, shares = share
    if shares == 1 or len(cases) < 8 * shares:
        return wanted, share
    return wanted & (case_of_nodes(tree.split, len(cases)) % shares == mine), (0, 1)


def walk_share(proof: Proof, share: tuple[int, int], report: OnNodes) -> Tally:
    """Checks all wanted nodes of a proof, or a share (i, n) of them.

    A share: of the nodes where the walk stands when there are enough of them, every n-th with all
    below it. Those before them are checked for each share, and count for the first.
    """
    (mine, shares), tally = share, Tally()
    enough = 8 * shares if shares > 1 else 0
    for roots in proof.roots():
        pending = [roots]
        top = proof.walk(pending, _after(tally, report), enough)
        tally = merge(tally, top if mine == 0 else Tally())
        if pending:
            pending = [joined(pending).take(slice(mine, None, shares))]
        tally = merge(tally, proof.walk(pending, _after(tally, report)))
    return tally


def _after(tally: Tally, report: OnNodes) -> OnNodes:
    """report(nodes checked in all), where so many were before the walk."""

    def report_all(nodes: int) -> None:
        report(tally.nodes + nodes)

    return report_all
