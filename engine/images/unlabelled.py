"""Files of images that need no labels: what a deployed classifier is given.

.npz files with an array `images` alone, one PNG file, and folders of PNG files; and all that `readers` reads.
"""

from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.formats.contents import content
from engine.images.formats.npz import read_unlabelled_npz
from engine.images.formats.png import WHITE, read_files
from engine.images.imageset import Floats, Integers
from engine.images.readers import read_images


def read_unlabelled(path: Path, *, white: float | None = None) -> tuple[Floats, Integers | None]:
    """Images float32 [n, channels, height, width] in 0 to 1, and their labels [n] where the file has some.

    white: the value of a white pixel, where the format does not say it. A folder's files are in the order of their
    names. InputError where something is wrong with the file.
    """
    found = _without_labels(path, white)
    if found is None:
        images = read_images(path, white=white)
        return images.images, images.labels
    pixels, white = found
    if not (white > 0 and np.isfinite(white)):
        raise InputError(f"white is {white}", where=str(path), advice="white is a number above 0")
    return pixels.astype(np.float32) / np.float32(white), None


def _without_labels(path: Path, white: float | None) -> tuple[np.ndarray, float] | None:
    """Pixels and the value of a white one; None where the file has labels."""
    if path.suffix == ".npz":
        return read_unlabelled_npz(content(path), white, where=str(path))
    files = sorted(path.glob("*.png")) if path.is_dir() else [path] if path.suffix.lower() == ".png" else []
    return (read_files(files, where=str(path)), WHITE) if files else None
