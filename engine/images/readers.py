"""Files of images -> ImageSet: IDX and CSV, plain or gzip, folders of PNG, .npz.

Pixels are divided by the white of the format: 255 for bytes, for other numbers what the file or the caller says.
"""

from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.formats.contents import Table, content
from engine.images.formats.csv import read_csv
from engine.images.formats.idx import labels_beside, read_idx
from engine.images.formats.npz import read_npz
from engine.images.formats.png import read_folder
from engine.images.imageset import ImageSet, Origin

MAX_CLASSES = 10_000
WHITE_BYTE = 255.0


def read_images(
    path: Path, *, labels: Path | None = None, classes: int | None = None, white: float | None = None
) -> ImageSet:
    """The images in a file or folder, told apart by name; labels: the other file of an IDX pair.

    classes: of the set; what the file says, or else one more than its largest label, where None. white: the value of
    a white pixel, where the format does not say it. InputError where something is wrong with the file.
    """
    table = _table(path, labels, white)
    if not len(table.labels):
        raise InputError("there are no images", where=str(path), advice="give a set with some")
    count = int(table.labels.max()) + 1
    if count > MAX_CLASSES:
        raise InputError(
            f"label {count - 1} is out of range", where=str(path), advice=f"labels are 0 to {MAX_CLASSES - 1} at most"
        )
    if not table.white > 0 or not np.isfinite(table.white):
        raise InputError(f"white is {table.white}", where=str(path), advice="white is a number above 0")
    pixels = table.pixels.astype(np.float32) / np.float32(table.white)
    whole = table.labels.astype(np.int64)
    return ImageSet(
        pixels,
        whole,
        classes or table.classes or count,
        path.name,
        _origin(path, labels, table.white, count=len(whole)),
    )


def _origin(path: Path, labels: Path | None, white: float, *, count: int) -> Origin | None:
    """Where the images stand, if that is a file of IDX or CSV in which white is 255."""
    name, numbers = path.name.removesuffix(".gz"), np.arange(count)
    if path.is_dir() or name.endswith(".npz") or white != WHITE_BYTE:
        return None
    return Origin(path, path if name.endswith(".csv") else labels or labels_beside(path), numbers)


def _table(path: Path, labels: Path | None, white: float | None) -> Table:
    name = path.name.removesuffix(".gz")
    if path.is_dir():
        return read_folder(path)
    if name.endswith(".npz"):
        return read_npz(content(path), white, where=str(path))
    if name.endswith(".csv"):
        return read_csv(path, white)
    if "idx3" in name:
        return read_idx(path, labels)
    raise InputError(
        "the kind of file is not known",
        where=str(path),
        advice="give .npz, .csv, IDX (NAME-images-idx3-ubyte), each also .gz, or a folder with a folder of PNG a class",
    )
