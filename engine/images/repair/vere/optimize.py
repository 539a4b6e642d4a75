"""Optimization of the most significant neurons.

The published loss is the squared distance of each fault's value from its target interval, and of each clean image's
value from what it was (targets.py); `pull` is its weight. It alone moves each neuron as though it were the only one. So
the loss of the whole network is added: cross-entropy of the faults, the margin over the class that they were given,
and, for clean images, `stay` times the divergence of the scores from the original network's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.images.graph import Graph
from engine.images.repair.vere.options import VereOptions
from engine.images.repair.vere.places import Places
from engine.images.repair.vere.significance import values
from engine.images.repair.vere.tail import Before, after

BATCH_FAULTS, BATCH_CLEAN = 96, 160
MARGIN = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What the network is to learn.

    faults, clean: images up to the layer. labels: right classes of the faults; given: their classes in the original
    network. scores: the original's of the clean images. targets: for each fault and edited neuron the ends of the
    interval into which its value is to move, [faults, neurons, 2]. staying: the values of clean images [clean, neurons].
    length: of each neuron's range, [neurons].
    """

    faults: Before
    labels: Tensor
    given: Tensor
    clean: Before
    scores: Tensor
    targets: Tensor
    staying: Tensor
    length: Tensor


def optimize(
    graph: Graph, places: Places, lesson: Lesson, options: VereOptions, *, seed: int, report: Callable[[float, str], None]
) -> None:
    """Changes the weights at these places, in the graph, by Adam; the rate falls to zero along half a cosine."""
    weights = {name: graph.weights[name] for name in places.masks}
    graph.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    optimizer = torch.optim.Adam(weights.values(), lr=options.rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 0.5 * (1 + np.cos(np.pi * s / options.steps)))
    generator = torch.Generator().manual_seed(seed)
    for step in range(options.steps):
        loss = _loss(graph, places, lesson, options, step / options.steps, generator)
        optimizer.zero_grad()
        loss.backward()
        for name, weight in weights.items():
            assert weight.grad is not None
            weight.grad.mul_(places.masks[name])
        optimizer.step()
        schedule.step()
        report((step + 1) / options.steps, f"loss {loss.item():.3f}")
    graph.requires_grad_(False)


def _loss(graph: Graph, places: Places, lesson: Lesson, options: VereOptions, done: float, generator) -> Tensor:
    wrong = torch.randint(len(lesson.faults), (BATCH_FAULTS,), generator=generator).to(graph.device)
    right = torch.randint(len(lesson.clean), (BATCH_CLEAN,), generator=generator).to(graph.device)
    scores, activated = after(graph, places.layer, lesson.faults.select(wrong))
    labels, given = lesson.labels[wrong], lesson.given[wrong]
    loss = functional.cross_entropy(scores, labels)
    over = scores.gather(1, given[:, None]) - scores.gather(1, labels[:, None]) + MARGIN
    loss = loss + (functional.softplus(over)[:, 0] * (given != labels)).mean()
    clean_scores, clean_activated = after(graph, places.layer, lesson.clean.select(right))
    before = lesson.scores[right].log_softmax(1)
    divergence = functional.kl_div(clean_scores.log_softmax(1), before, log_target=True, reduction="batchmean")
    loss = loss + options.stay * divergence
    pull = options.pull * (1 - done)
    if pull > 0:
        loss = loss + pull * interval_loss(values(activated)[:, places.neurons], lesson.targets[wrong], lesson.length)
        still = lesson.staying[right]
        own = values(clean_activated)[:, places.neurons]
        loss = loss + pull * interval_loss(own, torch.stack([still, still], 2), lesson.length)
    return loss


def interval_loss(value: Tensor, targets: Tensor, length: Tensor) -> Tensor:
    """The mean squared distance of values [n, neurons] from intervals [n, neurons, 2], by the range's length."""
    outside = (targets[..., 0] - value).clamp(min=0) + (value - targets[..., 1]).clamp(min=0)
    return (outside / length.clamp(min=1e-12)).square().mean()
