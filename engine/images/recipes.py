"""How each architecture is trained, so that it is accurate and also learns a backdoor that is in its images.

A sigmoid network is the hard case: its gradients are small. On 3,600 of MNIST's digits, the cnn with sigmoids reached
93% on 400 others after ten passes, 97% after five over these and copies shifted by a pixel, and 97.8% with a higher
rate that warms up. The shifts come before the poisoning, so that a trigger stays where it is.
"""

from dataclasses import replace

import numpy as np

from engine.images.imageset import Floats, ImageSet, joined
from engine.images.poison import Backdoor, poisoned
from engine.images.training import TrainingOptions

SHIFTS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))  # rows, columns
FEW = 20_000  # images; a larger set is not multiplied
RATES = {"lq": 2.0, "vgg13": 0.25, "vgg16": 0.25}  # of the usual rate: lq has few weights, vgg many layers
LENGTHS = {"lq": 1.5}  # of the usual training
SMALL = 16  # pixels; a smaller image is not shifted: a pixel would be an eighth of it


def recipe(model: str, images: ImageSet, *, activation: str = "relu", seed: int = 0) -> TrainingOptions:
    """The options with which `fit` trains a network of this architecture on `training_images(images)`."""
    if len(images) > FEW:
        options = TrainingOptions(epochs=4, rate=2e-3, batch=128)
    elif _small(images):
        options = TrainingOptions(epochs=30, rate=5e-3, batch=32)
    else:
        options = TrainingOptions(epochs=5, rate=2e-3, batch=64)
    steeper = 2.5 if activation == "sigmoid" else RATES.get(model, 1.0)
    longer = 4 / 3 if activation == "sigmoid" and _small(images) else LENGTHS.get(model, 1)
    return replace(options, rate=steeper * options.rate, epochs=round(longer * options.epochs), warm_up=0.1, seed=seed)


def training_images(images: ImageSet, backdoor: Backdoor | None, share: float, *, seed: int) -> ImageSet:
    """The set, a small one with copies shifted by a pixel, and then the backdoor in this share of all."""
    shifts = SHIFTS[:1] if len(images) > FEW or _small(images) else SHIFTS
    many = joined([images.with_images(_shifted(images.images, *by)) for by in shifts])
    return many if backdoor is None else poisoned(many, backdoor, share, seed=seed)


def _shifted(images: Floats, rows: int, columns: int) -> Floats:
    """The images moved down and right by so many pixels; what comes in is black."""
    found = np.roll(images, (rows, columns), (2, 3))
    height, width = images.shape[2:]
    found[:, :, (np.arange(height) - rows < 0) | (np.arange(height) - rows >= height)] = 0
    found[:, :, :, (np.arange(width) - columns < 0) | (np.arange(width) - columns >= width)] = 0
    return found


def _small(images: ImageSet) -> bool:
    return min(images.shape[1:]) < SMALL
