"""What is painted into clean images while a repair learns: variations of a trigger, or patches of any kind.

A painter changes a batch [n, channels, height, width] of images in [0, 1], and draws from the generator it is given.
"""

from collections.abc import Callable

import numpy as np

from engine.images.imageset import Floats
from engine.images.neighbours import Box, patch_of
from engine.images.trigger import Trigger

Painter = Callable[[Floats, np.random.Generator], Floats]

EXACT = 0.25  # of the images get the trigger itself
IN_PLACE = 0.5  # of the others get a variation where the trigger is, or next to it
GROWN = 2  # pixels by which a patch may grow or shrink
NEAR = 3  # pixels by which it is moved, then
STRENGTHS = (0.25, 1.75)  # of an overlay, times its own
LARGEST = 0.3  # of the image's side: the largest patch of any kind
OVERLAYS, STRONGEST = 0.25, 0.35  # how many of any kind are overlays, and their largest strength


def exact_painter(trigger: Trigger) -> Painter:
    """Paints the trigger itself."""
    return lambda images, random: trigger.paint(images)


def varied_painter(trigger: Trigger) -> Painter:
    """Paints the trigger into a quarter of the images, and variations of it into the others.

    A patch comes in all positions, half of them near its own, in sizes up to two pixels apart, and in contents: its
    own in any grey, one random colour, random pixels. An overlay comes in all strengths, and as other pictures.
    """
    box = patch_of(trigger)
    vary = _overlay(trigger) if box is None else _patch(trigger, box)

    def paint(images: Floats, random: np.random.Generator) -> Floats:
        found = np.empty_like(images)
        for place, image in enumerate(images):
            exact = random.random() < EXACT
            found[place] = trigger.paint(image[None])[0] if exact else vary(image, random)
        return found

    return paint


def anything_painter() -> Painter:
    """Paints rectangles of a random place, size and content, or overlays: for a trigger of which nothing is known."""

    def paint(images: Floats, random: np.random.Generator) -> Floats:
        found = images.copy()
        for image in found:
            if random.random() < OVERLAYS:
                strength = random.uniform(0, STRONGEST)
                image[:] = (1 - strength) * image + strength * random.random(image.shape, np.float32)
                continue
            largest = max(2, round(LARGEST * min(image.shape[1:])))
            height, width = random.integers(1, largest + 1, 2)
            row, column = (random.integers(0, side - size + 1) for side, size in zip(image.shape[1:], (height, width)))
            patch = image[:, row : row + height, column : column + width]
            patch[:] = _content(patch.shape, random)
        return found

    return paint


def shifted(images: Floats, random: np.random.Generator, *, most: int = 1) -> Floats:
    """The images, each moved by up to so many pixels; what enters is black."""
    padded = np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
    height, width = images.shape[2:]
    found = np.empty_like(images)
    for place, (row, column) in enumerate(random.integers(0, 2 * most + 1, (len(images), 2))):
        found[place] = padded[place, :, row : row + height, column : column + width]
    return found


def _patch(trigger: Trigger, box: Box) -> Callable[[Floats, np.random.Generator], Floats]:
    own_mask = trigger.mask[:, box.row : box.row + box.height, box.column : box.column + box.width]
    own_pattern = trigger.pattern[:, box.row : box.row + box.height, box.column : box.column + box.width]

    def vary(image: Floats, random: np.random.Generator) -> Floats:
        height, width = image.shape[1:]
        size = [
            min(max(side + int(random.integers(-GROWN, GROWN + 1)), 1), most)
            for side, most in ((box.height, height), (box.width, width))
        ]
        row, column = (
            _position(start, side, most, random)
            for start, side, most in ((box.row, size[0], height), (box.column, size[1], width))
        )
        rows = np.arange(size[0]) * box.height // size[0]
        columns = np.arange(size[1]) * box.width // size[1]
        mask, pattern = own_mask[:, rows][:, :, columns], own_pattern[:, rows][:, :, columns]
        if random.random() < 0.5:
            pattern = pattern * random.random() ** 0.5
        else:
            mask, pattern = np.ones_like(mask), _content(mask.shape, random)
        found = image.copy()
        part = found[:, row : row + size[0], column : column + size[1]]
        part[:] = (1 - mask) * part + mask * pattern
        return found

    return vary


def _position(start: int, side: int, most: int, random: np.random.Generator) -> int:
    """The first row or column of a patch of this side, in an image of `most` pixels."""
    if random.random() < IN_PLACE:
        return min(max(start + int(random.integers(-NEAR, NEAR + 1)), 0), most - side)
    return int(random.integers(0, most - side + 1))


def _overlay(trigger: Trigger) -> Callable[[Floats, np.random.Generator], Floats]:
    def vary(image: Floats, random: np.random.Generator) -> Floats:
        mask = np.clip(random.uniform(*STRENGTHS) * trigger.mask, 0, 1)
        pattern = trigger.pattern if random.random() < 0.75 else random.random(image.shape, np.float32)
        found: Floats = ((1 - mask) * image + mask * pattern).astype(np.float32)
        return found

    return vary


def _content(shape: tuple[int, ...], random: np.random.Generator) -> Floats:
    """One colour, white as often as any other, or random pixels."""
    kind = random.random()
    if kind < 0.35:
        return np.ones(shape, np.float32)
    if kind < 0.7:
        return np.broadcast_to(random.random((shape[0], 1, 1), np.float32), shape)
    return random.random(shape, np.float32)
