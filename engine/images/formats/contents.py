"""What the readers of images share: the bytes of a file, bounded, and pixels as a file writes them."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.files import regular

MAX_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Pixels [n, channels, height, width] as a file writes them, black being 0, and whole numbers as labels [n].

    white: the value of a white pixel. classes: their number, where the file says it.
    """

    pixels: np.ndarray
    labels: np.ndarray
    white: float
    classes: int | None = None


def content(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """The file's content, unpacked where its name ends in .gz; InputError where it has more bytes than the limit."""
    try:
        with open(path, "rb", opener=regular) as file:
            if path.suffix == ".gz":
                with gzip.open(file) as packed:
                    data = packed.read(limit + 1)
            else:
                data = file.read(limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"this is no whole gzip file ({error})", where=str(path), advice="fetch it again") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    if len(data) > limit:
        raise InputError(f"it holds more than {limit >> 20} MiB", where=str(path), advice="give a part of it")
    return data
