"""Files of images -> ImageSet: IDX and CSV, plain or gzip, folders of PNG, .npz.

Pixels are divided by the white of the format: 255 for bytes, what the caller says for other numbers.
"""

import csv
import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.files import regular
from engine.images.imageset import Floats, ImageSet, Integers

MAX_BYTES = 2 * 2**30
IDX_BYTES = 0x08  # the type of unsigned bytes in an IDX header (LeCun, the MNIST page)


def read_images(
    path: Path, *, labels: Path | None = None, classes: int | None = None, white: float | None = None
) -> ImageSet:
    """The images in a file or folder, told apart by name; labels: the other file of an IDX pair.

    classes: of the set, one more than its largest label where None; white: the value of a white pixel, where the
    format does not say it. InputError where something is wrong with the file.
    """
    name = path.name.removesuffix(".gz")
    if path.is_dir():
        images, found = _folder(path)
    elif name.endswith(".npz"):
        images, found = _npz(path, white)
    elif name.endswith(".csv"):
        images, found = _csv(path, white)
    elif "idx3" in name:
        images, found = _idx_pair(path, labels)
    else:
        raise InputError(
            "the kind of file is not known",
            where=str(path),
            advice="give .npz, .csv, IDX (…idx3-ubyte), each also .gz, or a folder with a folder of PNG files a class",
        )
    return ImageSet(images, found, classes or int(found.max(initial=0)) + 1, name=path.name)


def _content(path: Path) -> bytes:
    """The file's content, unpacked where its name ends in .gz, and no more than MAX_BYTES."""
    try:
        with open(path, "rb", opener=regular) as file:
            if path.suffix == ".gz":
                with gzip.open(file) as packed:
                    data = packed.read(MAX_BYTES + 1)
            else:
                data = file.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"this is no whole gzip file ({error})", where=str(path), advice="fetch it again") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    if len(data) > MAX_BYTES:
        raise InputError("it holds more than 2 GiB", where=str(path), advice="give a part of it")
    return data


# IDX


def _idx_pair(path: Path, labels: Path | None) -> tuple[Floats, Integers]:
    images = _idx(path, dimensions=3)
    found = _idx(labels or _labels_beside(path), dimensions=1)
    if len(images) != len(found):
        raise InputError(
            f"{len(images)} images and {len(found)} labels", where=str(path), advice="give both of one set"
        )
    return _scaled(images[:, None], 255.0, path), found.astype(np.int64)


def _labels_beside(path: Path) -> Path:
    """The labels of train-images-idx3-ubyte are in train-labels-idx1-ubyte."""
    return path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))


def _idx(path: Path, *, dimensions: int) -> np.ndarray:
    """The bytes of an IDX file, in its shape."""
    data, header = _content(path), 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, IDX_BYTES, dimensions)):
        raise InputError(f"this is no IDX file of bytes in {dimensions} dimensions", where=str(path))
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    size = int(np.prod(shape, dtype=object))
    if len(data) - header != size:
        raise InputError(
            f"its header speaks of {size} bytes, and {len(data) - header} follow",
            where=str(path),
            advice="fetch it again",
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


# CSV


def _csv(path: Path, white: float | None) -> tuple[Floats, Integers]:
    """A square grey image a line: its pixels, 0 to 255 unless `white` says otherwise, and then its label."""
    try:
        rows = [row for row in csv.reader(io.StringIO(_content(path).decode("ascii"))) if row]
    except (UnicodeDecodeError, csv.Error):
        raise InputError("this is no CSV file of numbers", where=str(path)) from None
    width = len(rows[0]) if rows else 0
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise InputError(f"{len(row)} values, the first line has {width}", where=f"{path}:{number}")
    try:
        values = np.array(rows, np.float64)
    except ValueError:
        raise InputError(
            "a value is no number", where=str(path), advice="give pixels, then the label, and no header"
        ) from None
    side = round((width - 1) ** 0.5) if width else 0
    if not side or side * side != width - 1:
        raise InputError(f"{width - 1} pixels are no square image", where=str(path), advice="use .npz for other shapes")
    labels = values[:, -1]
    if not (labels == np.floor(labels)).all():
        raise InputError("a label is no whole number", where=str(path), advice="labels are the last column")
    return _scaled(values[:, :-1].reshape(-1, 1, side, side), white or 255.0, path), labels.astype(np.int64)


# .npz


def _npz(path: Path, white: float | None) -> tuple[Floats, Integers]:
    """Arrays `images`, [n, C, H, W] or [n, H, W], and `labels` [n]. Numbers other than bytes need `white`."""
    try:
        with np.load(io.BytesIO(_content(path)), allow_pickle=False) as file:
            images, labels = np.asarray(file["images"]), np.asarray(file["labels"])
    except KeyError as error:
        raise InputError(f"there is no array {error}", where=str(path), advice="name them images and labels") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"this is no .npz file ({error})", where=str(path)) from None
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"images {list(images.shape)} and labels {list(labels.shape)} of type {labels.dtype}",
            where=str(path),
            advice="images are [n, C, H, W] or [n, H, W], labels whole numbers [n]",
        )
    if images.dtype == np.uint8:
        white = 255.0
    if white is None:
        raise InputError(
            f"how pixels of type {images.dtype} are written is not known",
            where=str(path),
            advice="say the value of white",
        )
    return _scaled(images, white, path), labels.astype(np.int64)


# PNG


def _folder(path: Path) -> tuple[Floats, Integers]:
    """A folder a class, named by its number, with PNG files of one size in it, in the order of their names."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError:
        raise InputError(
            "PNG files need pillow", where=str(path), advice="pip install 'acasxu-engine[images]'"
        ) from None
    folders = sorted((f for f in path.iterdir() if f.is_dir() and f.name.isdecimal()), key=lambda f: int(f.name))
    found: list[tuple[np.ndarray, int]] = []
    for folder in folders:
        for file in sorted(folder.glob("*.png")):
            try:
                with open(file, "rb", opener=regular) as stream, Image.open(stream) as image:
                    pixels = np.asarray(image.convert("L" if image.mode in ("1", "L", "LA", "I;16") else "RGB"))
            except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
                raise InputError(f"this is no PNG image ({error})", where=str(file)) from None
            found.append((pixels, int(folder.name)))
            if pixels.shape != found[0][0].shape:
                raise InputError("this image has another size or other channels than the first", where=str(file))
    if not found:
        raise InputError("there are no PNG files", where=str(path), advice="a folder a class: 0/a.png, 1/b.png")
    images = np.stack([pixels for pixels, _ in found])
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return _scaled(images, 255.0, path), np.array([label for _, label in found], np.int64)


def _scaled(values: np.ndarray, white: float, path: Path) -> Floats:
    if not white > 0:
        raise InputError(f"white is {white}", where=str(path), advice="white is a number above 0")
    return (values / np.float64(white)).astype(np.float32)
