"""PNG images in a folder a class, named by its number: 0/a.png, 0/b.png, 1/c.png."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import InputError
from engine.files import regular
from engine.images.formats.contents import MAX_BYTES, Table

if TYPE_CHECKING:
    from PIL import Image

WHITE = 255.0  # of a pixel
MAX_PIXELS = 2**24  # of one image; its file can be a thousandth as large
GREY = ("1", "L", "LA", "I", "I;16", "I;16B")


def read_folder(path: Path) -> Table:
    """Images of one size, in the order of their classes and names; grey where the first is. Alpha must be opaque."""
    files = _files(path)
    if not files:
        raise InputError("there are no PNG files", where=str(path), advice="a folder a class: 0/a.png, 1/b.png")
    pixels = read_files([file for file, _ in files], where=str(path))
    return Table(pixels, np.array([label for _, label in files], np.int64), WHITE)


def read_files(files: Sequence[Path], *, where: str) -> np.ndarray:
    """The images of PNG files, one or more, of one size: pixels [n, 1 or 3, height, width] from 0 to 255."""
    found: list[np.ndarray] = []
    size = 0
    for file in files:
        pixels = _pixels(file)
        if found and pixels.shape != found[0].shape:
            raise InputError("this image has another size or other channels than the first", where=str(file))
        found.append(pixels)
        size += pixels.nbytes
        if size > MAX_BYTES:
            raise InputError("its images have more than 2 GiB", where=where, advice="give a part of them")
    return np.stack(found)


def _files(path: Path) -> list[tuple[Path, int]]:
    try:
        folders = sorted((f for f in path.iterdir() if f.is_dir() and f.name.isdecimal()), key=lambda f: int(f.name))
        return [
            (file, min(int(folder.name), 2**62))
            for folder in folders
            for file in sorted(folder.iterdir())
            if file.suffix.lower() == ".png"
        ]
    except (OSError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise InputError(f"cannot be read ({error})", where=str(path)) from None


def _pixels(path: Path) -> np.ndarray:
    """Numbers from 0 to 255: [1 or 3, height, width]."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise InputError(
            "PNG files need pillow", where=str(path), advice="pip install 'acasxu-engine[images]'"
        ) from None
    try:
        with open(path, "rb", opener=regular) as stream, Image.open(stream, formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"it has {image.width} x {image.height} pixels", where=str(path), advice="make it smaller"
                )
            return _decoded(image, path)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"this is no PNG image ({error})", where=str(path)) from None


def _decoded(image: "Image.Image", path: Path) -> np.ndarray:
    if "A" in image.getbands() and image.getchannel("A").getextrema() != (255, 255):
        raise InputError("it has transparent pixels", where=str(path), advice="put it on a ground first")
    if image.mode.startswith("I"):  # 16 bits, which pillow would cut off at 255
        return np.asarray(image, np.float32)[None] / np.float32(257)
    pixels = np.asarray(image.convert("L" if image.mode in GREY else "RGB"))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
