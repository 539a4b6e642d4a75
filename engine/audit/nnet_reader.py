"""`.nnet` file -> Network, without its normalization; numbers are the nearest float64 ones.

Section 3 of the format says what the lines of a file mean.
"""

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256

import numpy as np

from engine.audit.data import End, FilePath, Floats, Layer, Network
from engine.audit.failures import Malformed, need
from engine.audit.files import read_bytes

MAX_BYTES = 512 << 20
MAX_LENGTH = 1_200  # characters of a number
LEAST_NUMBER = 2.0**-1022  # from here on, the nearest number is within 2^-53 of it, relatively
OBSTACLE = "a .nnet file does not say how it is executed"
COUNT = re.compile(rb"[0-9]{1,9}")
NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
SPACES = b" \t\r"

Row = list[bytes]  # the texts between the commas of a line


def read_nnet(path: FilePath) -> Network:
    """The network in a `.nnet` or `.nnet.gz` file. Malformed where it is not one."""
    data = read_bytes(path, MAX_BYTES)
    try:
        layers, rounded = _network(_rows(data))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from None
    ends = End("", (layers[0].weight.shape[1],)), End("", (len(layers[-1].bias),))
    return Network(layers, sha256(data).hexdigest(), OBSTACLE, rounded, ends)


def _network(rows: Iterator[Row]) -> tuple[tuple[Layer, ...], bool]:
    """The layers, and whether the network is rounded."""
    widths = _widths(rows)
    _check_normalization(rows, widths[0])
    layers, rounded = [], False
    for number, (inputs, outputs) in enumerate(zip(widths, widths[1:]), start=1):
        weight, near_weight = _matrix(rows, outputs, inputs)
        bias, near_bias = _matrix(rows, outputs, 1)
        layers.append(Layer(weight, bias[:, 0], number < len(widths) - 1))
        rounded |= near_weight or near_bias
    need(next(rows, None) is None, "it goes on after its last layer")
    return tuple(layers), rounded


# --- lines ----------------------------------------------------------------------------------------


def _rows(data: bytes) -> Iterator[Row]:
    """The lines after the comments at the start, cut at their commas."""
    lines = iter(data.rstrip(SPACES + b"\n").split(b"\n"))
    is_start = True
    for line in lines:
        is_start = is_start and line.startswith(b"//")
        if not is_start:
            fields = [field.strip(SPACES) for field in line.split(b",")]
            yield fields[:-1] if fields[-1] == b"" else fields


def _row(rows: Iterator[Row], least: int, most: float) -> Row:
    """The next line, of `least` to `most` fields."""
    row = next(rows, None)
    need(row is not None, "it ends too early")
    assert row is not None
    need(least <= len(row) <= most, f"a line of it has {len(row)} numbers where {least} are needed")
    return row


def _widths(rows: Iterator[Row]) -> list[int]:
    """The width of the input and of each layer."""
    layers, inputs, outputs, largest = map(_count, _row(rows, 4, 4))
    widths = [_count(text) for text in _row(rows, layers + 1, layers + 1)]
    fits = widths[0] == inputs and widths[-1] == outputs and max(widths) <= largest
    need(fits, "its layer sizes do not fit each other")
    return widths


def _check_normalization(rows: Iterator[Row], inputs: int) -> None:
    """The flag, and four lines of which the layers hold nothing."""
    need(_row(rows, 1, 1) == [b"0"], "its flag is not 0")
    low, high = (_exact(_row(rows, inputs, math.inf))[:inputs] for _ in range(2))
    need(all(a <= b for a, b in zip(low, high, strict=True)), "a minimum is above its maximum")
    _exact(_row(rows, inputs + 1, math.inf))
    ranges = _exact(_row(rows, inputs + 1, math.inf))
    need(min(*ranges[:inputs], ranges[-1]) > 0, "a range is not positive")


# --- numbers --------------------------------------------------------------------------------------


def _count(text: bytes) -> int:
    number = int(text) if COUNT.fullmatch(text) else 0
    need(number > 0, "a size of it is no whole number of at least 1")
    return number


def _exact(texts: Row) -> list[Fraction]:
    for text in texts:
        need(len(text) <= MAX_LENGTH and NUMBER.fullmatch(text), "a number of it is no decimal")
    return [Fraction(Decimal(text.decode())) for text in texts]


def _matrix(rows: Iterator[Row], height: int, width: int) -> tuple[Floats, bool]:
    """The float64 numbers nearest to those of the next lines, and whether one is not exact."""
    found, is_rounded = [], False
    for _ in range(height):
        texts = _row(rows, width, width)
        for text, exact in zip(texts, _exact(texts), strict=True):
            nearest = float(text)
            need(math.isfinite(nearest), "a number of it is too large for float64")
            is_same = Fraction(nearest) == exact
            need(is_same or abs(nearest) >= LEAST_NUMBER, "a number of it is too small for float64")
            found.append(nearest)
            is_rounded |= not is_same
    return np.array(found).reshape(height, width), is_rounded
