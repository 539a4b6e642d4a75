"""A split tree level by level: all boxes of a level are bounded together, and what stays open is halved."""

from collections.abc import Callable, Iterator

import torch

from engine.bounds.blocks import AnyStack
from engine.bounds.columns import joined
from engine.bounds.roots import Roots
from engine.search.batch import Batch, bounded
from engine.search.branching import split_input
from engine.search.exclude import OpenTargets, exclude
from engine.search.frontier import root_nodes


def levels(
    stack: AnyStack,
    roots: Roots,
    root: torch.Tensor,
    *,
    steps: int,
    choose: Callable[[OpenTargets], OpenTargets] | None = None,
) -> Iterator[tuple[Batch, OpenTargets]]:
    """Each level's batch, and its open boxes: those that `choose` returns, which the next level halves.

    The first level are the whole boxes of the roots [n]; a level without open boxes is the last. steps: of slope
    optimization for a box.
    """
    nodes = root_nodes(roots, root, n_hidden=stack.n_hidden)
    while True:
        batch = bounded(stack, roots, nodes)
        targets, _ = exclude(batch, steps=steps)
        targets = choose(targets) if choose else targets
        yield batch, targets
        if not len(targets):
            return
        parents = nodes.select(targets.box)
        nodes = joined(split_input(parents, targets.plane, roots.reach[parents.root]))
