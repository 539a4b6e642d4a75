"""IDX, the format of MNIST and Fashion-MNIST: bytes after a header with their shape (LeCun, the MNIST page)."""

import struct
from math import prod
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.formats.contents import Table, content

UNSIGNED_BYTES = 0x08


def read_idx(path: Path, labels: Path | None = None) -> Table:
    """Grey images [n, 1, height, width], and the labels from `labels`, by default the file beside it."""
    images = _idx(path, dimensions=3)
    found = _idx(labels or labels_beside(path), dimensions=1)
    if len(images) != len(found):
        raise InputError(
            f"{len(images)} images and {len(found)} labels", where=str(path), advice="give both of one set"
        )
    return Table(images[:, None], found, 255.0)


def labels_beside(path: Path) -> Path:
    """The labels of train-images-idx3-ubyte are in train-labels-idx1-ubyte."""
    return path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))


def _idx(path: Path, *, dimensions: int) -> np.ndarray:
    """The bytes of an IDX file, in its shape."""
    data, header = content(path), 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, UNSIGNED_BYTES, dimensions)):
        raise InputError(f"this is no IDX file of bytes in {dimensions} dimensions", where=str(path))
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    if len(data) - header != prod(shape):
        raise InputError(
            f"its header speaks of {prod(shape)} bytes, and {len(data) - header} follow",
            where=str(path),
            advice="fetch it again",
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
