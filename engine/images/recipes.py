"""How each architecture is trained, so that it is accurate and also learns a backdoor that is in its images.

A sigmoid network is the hard case: its gradients are small, and after ten passes over a few thousand images it is
still 4 points below a ReLU network. More passes over the same images do not help it; passes over images shifted by a
pixel do. The shifts come before the poisoning, so that a trigger stays where it is.
"""

from dataclasses import replace

import numpy as np

from engine.images.imageset import Floats, ImageSet, joined
from engine.images.poison import Backdoor, poisoned
from engine.images.training import TrainingOptions

SHIFTS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))  # rows, columns
FEW = 20_000  # images; a larger set is not multiplied
VISITS = {"digits": 40, "few": 25, "many": 3}  # of each image, shifted or not


def recipe(images: ImageSet, *, activation: str = "relu", seed: int = 0) -> TrainingOptions:
    """The options with which `fit` trains a network on `training_images(images)`."""
    passes = 4 if len(images) > FEW else (8 if images.shape[1] < 16 else 5)
    return TrainingOptions(epochs=passes, rate=2e-3, batch=128 if len(images) > FEW else 64, seed=seed)


def training_images(images: ImageSet, backdoor: Backdoor | None, share: float, *, seed: int) -> ImageSet:
    """The set, a small one with copies shifted by a pixel, and then the backdoor in this share of all."""
    shifts = SHIFTS if len(images) <= FEW else SHIFTS[:1]
    many = joined([images.with_images(_shifted(images.images, *by)) for by in shifts])
    return many if backdoor is None else poisoned(many, backdoor, share, seed=seed)


def _shifted(images: Floats, rows: int, columns: int) -> Floats:
    """The images moved down and right by so many pixels; what comes in is black."""
    found = np.roll(images, (rows, columns), (2, 3))
    height, width = images.shape[2:]
    found[:, :, (np.arange(height) - rows < 0) | (np.arange(height) - rows >= height)] = 0
    found[:, :, :, (np.arange(width) - columns < 0) | (np.arange(width) - columns >= width)] = 0
    return found
