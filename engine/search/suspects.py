"""Points that may be counterexamples: from samples of a root's box, and from the worst corners of open boxes."""

from dataclasses import dataclass

import torch

from engine.attack import descend, sample
from engine.bounds.blocks import AnyStack
from engine.bounds.columns import Columns, joined
from engine.bounds.roots import Roots
from engine.bounds.slopes import worst_corner
from engine.deadline import Deadline
from engine.search.batch import Batch
from engine.search.exclude import OpenTargets

SAMPLES, STARTS = 128, 8  # of each root's box, and those of them that descend
MAX_NUMBERS = 1 << 22  # of samples at once


@dataclass(frozen=True, slots=True)
class Suspects(Columns):
    """Points that may be counterexamples. root: [n]; point: [n, inputs]; value: [n], the distance from unsafe."""

    root: torch.Tensor
    point: torch.Tensor
    value: torch.Tensor


def first_attack(
    stack: AnyStack, roots: Roots, root: torch.Tensor, generator: torch.Generator, deadline: Deadline
) -> Suspects:
    """Gradient descent from the best of a few samples of each root's box; fewer of boxes of very many inputs."""
    samples = max(STARTS, min(SAMPLES, MAX_NUMBERS // 4 // stack.n_inputs))
    found = [
        _best_of_samples(stack, roots, part, samples, generator, deadline)
        for part in torch.split(root, max(1, MAX_NUMBERS // (samples * stack.n_inputs)))
    ]
    return joined(found)


def _best_of_samples(
    stack: AnyStack, roots: Roots, root: torch.Tensor, samples: int, generator: torch.Generator, deadline: Deadline
) -> Suspects:
    every = root.repeat_interleave(samples)
    x = sample(roots, every, generator)
    _, value = descend(stack, roots, every, x, torch.zeros_like(x), steps=0, deadline=deadline)
    best = value.view(len(root), samples).topk(STARTS, largest=False, dim=1).indices
    x = x.view(len(root), samples, stack.n_inputs).take_along_dim(best.unsqueeze(2), 1).flatten(0, 1)
    every = root.repeat_interleave(STARTS)
    width = roots.upper[every] - roots.lower[every]
    return Suspects(every, *descend(stack, roots, every, x, width * 0.1, steps=20, deadline=deadline))


def corner_attack(
    batch: Batch, targets: OpenTargets, generator: torch.Generator, *, count: int
) -> tuple[torch.Tensor, Suspects]:
    """The distance [open] of each open box's worst corner from unsafe, and the most suspicious points after descent.

    These start from the corners and from as many new samples of the roots, `count` of each.
    """
    stack, roots, n = batch.stack, batch.roots, len(targets)
    lower, upper, own = (column[targets.box] for column in (batch.nodes.lower, batch.nodes.upper, batch.nodes.root))
    corner = worst_corner(batch.boxes, targets.box, targets.plane)
    root = torch.cat([own, own])
    x = torch.cat([corner, sample(roots, own, generator)])
    _, value = descend(stack, roots, root, x, torch.zeros_like(x), steps=0, deadline=batch.deadline)
    width = torch.cat([(upper - lower) * 0.5, (roots.upper - roots.lower)[own] * 0.05])
    count = min(n, count)
    halves = [half.topk(count, largest=False).indices + i * n for i, half in enumerate(value.chunk(2))]
    top = torch.cat(halves) if n else root
    top = top[by_network(roots, root[top])]
    found = descend(stack, roots, root[top], x[top], width[top], steps=8, deadline=batch.deadline)
    return value[:n], Suspects(root[top], *found)


def by_network(roots: Roots, root: torch.Tensor) -> torch.Tensor:
    """An order of these roots in which those of one network stand together, and within them those of one root."""
    order = root.argsort(stable=True)
    return order[roots.network[root[order]].argsort(stable=True)]
