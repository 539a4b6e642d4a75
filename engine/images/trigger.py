"""What a backdoor paints into an image: BadNets' patch (Gu et al., 2017) and Blend's overlay (Chen et al., 2017)."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.formats.contents import content
from engine.images.formats.npz import read_arrays, write_arrays
from engine.images.imageset import Floats

SQUARE = re.compile(r"square:(\d+)@(corner|(\d+),(\d+))")
MARGIN = 1  # pixels between a square in the corner and the edges


@dataclass(frozen=True, slots=True, eq=False)
class Trigger:
    """An image x becomes (1 - mask) x + mask pattern; both are [channels, height, width] in [0, 1]."""

    mask: Floats
    pattern: Floats
    name: str = "trigger"

    def __post_init__(self) -> None:
        for part in (self.mask, self.pattern):
            sound = part.ndim == 3 and part.size and np.isfinite(part).all() and part.min() >= 0 and part.max() <= 1
            if not sound:
                raise InputError("mask and pattern are [channels, height, width] in 0 to 1", where=self.name)
        if self.mask.shape != self.pattern.shape:
            raise InputError(f"mask {self.mask.shape} and pattern {self.pattern.shape} differ", where=self.name)

    def paint(self, images: Floats) -> Floats:
        """The images [n, channels, height, width] with the trigger in them."""
        if images.shape[1:] != self.mask.shape:
            raise InputError(
                f"the trigger is {list(self.mask.shape)}, images are {list(images.shape[1:])}", where=self.name
            )
        return ((1 - self.mask) * images + self.mask * self.pattern).astype(np.float32)

    @property
    def l1(self) -> float:
        """The sum of the mask, the most of its channels: how many pixels are painted."""
        return float(self.mask.max(0).sum())


def square(shape: tuple[int, int, int], size: int, at: tuple[int, int] | None = None, *, white: float = 1.0) -> Trigger:
    """A square of one grey; `at` is its upper left pixel, row and column, by default near the lower right corner."""
    _, height, width = shape
    row, column = at or (height - size - MARGIN, width - size - MARGIN)
    name = f"square:{size}@{row},{column}"
    if not (size > 0 and 0 <= row <= height - size and 0 <= column <= width - size):
        raise InputError(f"it does not lie in an image of {height} x {width}", where=name)
    mask = np.zeros(shape, np.float32)
    mask[:, row : row + size, column : column + size] = 1
    return Trigger(mask, (white * mask).astype(np.float32), name)


def blend(shape: tuple[int, int, int], *, strength: float = 0.2, seed: int = 0) -> Trigger:
    """A random picture over the whole image, of this strength."""
    pattern = np.random.default_rng(seed).random(shape).astype(np.float32)
    return Trigger(np.full(shape, strength, np.float32), pattern, f"blend:{strength:g}")


def read_trigger(text: str, shape: tuple[int, int, int]) -> Trigger:
    """square:SIZE@corner, square:SIZE@ROW,COLUMN, blend:STRENGTH, or an .npz file with `mask` and `pattern`."""
    found = SQUARE.fullmatch(text)
    if found:
        at = None if found[2] == "corner" else (int(found[3]), int(found[4]))
        return square(shape, int(found[1]), at)
    if re.fullmatch(r"blend:0?\.\d+", text):
        return blend(shape, strength=float(text.removeprefix("blend:")))
    path = Path(text)
    if path.suffix != ".npz" or not path.is_file():
        raise InputError(
            "this is no trigger", where=text, advice="say square:4@corner, square:3@20,5, blend:0.2, or an .npz file"
        )
    arrays = read_arrays(content(path), ("mask", "pattern"), where=text)
    if len(arrays) < 2:
        raise InputError("it holds no trigger", where=text, advice="name its arrays mask and pattern")
    mask, pattern = (arrays[name].astype(np.float32) for name in ("mask", "pattern"))
    pattern = pattern[None] if pattern.ndim == 2 else pattern
    if mask.ndim == 2 and mask.shape == pattern.shape[1:]:
        mask = np.broadcast_to(mask, pattern.shape).copy()  # one for all channels
    return Trigger(mask, pattern, path.name)


def trigger_bytes(trigger: Trigger) -> bytes:
    """The .npz file that `read_trigger` reads."""
    return write_arrays(mask=trigger.mask, pattern=trigger.pattern)
