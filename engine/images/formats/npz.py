"""Images and labels in NumPy's .npz, read without trusting the file: no pickles, and no more memory than it has bytes.

numpy.load reserves what an array's header claims, and unpacks whatever a zip file holds. Here both are
compared with the bytes that are there before anything is made of them.
"""

import io
import zipfile
import zlib
from math import prod

import numpy as np

from engine.errors import InputError
from engine.images.formats.contents import MAX_BYTES, Table
from engine.images.imageset import ImageSet

NAMES = ("images", "labels", "white", "classes")


def read_npz(data: bytes, white: float | None = None, *, where: str) -> Table:
    """Arrays `images`, [n, C, H, W] or [n, H, W], and `labels` [n]; `white` and `classes`, one number each, if there.

    Pixels that are no bytes need `white`, from the file or from the caller, whose word counts.
    """
    arrays = read_arrays(data, NAMES, where=where)
    for name in ("images", "labels"):
        if name not in arrays:
            raise InputError(f"there is no array {name!r}", where=where, advice="name them images and labels")
    images, white = _pixels(arrays, white, where)
    labels = arrays["labels"]
    if labels.shape != images.shape[:1] or not _whole(labels):
        raise InputError(
            f"images {list(images.shape)} of type {images.dtype}, labels {list(labels.shape)} of type {labels.dtype}",
            where=where,
            advice="images are [n, C, H, W] or [n, H, W], labels whole numbers [n]",
        )
    classes = int(_number(arrays["classes"], "classes", where)) if "classes" in arrays else None
    return Table(images, labels, white, classes)


def read_unlabelled_npz(data: bytes, white: float | None = None, *, where: str) -> tuple[np.ndarray, float] | None:
    """The pixels [n, C, H, W] of a file without labels, and the value of a white one; None where it has labels."""
    arrays = read_arrays(data, NAMES, where=where)
    if "labels" in arrays:
        return None
    if "images" not in arrays:
        raise InputError("there is no array 'images'", where=where, advice="name it images")
    return _pixels(arrays, white, where)


def _pixels(arrays: dict[str, np.ndarray], white: float | None, where: str) -> tuple[np.ndarray, float]:
    """The images as [n, C, H, W], and the value of a white pixel: the caller's, the file's, or that of bytes."""
    images = arrays["images"]
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.dtype.kind not in "buif":
        raise InputError(
            f"images {list(images.shape)} of type {images.dtype}",
            where=where,
            advice="images are numbers [n, C, H, W] or [n, H, W]",
        )
    if white is None and "white" in arrays:
        white = _number(arrays["white"], "white", where)
    if white is None and images.dtype == np.uint8:
        white = 255.0
    if white is None:
        what = f"how pixels of type {images.dtype} are written is not known"
        raise InputError(what, where=where, advice="say the value of white with --white")
    return images, white


def npz_bytes(images: ImageSet) -> bytes:
    """The set as an .npz file that says all of itself; the same set gives the same bytes."""
    return write_arrays(
        images=images.images, labels=images.labels, white=np.float32(1), classes=np.int64(images.classes)
    )


def write_arrays(**arrays: np.ndarray | np.generic) -> bytes:
    """An .npz file of these arrays. numpy.savez would put the time into it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            held = io.BytesIO()
            np.lib.format.write_array(held, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), held.getvalue(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def read_arrays(data: bytes, names: tuple[str, ...], *, where: str) -> dict[str, np.ndarray]:
    """Those of the named arrays that the .npz file holds; InputError where it is no sound file of plain numbers."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.getinfo(f"{name}.npy") for name in names if f"{name}.npy" in archive.namelist()}
            if sum(member.file_size for member in members.values()) > MAX_BYTES:
                raise InputError("its arrays have more than 2 GiB", where=where, advice="give a part of them")
            return {name: _array(archive.read(member)) for name, member in members.items()}
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        why = str(error) or type(error).__name__
        raise InputError(f"this is no .npz file of plain numbers ({why})", where=where) from None


def _array(data: bytes) -> np.ndarray:
    """The array of an .npy file; ValueError where its header and its bytes do not agree."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject or dtype.kind not in "buif":
        raise ValueError(f"an array holds {dtype}")
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise ValueError(f"an array's header says {list(shape)} of {dtype}, and {len(data) - file.tell()} bytes follow")
    flat = np.frombuffer(data, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _whole(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "iu" and (not len(labels) or int(labels.max()) < 2**63)


def _number(array: np.ndarray, name: str, where: str) -> float:
    if array.size != 1:
        raise InputError(f"array {name!r} is no single number", where=where)
    return float(array.reshape(()))
