"""Files of images that need no labels: what a deployed classifier is given.

.npz files with an array `images` alone, one PNG file, and folders of PNG files; and all that `readers` reads.
"""

from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.files import regular
from engine.images.imageset import Floats, Integers
from engine.images.readers import read_images


def read_unlabelled(path: Path, *, white: float | None = None) -> tuple[Floats, Integers | None]:
    """Images float32 [n, channels, height, width] in 0 to 1, and their labels [n] where the file has some.

    white: the value of a white pixel, where the format does not say it. A folder's files are in the order of their
    names. InputError where something is wrong with the file.
    """
    if path.suffix == ".npz":
        images = _npz_without_labels(path, white)
    elif path.suffix.lower() == ".png" or (path.is_dir() and any(path.glob("*.png"))):
        images = _png(sorted(path.glob("*.png")) if path.is_dir() else [path])
    else:
        images = None
    if images is not None:
        return images, None
    found = read_images(path, white=white)
    return found.images, found.labels


def _npz_without_labels(path: Path, white: float | None) -> Floats | None:
    """The images of an .npz file without labels; None where it has some, or is to be complained of elsewhere."""
    try:
        with open(path, "rb", opener=regular) as stream, np.load(stream, allow_pickle=False) as file:
            if "labels" in file.files or "images" not in file.files:
                return None
            images = np.asarray(file["images"])
    except (ValueError, OSError, EOFError):
        return None
    images = images[:, None] if images.ndim == 3 else images
    if images.ndim != 4 or images.dtype.kind not in "uif":
        raise InputError(
            f"images are {list(images.shape)} of type {images.dtype}",
            where=str(path),
            advice="give numbers [n, C, H, W] or [n, H, W]",
        )
    white = 255.0 if images.dtype == np.uint8 else white
    if white is None or not white > 0:
        raise InputError(
            f"how pixels of type {images.dtype} are written is not known", where=str(path), advice="say --white"
        )
    return (images / np.float64(white)).astype(np.float32)


def _png(paths: list[Path]) -> Floats:
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError:
        raise InputError(
            "PNG files need pillow", where=str(paths[0]), advice="pip install 'acasxu-engine[images]'"
        ) from None
    found: list[np.ndarray] = []
    for path in paths:
        try:
            with open(path, "rb", opener=regular) as stream, Image.open(stream, formats=("PNG",)) as image:
                pixels = np.asarray(image.convert("L" if image.mode in ("1", "L", "LA", "I;16") else "RGB"))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise InputError(f"this is no PNG image ({error})", where=str(path)) from None
        found.append(pixels)
        if pixels.shape != found[0].shape:
            raise InputError("this image has another size or other channels than the first", where=str(path))
    images = np.stack(found)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return (images / np.float64(255)).astype(np.float32)
