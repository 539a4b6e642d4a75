"""A tree for each polytope that stays open on the whole box, where signs alone are split.

A sign that helps one polytope need not help another: in one tree each leaf of the first polytope would carry a tree of
the next, and the sizes multiply. Apart they add up. (Inputs halved help all polytopes, so it is done for boxes of many
inputs alone.) A proof then has a case for each of these polytopes, with the same box, and one for what is excluded on
the whole box; that is a claim like any other (docs/certificate-format.md, section 2).
"""

import torch

from engine.search.branching import MAX_RIVAL_INPUTS, many_inputs
from engine.search.frontier import Frontier
from engine.search.pool import Nodes
from engine.search.recorder import Recorder
from engine.search.state import Known


def to_set_apart(nodes: Nodes) -> torch.Tensor:
    """True for whole boxes of many inputs on which several polytopes are open: [n]."""
    several = (~nodes.excluded).sum(1) > 1
    return (nodes.depth == 0) & several & many_inputs(nodes, more_than=MAX_RIVAL_INPUTS)


def set_apart(frontier: Frontier, recorder: Recorder | None, whole: Nodes, known: Known) -> None:
    """Opens the bounded whole box, one node, once for each of its open polytopes."""
    is_open = ~whole.excluded[0]
    others = is_open.nonzero()[:, 0]
    root, last = int(whole.root), whole.phases.shape[1] - 1
    nodes = whole.select(torch.zeros_like(others))
    # its neurons are bounded: as after a split of the last one's sign no bound is computed again
    nodes = nodes.copy(split=torch.full_like(others, last), depth=torch.ones_like(others))
    nodes.excluded.fill_(True)
    nodes.excluded[torch.arange(len(others), device=others.device), others] = False
    if recorder:
        proved = [p for p in range(len(frontier.confirmer(root).case.unsafe)) if not is_open[p]]
        nodes.id.copy_(torch.tensor(recorder.set_apart(int(whole.id), proved, others.tolist())))
    owner = frontier.owner(root)
    owner.apart[root] = len(others)
    owner.open.update(dict.fromkeys(frontier.put(nodes), known))
