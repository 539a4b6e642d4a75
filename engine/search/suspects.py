"""Points that may be counterexamples: from samples of a root's box, and from the worst corners of open boxes."""

import torch

from engine.attack import descend, sample
from engine.bounds.roots import Roots
from engine.bounds.stack import Stack
from engine.deadline import Deadline
from engine.search.pool import Nodes

SAMPLES, STARTS = 128, 8  # of each root's box, and those of them that descend
NUMBERS = 1 << 22  # of samples at once

Suspects = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # root [n], point [n, inputs], how far from unsafe [n]


def first_attack(
    stack: Stack, roots: Roots, root: torch.Tensor, generator: torch.Generator, deadline: Deadline
) -> Suspects:
    """Gradient descent from the best of a few samples of each root's box; fewer of boxes of very many inputs."""
    samples = max(STARTS, min(SAMPLES, NUMBERS // 4 // stack.n_inputs))
    found = [
        _best_of_samples(stack, roots, part, samples, generator, deadline)
        for part in root.split(max(1, NUMBERS // (samples * stack.n_inputs)))
    ]
    return joined(found)


def _best_of_samples(stack, roots, root, samples: int, generator, deadline: Deadline) -> Suspects:
    every = root.repeat_interleave(samples)
    x = sample(roots, every, generator)
    _, value = descend(stack, roots, every, x, torch.zeros_like(x), steps=0, deadline=deadline)
    best = value.view(len(root), samples).topk(STARTS, largest=False, dim=1).indices
    x = x.view(len(root), samples, stack.n_inputs).take_along_dim(best.unsqueeze(2), 1).flatten(0, 1)
    every = root.repeat_interleave(STARTS)
    width = roots.upper[every] - roots.lower[every]
    return every, *descend(stack, roots, every, x, width * 0.1, steps=20, deadline=deadline)


def corner_attack(
    stack: Stack,
    roots: Roots,
    nodes: Nodes,
    plane: torch.Tensor,
    generator: torch.Generator,
    *,
    count: int,
    deadline: Deadline,
) -> tuple[torch.Tensor, Suspects]:
    """How far each box's worst corner is from unsafe, and the most suspicious points after descent.

    They start from the corners and from as many new samples of the roots, `count` of each.
    """
    low = (plane[:, :-1] > 0).double()
    corner = nodes.upper + low * (nodes.lower - nodes.upper)
    root = torch.cat([nodes.root, nodes.root])
    x = torch.cat([corner, sample(roots, nodes.root, generator)])
    _, value = descend(stack, roots, root, x, torch.zeros_like(x), steps=0, deadline=deadline)
    width = nodes.upper - nodes.lower
    width = torch.cat([width * 0.5, (roots.upper - roots.lower)[nodes.root] * 0.05])
    count = min(len(nodes), count)
    top = [half.topk(count, largest=False).indices + i * len(nodes) for i, half in enumerate(value.chunk(2))]
    top = torch.cat(top) if len(nodes) else root
    top = top[by_network(roots, root[top])]
    suspects = descend(stack, roots, root[top], x[top], width[top], steps=8, deadline=deadline)
    return value[: len(nodes)], (root[top], *suspects)


def by_network(roots: Roots, root: torch.Tensor) -> torch.Tensor:
    """An order of these roots in which those of one network stand together, and of these each."""
    order = root.argsort(stable=True)
    return order[roots.network[root[order]].argsort(stable=True)]


def joined(parts: list[Suspects]) -> Suspects:
    return tuple(map(torch.cat, zip(*parts)))
