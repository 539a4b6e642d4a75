"""Neighbours of a trigger: the same patch elsewhere, larger, smaller or in another grey; the same overlay at another
strength. A repair that unlearned one trigger by heart leaves them alive."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.images.trigger import Trigger

PAINTED = 0.25  # of the mask's largest value: pixels above it belong to the patch
PATCH = 0.5  # of the image: what spans more is an overlay
STEPS = (1, 2, 4)  # pixels
GREYS = (0.5, 0.75)
STRENGTHS = (0.5, 0.75, 1.25, 1.5)
EDGE = 1  # pixels between a moved patch and the edges


@dataclass(frozen=True, slots=True)
class Box:
    """The rectangle of a patch: its upper left pixel, and its size."""

    row: int
    column: int
    height: int
    width: int


def patch_of(trigger: Trigger) -> Box | None:
    """The smallest rectangle around the painted pixels; None where it spans more than half of the image."""
    mask = trigger.mask.max(0)
    rows, columns = np.nonzero(mask > PAINTED * mask.max())
    if not len(rows):
        return None
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    if height * width > PATCH * mask.size:
        return None
    return Box(int(rows.min()), int(columns.min()), height, width)


def neighbours(trigger: Trigger) -> tuple[Trigger, ...]:
    """Triggers near this one, itself excluded, each with its difference as name.

    A patch is moved by some pixels in eight directions, as far as it stays in the image, and to the corners and the
    middle; it grows and shrinks by a pixel; it turns to other greys. An overlay gets other strengths.
    """
    box = patch_of(trigger)
    if box is None:
        return tuple(strength(trigger, factor) for factor in STRENGTHS if factor * trigger.mask.max() <= 1)
    return (*_moved(trigger, box), *_elsewhere(trigger, box), *_resized(trigger, box), *_greys(trigger))


def strength(trigger: Trigger, factor: float) -> Trigger:
    """The overlay with its mask multiplied."""
    mask = np.clip(factor * trigger.mask, 0, 1).astype(np.float32)
    return Trigger(mask, trigger.pattern, f"strength x {factor:g}")


def grey(trigger: Trigger, factor: float) -> Trigger:
    """The trigger with its pattern darkened."""
    return Trigger(trigger.mask, (factor * trigger.pattern).astype(np.float32), f"grey x {factor:g}")


def placed(trigger: Trigger, box: Box, size: tuple[int, int], at: tuple[int, int], name: str) -> Trigger:
    """The patch in `box`, stretched to `size` by nearest pixels, with its upper left pixel at `at`."""
    rows = box.row + np.arange(size[0]) * box.height // size[0]
    columns = box.column + np.arange(size[1]) * box.width // size[1]
    parts = []
    for part in (trigger.mask, trigger.pattern):
        fresh = np.zeros_like(part)
        fresh[:, at[0] : at[0] + size[0], at[1] : at[1] + size[1]] = part[:, rows][:, :, columns]
        parts.append(fresh)
    return Trigger(parts[0], parts[1], name)


def _moved(trigger: Trigger, box: Box) -> Iterator[Trigger]:
    for step in STEPS:
        for down, down_name in ((-step, f"{step} up"), (0, ""), (step, f"{step} down")):
            for right, right_name in ((-step, f"{step} left"), (0, ""), (step, f"{step} right")):
                at = (box.row + down, box.column + right)
                if (down or right) and _inside(trigger, box, at):
                    name = "moved " + ", ".join(filter(None, (down_name, right_name)))
                    yield placed(trigger, box, (box.height, box.width), at, name)


def _inside(trigger: Trigger, box: Box, at: tuple[int, int]) -> bool:
    _, height, width = trigger.mask.shape
    return 0 <= at[0] <= height - box.height and 0 <= at[1] <= width - box.width


def _elsewhere(trigger: Trigger, box: Box) -> Iterator[Trigger]:
    _, height, width = trigger.mask.shape
    low, right = max(height - box.height - EDGE, 0), max(width - box.width - EDGE, 0)
    top, left = min(EDGE, low), min(EDGE, right)
    places = {
        "upper left corner": (top, left),
        "upper right corner": (top, right),
        "lower left corner": (low, left),
        "lower right corner": (low, right),
        "middle": ((height - box.height) // 2, (width - box.width) // 2),
    }
    for name, at in places.items():
        if max(abs(at[0] - box.row), abs(at[1] - box.column)) > max(STEPS):  # else it is among the moved ones
            yield placed(trigger, box, (box.height, box.width), at, name)


def _resized(trigger: Trigger, box: Box) -> Iterator[Trigger]:
    """The same lower right pixel, a pixel less and a pixel more of height and width."""
    for step in (-1, 1):
        size = (box.height + step, box.width + step)
        at = (box.row - step, box.column - step)
        if min(size) > 0 and min(at) >= 0:
            yield placed(trigger, box, size, at, f"size {size[0]} x {size[1]}")


def _greys(trigger: Trigger) -> Iterator[Trigger]:
    if trigger.pattern.max() > 0:
        yield from (grey(trigger, factor) for factor in GREYS)
