"""The boxes of a batch that stay open, with all that is needed to split them and to look for counterexamples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from engine.attack import descend
from engine.bounds.columns import joined
from engine.property import Polytope
from engine.search.batch import Batch
from engine.search.branching import many_inputs
from engine.search.deepest import deepest_points
from engine.search.exclude import exclude
from engine.search.exclusions import Exclusions
from engine.search.finish import signs_to_split
from engine.search.plan import Plan
from engine.search.pool import Nodes
from engine.search.problem import Options
from engine.search.state import ProblemState
from engine.search.suspects import Suspects, corner_attack, first_attack
from engine.search.ties import tied
from engine.search.ways import split_by_sign

ROOTS_AT_ONCE = 256  # that are attacked before any of their points is looked at


@dataclass(frozen=True, slots=True)
class OpenBoxes:
    """The boxes of a part of a batch where an unsafe polytope may be reached.

    plane: [n, inputs + 1], of the worst polytope; neuron: [n], whose sign is to be split, or -1; value: [n], the
    distance of the worst corner from unsafe; bound: [n], a lower bound of that of all points; tied: [n], True where
    nothing but rounding is between the two, and zero; suspects: the points nearest to unsafe; exclusions: of polytopes
    on all boxes of the part.
    """

    nodes: Nodes
    plane: torch.Tensor
    neuron: torch.Tensor
    value: torch.Tensor
    bound: torch.Tensor
    tied: torch.Tensor
    suspects: Suspects
    exclusions: Exclusions


class RootFacts(NamedTuple):
    """Of a root: the unsafe polytopes of its case, in order; True where it was attacked before it is bounded; and its
    problem."""

    polytopes: Callable[[int], Sequence[Polytope]]
    attacked: Callable[[int], bool]
    owner: Callable[[int], ProblemState]


def open_boxes(
    batch: Batch,
    known: RootFacts,
    generator: torch.Generator,
    options: Options,
    plan: Plan,
) -> OpenBoxes:
    """Excludes what it can on a batch, and attacks what stays open. Raises OutOfTime after the batch's deadline."""
    stack, roots, deadline = batch.stack, batch.roots, batch.deadline
    targets, exclusions = exclude(batch, steps=options.steps, max_targets=plan.targets)
    owners = [known.owner(root) for root in batch.nodes.root.tolist()]
    by_sign = split_by_sign(owners, many_inputs(batch.nodes))
    is_long = torch.tensor([owner.long for owner in owners], dtype=torch.bool, device=by_sign.device)
    neuron = signs_to_split(batch, targets, by_sign, is_long, stalled=options.stalled)
    numbers, points = deepest_points(batch, targets, known.polytopes)
    nodes = batch.nodes.select(targets.box)
    value, suspects = corner_attack(batch, targets, generator, count=plan.descents)
    ties = tied(batch, targets, value)
    whole = [root for root in nodes.root[nodes.depth == 0].tolist() if not known.attacked(root)]
    suspects = joined([suspects, *_first_attacks(batch, whole, known.owner, generator)])
    if len(numbers):
        root = nodes.root[numbers]
        found = descend(stack, roots, root, points, torch.zeros_like(points), steps=0, deadline=deadline)
        suspects = joined([suspects, Suspects(root, *found)])
    return OpenBoxes(nodes, targets.plane, neuron, value, targets.bound, ties, suspects, exclusions)


def _first_attacks(
    batch: Batch, whole: Sequence[int], owner: Callable[[int], ProblemState], generator: torch.Generator
) -> Iterator[Suspects]:
    """Attacks these roots, some at a time; no more of a problem once a point of it seems unsafe."""
    done: set[int] = set()
    for i in range(0, len(whole), ROOTS_AT_ONCE):
        some = [root for root in whole[i : i + ROOTS_AT_ONCE] if owner(root).index not in done]
        if some:
            root = batch.nodes.root.new_tensor(some)
            found = first_attack(batch.stack, batch.roots, root, generator, batch.deadline)
            done |= {owner(of).index for of in found.root[found.value <= 0].tolist()}
            yield found
