"""Few weights by satisfiability modulo theories, after NNrepair (Usman et al., CAV 2021), counterexample-guided.

The changes of a few localized edges of one layer are real unknowns. What the network must do at sampled points
is linear in them while activation patterns are fixed (points.py); z3 decides it in exact rationals (search.py).
NNrepair takes all edges of a localized layer at once; here they stay few.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from engine.errors import InputError
from engine.repair.edit import free_bias
from engine.repair.localize import Edge, Localization, localize
from engine.repair.smt.points import Points
from engine.repair.smt.search import WeightSearch
from engine.repair.task import Candidate, Evidence, Say, Task

MARGINS = (0.1, 0.01, 0.003)  # scores by which unsafe polytopes are to be missed: the larger, the easier the proof
MAX_WEIGHTS = 8


def smt(
    task: Task,
    evidence: Evidence,
    say: Say,
    *,
    edges: Sequence[Edge] | None = None,
    margins: Sequence[float] = MARGINS,
    most: int = MAX_WEIGHTS,
    samples: int = 200_000,
    rounds: int = 30,
    forgiven: float = 1e-4,
    localization: str | None = None,
) -> Iterator[Candidate]:
    """Yields candidates that are right at all samples and at the evidence, with at most `most` weights changed.

    edges: those that may change, the most significant first, all in the last layer or all in the one before it, else
    InputError; by default the last layer's as localized, one output's at a time, then all of them. margins: tried in
    this order; samples: of the domain, and of each target's boxes; rounds: of z3 for one choice of edges and one
    margin; forgiven: the share of the samples whose advisory may change after all where nothing else was found;
    localization: vere or nnrepair orders outputs and edges, by default VERE outputs and NNrepair edges.
    """
    last = len(task.network.layers) - 1
    if edges is not None:
        choices = [[list(edges)]]
    else:
        choices = by_output(localize(task, evidence).after(localization), biases=free_bias(task.network, last))
    points = Points(task, _layer(choices, last), samples)
    points.learn(evidence)
    searches = [[WeightSearch(points, choice, most) for choice in group] for group in choices]
    for group, forgiving in product(searches, (0, int(forgiven * len(points.x)))):
        for margin, search in product(margins[-2:] if forgiving else margins, group):
            for change in search.solutions(margin, rounds, forgiving, say):
                note = f"{np.count_nonzero(change)} weights, {search.name}, margin {margin:g}"
                yield Candidate(search.network(change), note)
                if not points.learn(evidence):
                    break  # no point is wrong, only the proof too hard


def by_output(localization: Localization, *, biases: bool = True) -> list[list[list[Edge]]]:
    """Choices of the last layer's edges: each output's, the most significant output first; and then all together.

    biases: True where each output's bias comes before its weights, False where biases stay.
    """
    last = len(localization.neurons) - 1
    edges = localization.best_edges(layer=last)
    bias = localization.edges[last].shape[1]
    choices = []
    for _, output in localization.best_neurons(layer=last):
        choices.append([(last, output, bias)] * biases + [edge for edge in edges if edge[1] == output])
    return [choices, [[edge for choice in choices for edge in choice]]]


def _layer(choices: list[list[list[Edge]]], last: int) -> int:
    """The layer of all edges; InputError where there is no such layer, or another than the last two."""
    layers = {layer for group in choices for edges in group for layer, _, _ in edges}
    if len(layers) != 1 or not layers <= {last, last - 1}:
        raise InputError(
            "the edges to change are not all in the last layer, nor all in the one before it",
            where="smt",
            advice="localize within one of the two",
        )
    return layers.pop()
