"""Data files -> Images: IDX files of images and of labels, or one CSV file (section 13, "Data").

A file that breaks a rule is Malformed, in one line that names it.
"""

from hashlib import sha256
from math import isqrt
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.audit.data import FilePath
from engine.audit.failures import need
from engine.audit.files import read_bytes

Bytes: TypeAlias = npt.NDArray[np.uint8]

MAX_BYTES = 1 << 30  # of a data file
IMAGES, LABELS = b"\0\0\10\3", b"\0\0\10\1"  # how IDX files of three dimensions and of one begin
WORD = 4  # bytes
BYTES = {str(value).encode(): value for value in range(256)}  # as CSV files mostly write them


class Images(NamedTuple):
    """Images of one channel, height x width pixels each, in row-major order.

    pixels [images, height * width]; labels [images]. The hashes are of the decompressed files.
    """

    pixels: Bytes
    labels: Bytes
    height: int
    width: int
    images_sha256: str
    labels_sha256: str


def read_images(images: FilePath, labels: "FilePath | None") -> Images:
    """The images in two IDX files, or in a CSV file where there is no file of labels."""
    data = read_bytes(images, MAX_BYTES)
    digest = sha256(data).hexdigest()
    if labels is None:
        pixels, classes = _read_csv(data, str(images))
        size = isqrt(pixels.shape[1])
        return Images(pixels, classes, size, size, digest, digest)
    (count, height, width), pixels = _read_idx(data, IMAGES, 3, str(images))
    need(count and height and width, f"{images}: there are no images, or empty ones")
    data = read_bytes(labels, MAX_BYTES)
    (labelled,), classes = _read_idx(data, LABELS, 1, str(labels))
    need(count == labelled, f"{labels}: {labelled:,} labels do not fit {count:,} images")
    pixels = pixels.reshape(count, height * width)
    return Images(pixels, classes, height, width, digest, sha256(data).hexdigest())


def _read_idx(data: bytes, begin: bytes, count: int, path: str) -> tuple[list[int], Bytes]:
    """So many sizes, and the bytes behind them: as many as their product says."""
    need(data[:WORD] == begin, f"{path}: it does not begin as an IDX file of {count} sizes does")
    body = WORD * (1 + count)
    need(len(data) >= body, f"{path}: it ends before its sizes do")
    sizes = [int.from_bytes(data[i : i + WORD], "big") for i in range(WORD, body, WORD)]
    total = 1
    for size in sizes:
        total *= size
    found = len(data) - body
    need(found == total, f"{path}: {found:,} bytes follow its sizes, which say {total:,}")
    return sizes, np.frombuffer(data, np.uint8, offset=body)


def _read_csv(data: bytes, path: str) -> tuple[Bytes, Bytes]:
    """The pixels of each line, and its label."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()  # the end of the last line
    need(lines, f"{path}: it has no lines")
    rows = [_numbers(line, f"{path}, line {i}") for i, line in enumerate(lines, 1)]
    count = len(rows[0])
    is_square = count > 1 and isqrt(count - 1) ** 2 == count - 1
    need(is_square, f"{path}, line 1: {count:,} numbers are no square image and its label")
    for i, row in enumerate(rows, 1):
        need(len(row) == count, f"{path}, line {i}: {len(row):,} numbers, line 1 has {count:,}")
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, count)
    return table[:, :-1], table[:, -1]


def _numbers(line: bytes, where: str) -> bytes:
    """The numbers of a line, each a byte."""
    fields = line.rstrip(b"\r").split(b",")
    try:
        return bytes(map(BYTES.__getitem__, fields))
    except KeyError:  # zeros before a number, or none
        good = all(map(bytes.isdigit, fields))
        need(good, f"{where}: it is not of digits, with commas between two numbers")
        short = [field.lstrip(b"0") or b"0" for field in fields]
        need(all(field in BYTES for field in short), f"{where}: a number is above 255")
        return bytes(map(BYTES.__getitem__, short))
