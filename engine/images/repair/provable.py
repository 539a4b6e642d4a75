"""A loss that makes a goal provable: interval bounds of the scores for all contents of a patch.

Certified training against patches (Chiang et al., ICLR 2020), by interval bound propagation (Gowal et al., ICCV 2019).
A network that merely withstands a patch may be too hard to bound for any proof.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import InputError
from engine.images.certify.worst import ends_of
from engine.images.graph import Graph
from engine.images.intervals import gaps_between
from engine.images.repair.goal import Goal
from engine.images.repair.task import RepairTask
from engine.images.repair.tuning import MoreLoss

WEIGHT = 0.1  # of the loss, beside those of the tuning
MARGIN = 1.0  # by which the bounds are to exclude what must not be
GROWING = 0.5  # of the steps, in which the contents grow from the image's own to all


def provable_loss(task: RepairTask, goal: Goal, graph: Graph) -> MoreLoss | None:
    """The loss; None where the network has an operator that cannot be bounded."""

    def loss(which: np.ndarray, share: float, random: np.random.Generator) -> Tensor:
        images = goal.counted(task.clean.select(which))
        if not len(images):
            return torch.zeros((), device=graph.device)
        ends = ends_of(images, goal.patch, goal.contents, random, share=min(1.0, share / GROWING))
        low, high = (task.classifier.inputs(torch.from_numpy(end).to(graph.device)) for end in ends)
        labels = torch.from_numpy(images.labels).to(graph.device)
        gaps = _unwanted(gaps_between(graph, low, high, labels), labels, goal.target)
        return WEIGHT * min(1.0, share / GROWING) * functional.softplus(gaps + MARGIN).mean()

    try:
        loss(np.arange(min(2, len(task.clean))), 0.0, np.random.default_rng(0))
    except InputError:
        return None
    return loss


def _unwanted(gaps: Tensor, labels: Tensor, target: int | None) -> Tensor:
    """The gaps of classes that must not be given: [n], or without target [n, classes - 1]."""
    if target is not None:
        return gaps[:, target]
    others = torch.ones_like(gaps, dtype=torch.bool).scatter_(1, labels[:, None], False)
    return gaps[others].reshape(len(labels), -1)
