"""CSV: a square grey image a line, its pixels and then its label, without a header."""

import io
import warnings
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.formats.contents import Table, content

MAX_BYTES = 2**29  # of text: its numbers take up to four times as much


def read_csv(path: Path, white: float | None = None) -> Table:
    """Pixels are 0 to 255 unless `white` says otherwise."""
    values = _numbers(path)
    pixels = values.shape[1] - 1
    side = round(max(pixels, 0) ** 0.5)
    if len(values) and (side < 1 or side * side != pixels):
        raise InputError(f"{pixels} pixels are no square image", where=str(path), advice="use .npz for other shapes")
    labels = values[:, -1]
    if not (np.isfinite(labels) & (labels == np.floor(labels)) & (np.abs(labels) < 2**53)).all():
        raise InputError("a label is no whole number", where=str(path), advice="labels are the last column")
    images = values[:, :-1].reshape(len(values), 1, side, side)
    return Table(images, labels.astype(np.int64), 255.0 if white is None else white)


def _numbers(path: Path) -> np.ndarray:
    data = content(path, limit=MAX_BYTES)
    try:
        text = data.decode("ascii")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that nothing is there is said by the caller
            return np.loadtxt(io.StringIO(text), delimiter=",", comments=None, ndmin=2)
    except UnicodeDecodeError:
        raise InputError("this is no CSV file of numbers", where=str(path)) from None
    except ValueError as error:
        advice = "give pixels, then the label, in each line, and no header"
        raise InputError(f"not every line is as many numbers ({error})", where=str(path), advice=advice) from None
