"""Contents of a patch that mislead a network most, found by gradient ascent: what no bound can be below."""

import numpy as np
import torch
from torch import Tensor

from engine.images.certify.family import Contents, Patch
from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet, Integers

STEPS = 10
STEP = 0.25  # of the range between a pixel's ends (Madry et al., ICLR 2018: steps along the gradient's sign)


def worst_contents(
    classifier: Classifier,
    images: ImageSet,
    patch: Patch,
    contents: Contents,
    target: int | None,
    random: np.random.Generator,
    *,
    graph: Graph | None = None,
    steps: int = STEPS,
) -> tuple[Floats, Floats]:
    """Each image with the worst contents found of the patch, at a position drawn for it, and their margin [n].

    The margin is how far the target's score is above all others, or without target another one above the label's: where
    it is not below 0, the trigger works. The ascent starts from contents drawn at random.
    """
    graph = graph or classifier.graph()
    found: list[Floats] = [images.images[:0]]
    margins: list[Floats] = [np.zeros(0, np.float32)]
    for part in images.batches(classifier.batch):
        low, high = ends_of(part, patch, contents, random)
        known = part.labels if target is None else np.full(len(part), target)
        start = low + random.random(low.shape, np.float32) * (high - low)
        sign = -1 if target is None else 1
        worst, margin = _ascended(classifier, graph, [start, low, high], known, sign=sign, steps=steps)
        found.append(worst)
        margins.append(margin)
    return np.concatenate(found), np.concatenate(margins)


def ends_of(
    images: ImageSet, patch: Patch, contents: Contents, random: np.random.Generator, *, share: float = 1.0
) -> tuple[Floats, Floats]:
    """The least and the largest value of each pixel, in [0, 1], with the patch at a position drawn for each image.

    share: 1 for all contents; less for those that are so near to the image's own, as a share of the way.
    """
    masks = np.stack([patch.mask(i, images.shape) for i in random.integers(0, len(patch.positions), len(images))])
    reach = np.float32(1 if contents.share is None else float(contents.share))
    own, reaches = images.images, reach * masks.astype(np.float32)
    low, high = np.clip(own - reaches, 0, 1), np.clip(own + reaches, 0, 1)
    return own + np.float32(share) * (low - own), own + np.float32(share) * (high - own)


def _ascended(
    classifier: Classifier, graph: Graph, boxes: list[Floats], known: Integers, *, sign: int, steps: int
) -> tuple[Floats, Floats]:
    x, low, high = (torch.from_numpy(part).to(graph.device) for part in boxes)
    places = torch.from_numpy(known).to(graph.device)[:, None]
    best, best_margin = x, torch.full((len(x),), -torch.inf, device=x.device)
    for step in range(steps + 1):
        x.requires_grad_(True)
        margin = sign * _ahead(graph(classifier.inputs(x)), places)
        better = margin.detach() > best_margin
        best = torch.where(better[:, None, None, None], x.detach(), best)
        best_margin = torch.where(better, margin.detach(), best_margin)
        if step < steps:
            (gradient,) = torch.autograd.grad(margin.sum(), x)
            x = (x.detach() + STEP * (high - low) * gradient.sign()).minimum(high).maximum(low)
    return best.detach().cpu().numpy(), best_margin.float().cpu().numpy()


def _ahead(scores: Tensor, places: Tensor) -> Tensor:
    """How far the score of the class is above all others: [n]."""
    others = scores.scatter(1, places, -torch.inf)
    return scores.gather(1, places)[:, 0] - others.amax(1)
