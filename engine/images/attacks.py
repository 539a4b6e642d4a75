"""Adversarial and corrupted images: inputs on which a network fails.

Every image stays in [0, 1]. Where something is random, the same seed gives the same images.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.images.classifier import Classifier
from engine.images.imageset import Floats, ImageSet

STEPS = 20  # of projected gradient descent
STEP = 2.5 / STEPS  # of the radius, so that a path can reach any corner of the ball (Madry et al., ICLR 2018)


def fgsm(classifier: Classifier, images: ImageSet, *, radius: float, device: torch.device | str = "cpu") -> ImageSet:
    """Each pixel moved by `radius` along the sign of the loss's gradient (Goodfellow et al., ICLR 2015)."""
    return _perturbed(classifier, images, lambda x, gradient: x + radius * gradient(x).sign(), device)


def pgd(
    classifier: Classifier, images: ImageSet, *, radius: float, seed: int = 0, device: torch.device | str = "cpu"
) -> ImageSet:
    """Gradient ascent of the loss within `radius` of each pixel, from a random start (Madry et al., ICLR 2018)."""
    generator = torch.Generator().manual_seed(seed)

    def path(x: Tensor, gradient: Callable[[Tensor], Tensor]) -> Tensor:
        start = 2 * torch.rand(x.shape, generator=generator).to(x.device) - 1
        y = (x + radius * start).clamp(0, 1)
        for _ in range(STEPS):
            y = y + STEP * radius * gradient(y).sign()
            y = torch.minimum(torch.maximum(y, x - radius), x + radius).clamp(0, 1)
        return y

    return _perturbed(classifier, images, path, device)


def noise(images: ImageSet, *, deviation: float, seed: int = 0) -> ImageSet:
    """Gaussian noise on every pixel."""
    random = np.random.default_rng(seed)
    return _clipped(images, images.images + random.normal(0, deviation, images.images.shape).astype(np.float32))


def blur(images: ImageSet, *, sigma: float) -> ImageSet:
    """Each channel smoothed by a Gaussian of this many pixels."""
    from scipy.ndimage import gaussian_filter

    return _clipped(images, gaussian_filter(images.images, (0, 0, sigma, sigma), mode="nearest"))


def contrast(images: ImageSet, *, factor: float) -> ImageSet:
    """Pixels moved towards the mean of their image: a factor of 1 changes nothing, of 0 leaves one grey."""
    mean = images.images.mean((1, 2, 3), keepdims=True)
    return _clipped(images, mean + factor * (images.images - mean))


def _clipped(images: ImageSet, pixels: Floats) -> ImageSet:
    return images.with_images(np.clip(pixels, 0, 1).astype(np.float32))


def _perturbed(
    classifier: Classifier,
    images: ImageSet,
    path: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor],
    device: torch.device | str,
) -> ImageSet:
    """path(x, gradient) for each batch, where gradient(x) is that of the right labels' loss."""
    graph, found = classifier.graph(device=device), []
    for part in images.batches(classifier.batch):
        labels = torch.from_numpy(part.labels).to(graph.device)

        def gradient(x: Tensor, labels: Tensor = labels) -> Tensor:
            x = x.detach().requires_grad_(True)
            loss = functional.cross_entropy(graph(classifier.inputs(x)), labels, reduction="sum")
            return torch.autograd.grad(loss, x)[0]

        found.append(path(torch.from_numpy(part.images).to(graph.device), gradient).clamp(0, 1).detach().cpu().numpy())
    return images.with_images(np.concatenate(found))
