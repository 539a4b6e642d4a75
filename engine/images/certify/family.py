"""A family of triggers: where a patch lies in an image, and what may stand in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.errors import InputError
from engine.images.imageset import Scaling
from engine.images.trigger import MARGIN

WHOLE = "all"
PATCH = re.compile(r"([0-9]{1,6})x([0-9]{1,6})@(all|corner|([0-9]{1,6}),([0-9]{1,6}))")
SHARE = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?|\.[0-9]{1,20}|[0-9]{1,9}/[0-9]{1,9}")
BOX = re.compile(rf"box:({SHARE.pattern})")
PATCH_ADVICE = "say HEIGHTxWIDTH@ROW,COLUMN, HEIGHTxWIDTH@corner, HEIGHTxWIDTH@all, or all for the whole image"
Position = tuple[int, int]
Booleans = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of pixels, of all channels; positions: rows and columns of its upper left pixel, ascending."""

    height: int
    width: int
    positions: tuple[Position, ...]

    def mask(self, position: int, shape: tuple[int, int, int]) -> Booleans:
        """True within the patch at the position of this number: [channels, height, width]."""
        row, column = self.positions[position]
        found = np.zeros(shape, bool)
        found[:, row : row + self.height, column : column + self.width] = True
        return found

    @property
    def text(self) -> str:
        """In words."""
        row, column = self.positions[0]
        many = len(self.positions) > 1
        return f"{self.height} x {self.width} at " + (
            f"{len(self.positions):,} positions" if many else f"{row},{column}"
        )


@dataclass(frozen=True, slots=True)
class Contents:
    """What may stand in a patch, in the network's own numbers: between low and high, and, where `around` is a number,
    at most so far from the image's own value."""

    low: Fraction
    high: Fraction
    around: Fraction | None

    def ends(self, value: Fraction) -> tuple[Fraction, Fraction]:
        """The least and the largest value in place of this one."""
        if self.around is None:
            return self.low, self.high
        return max(self.low, value - self.around), min(self.high, value + self.around)

    @property
    def share(self) -> Fraction | None:
        """`around` as a share of the range from black to white."""
        return self.around and self.around / (self.high - self.low)

    @property
    def text(self) -> str:
        """In words."""
        share = self.share
        return "any contents" if share is None else f"contents within {float(share):g} of the image's own"


def read_patch(text: str, shape: tuple[int, int, int], *, option: str = "--patch") -> Patch:
    """The patch that an option says, in images [channels, height, width]."""
    _, rows, columns = shape
    if text == WHOLE:
        return Patch(rows, columns, ((0, 0),))
    found = PATCH.fullmatch(text)
    if not found:
        raise InputError("this is no patch", where=f"{option} {text}", advice=PATCH_ADVICE)
    height, width = int(found[1]), int(found[2])
    if not (0 < height <= rows and 0 < width <= columns):
        raise InputError(
            f"a patch of {height} x {width} does not lie within an image of {rows} x {columns}",
            where=f"{option} {text}",
            advice="make it smaller, but 1 x 1 at least",
        )
    places = _positions(found, height, width, shape)
    outside = [(r, c) for r, c in places if not (0 <= r <= rows - height and 0 <= c <= columns - width)]
    if outside:
        raise InputError(
            f"it does not lie within an image of {rows} x {columns} at row {outside[0][0]}, column {outside[0][1]}",
            where=f"{option} {text}",
            advice=f"rows are 0 to {rows - height}, columns 0 to {columns - width}",
        )
    return Patch(height, width, tuple(places))


def _positions(found: "re.Match[str]", height: int, width: int, shape: tuple[int, int, int]) -> Sequence[Position]:
    _, rows, columns = shape
    if found[3] == "all":
        return [(row, column) for row in range(rows - height + 1) for column in range(columns - width + 1)]
    if found[3] == "corner":  # as `square` in trigger.py has it
        return [(rows - height - MARGIN, columns - width - MARGIN)]
    return [(int(found[4]), int(found[5]))]


def read_contents(text: str, scaling: Scaling) -> Contents:
    """The contents that an option says: `any`, or `box:EPS`, EPS being a share of the range from black to white."""
    low, high = map(Fraction, scaling.ends)
    if text == "any":
        return Contents(low, high, None)
    found = BOX.fullmatch(text)
    try:
        share = Fraction(found[1]) if found else None
    except ZeroDivisionError:
        share = None
    if share is None:
        raise InputError(
            "these are no contents",
            where=f"--contents {text}",
            advice="say any, or box:EPS such as box:0.03; without a patch blend:MAX, brightness:EPS or contrast:EPS",
        )
    if not 0 < share <= 1:
        raise InputError(
            "EPS is not above 0 and at most 1, as black is 0 and white is 1",
            where=f"--contents {text}",
            advice="say box:0.03 or box:8/255; any, where all is allowed",
        )
    return Contents(low, high, share * (high - low))
