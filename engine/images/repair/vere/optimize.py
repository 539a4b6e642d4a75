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

Extra = Callable[[float], Tensor]

BATCH_FAULTS, BATCH_CLEAN = 96, 160
MARGIN = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What the network is to learn.

    faults, clean: images up to the layer. labels: right classes of the faults; given: their classes in the original
    network. scores: the original's of the clean images. pulled: numbers of those faults that have targets. targets:
    for each of them and each edited neuron the ends of the interval into which its value is to move, [n, neurons, 2].
    staying: the values of clean images, [clean, neurons]. length: of each neuron's range, [neurons].
    """

    faults: Before
    labels: Tensor
    given: Tensor
    clean: Before
    scores: Tensor
    pulled: Tensor
    targets: Tensor
    staying: Tensor
    length: Tensor


def optimize(
    graph: Graph,
    places: Places,
    lesson: Lesson,
    options: VereOptions,
    *,
    seed: int,
    report: Callable[[float, str], None],
    more: Extra | None = None,
) -> None:
    """Changes the weights at these places, in the graph, by Adam; the rate falls to zero along half a cosine.

    more: a loss that is added, given the share of the steps that are done.
    """
    weights = {name: graph.weights[name] for name in places.masks}
    graph.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    optimizer = torch.optim.Adam(weights.values(), lr=options.rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 0.5 * (1 + np.cos(np.pi * s / options.steps)))
    generator = torch.Generator().manual_seed(seed)
    for step in range(options.steps):
        loss = _loss(graph, places, lesson, options, step / options.steps, generator)
        loss = loss if more is None else loss + more((step + 1) / options.steps)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        for name, weight in weights.items():
            assert weight.grad is not None
            weight.grad.mul_(places.masks[name])
        optimizer.step()
        schedule.step()
        report((step + 1) / options.steps, f"loss {loss.item():.3f}")
    graph.requires_grad_(False)


def _loss(
    graph: Graph, places: Places, lesson: Lesson, options: VereOptions, done: float, generator: torch.Generator
) -> Tensor:
    wrong, right = (_drawn(len(part), size, generator, graph) for part, size in _parts(lesson))
    scores, _ = after(graph, places.layer, lesson.faults.select(wrong))
    clean_scores, clean_activated = after(graph, places.layer, lesson.clean.select(right))
    original = lesson.scores[right]
    if options.edit == "finetune":
        loss = functional.cross_entropy(scores, lesson.labels[wrong])
        return loss + functional.cross_entropy(clean_scores, original.argmax(1))
    pull = 1.0 if options.edit == "published" else options.pull * (1 - done)
    loss = pull * interval_loss(values(clean_activated)[:, places.neurons], lesson.staying[right], lesson.length)
    if pull > 0:
        some = _drawn(len(lesson.pulled), BATCH_FAULTS, generator, graph)
        _, activated = after(graph, places.layer, lesson.faults.select(lesson.pulled[some]))
        loss = loss + pull * interval_loss(values(activated)[:, places.neurons], lesson.targets[some], lesson.length)
    if options.edit == "optimize":
        loss = loss + _fault_loss(scores, lesson.labels[wrong], lesson.given[wrong])
        loss = loss + options.stay * functional.kl_div(
            clean_scores.log_softmax(1), original.log_softmax(1), log_target=True, reduction="batchmean"
        )
    return loss


def _parts(lesson: Lesson) -> tuple[tuple[Before, int], tuple[Before, int]]:
    return (lesson.faults, BATCH_FAULTS), (lesson.clean, BATCH_CLEAN)


def _drawn(count: int, size: int, generator: torch.Generator, graph: Graph) -> Tensor:
    return torch.randint(count, (size,), generator=generator).to(graph.device)


def _fault_loss(scores: Tensor, labels: Tensor, given: Tensor) -> Tensor:
    """Cross-entropy, and the margin of the right class over the class that the original network gave."""
    over = (scores.gather(1, given[:, None]) - scores.gather(1, labels[:, None]))[:, 0] + MARGIN
    return functional.cross_entropy(scores, labels) + (functional.softplus(over) * (given != labels)).mean()


def interval_loss(value: Tensor, targets: Tensor, length: Tensor) -> Tensor:
    """The mean squared distance of values from intervals or points, in lengths of the neurons' ranges.

    value: [n, neurons]; targets: [n, neurons, 2] or [n, neurons]; length: [neurons].
    """
    targets = targets if targets.ndim == 3 else targets[..., None].expand(-1, -1, 2)
    outside = (targets[..., 0] - value).clamp(min=0) + (value - targets[..., 1]).clamp(min=0)
    return (outside / length.clamp(min=1e-12)).square().mean()
