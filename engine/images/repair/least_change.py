"""The least of a change that still repairs: from the original towards the repaired network, and no further."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.images.graph import Graph

HALVINGS = 5
MARGIN = 0.1  # of the whole way, beyond the share that just suffices: other images have the fault too

Weights = Mapping[str, Tensor]


def weights_of(graph: Graph) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {name: weight.detach().clone() for name, weight in graph.weights.items()}


def shorten(graph: Graph, original: Weights, repaired: Weights, holds: Callable[[], bool]) -> float:
    """Leaves original + t * (repaired - original) in the graph, and returns t in (0, 1].

    t was found by bisection, and `holds` is true there, which looks at the graph; or t is 1. Where `holds` is true
    from some share on, t exceeds that share by MARGIN and 1/32 at most.
    """

    def at(share: float) -> bool:
        put(graph, {name: torch.lerp(original[name], value, share) for name, value in repaired.items()})
        return holds()

    fails, suffices = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (fails + suffices) / 2
        fails, suffices = (fails, middle) if at(middle) else (middle, suffices)
    share = suffices + MARGIN
    if share < 1 and at(share):
        return share
    put(graph, repaired)
    return 1.0


@torch.no_grad()
def put(graph: Graph, weights: Weights) -> None:
    """Puts these weights into the graph."""
    for name, value in weights.items():
        graph.weights[name].copy_(value)
