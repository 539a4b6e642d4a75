"""Contents in a few numbers: a picture blended in, brightness and contrast (docs/certificate-format.md, section 15)."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.images.certify.family import SHARE
from engine.images.formats.png import WHITE, read_files
from engine.images.imageset import Floats, Scaling
from engine.images.trigger import blend, read_trigger

Shape = tuple[int, int, int]
KINDS = "blend", "brightness", "contrast"
IS_MIXTURE = re.compile(rf"({'|'.join(KINDS)}):")
PARTS = re.compile(rf",(?=(?:{'|'.join(KINDS)}):)")
MOST = Fraction(1, 5)  # of a picture whose share is not given: as the Blend attack has it (Chen et al., 2017)
UNCLIPPED = "Values that leave the range of images are not clipped: the family is the affine one."
ADVICE = "say blend:MAX, blend:FILE, blend:FILE:MAX, brightness:EPS or contrast:EPS, several with commas"


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """A picture [channels, height, width] in [0, 1] of which any share up to `most` is blended in."""

    pattern: Floats
    most: Fraction
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Images x = image + a (pattern - image) + b + c (image - black), not clipped, of free numbers a, b and c.

    0 <= a <= blend.most, |b| <= brightness and |c| <= contrast; what is None is left out, and something is there. All
    this is in the network's own numbers; scaling says what black and white are. Contrast is about black, and not about
    the image's mean, as in DeepG (Balunovic et al., NeurIPS 2019: brightness and contrast are alpha x + beta).
    """

    blend: Blend | None
    brightness: Fraction | None
    contrast: Fraction | None
    scaling: Scaling

    @property
    def box(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """The ends of each free number, in order."""
        most = () if self.blend is None else ((Fraction(0), self.blend.most),)
        return most + tuple((-eps, eps) for eps in (self.brightness, self.contrast) if eps is not None)

    @property
    def text(self) -> str:
        """In words."""
        found = []
        if self.blend is not None:
            found.append(f"up to {float(self.blend.most):g} of {self.blend.name} blended in")
        if self.brightness is not None:
            share = self.brightness / _range(self.scaling)
            found.append(f"brightness changed by at most {float(share):g}")
        if self.contrast is not None:
            found.append(f"contrast about black changed by at most {float(self.contrast):g} of itself")
        return ", ".join(found)


def is_mixture(text: str) -> bool:
    """Whether --contents are those of this module."""
    return IS_MIXTURE.match(text) is not None


def read_mixture(text: str, shape: Shape, scaling: Scaling) -> Mixture:
    """The contents that an option says, for images [channels, height, width]: see ADVICE.

    EPS of the brightness is a share of the range from black to white.
    """
    blended, brightness, contrast = None, None, None
    seen: set[str] = set()
    for part in PARTS.split(text):
        kind, _, value = part.partition(":")
        if kind in seen:
            raise InputError(f"{kind} is said twice", where=_where(text), advice=ADVICE)
        seen.add(kind)
        if kind == "blend":
            blended = _read_blend(value, shape, text)
        elif kind == "brightness":
            brightness = _read_share(value, text) * _range(scaling)
        elif kind == "contrast":
            contrast = _read_share(value, text)
        else:
            raise InputError("these are no contents", where=_where(text), advice=ADVICE)
    return Mixture(blended, brightness, contrast, scaling)


def _read_blend(value: str, shape: Shape, text: str) -> Blend:
    if SHARE.fullmatch(value):
        return Blend(blend(shape).pattern, _read_share(value, text), "the random picture")
    name, _, most = value.rpartition(":")
    if not (name and SHARE.fullmatch(most)):
        name, most = value, str(MOST)
    path, share = Path(name), _read_share(most, text)
    pattern = _picture(path, shape, text)
    if pattern.shape != shape:
        what = f"it is {_sizes(pattern.shape)}, the network reads {_sizes(shape)}"
        raise InputError(what, where=_where(text), advice="make the picture as large as the images")
    return Blend(pattern, share, path.name)


def _picture(path: Path, shape: Shape, text: str) -> Floats:
    """The picture in a PNG file, or the pattern of a trigger."""
    if not path.is_file() or path.suffix.lower() not in (".png", ".npz"):
        raise InputError("there is no such picture, .png or .npz", where=_where(text), advice=ADVICE)
    if path.suffix.lower() == ".png":
        (pixels,) = read_files([path], where=str(path))
        found: Floats = pixels.astype(np.float32) / np.float32(WHITE)
        return found
    return read_trigger(str(path), shape).pattern


def _read_share(value: str, text: str) -> Fraction:
    try:
        share = Fraction(value) if SHARE.fullmatch(value) else None
    except ZeroDivisionError:
        share = None
    if share is None:
        raise InputError("these are no contents", where=_where(text), advice=ADVICE)
    if not 0 < share <= 1:
        what = f"{value} is not above 0 and at most 1"
        raise InputError(what, where=_where(text), advice="say a share, such as 0.1 or 8/255; black is 0 and white 1")
    return share


def _range(scaling: Scaling) -> Fraction:
    """From black to white."""
    low, high = map(Fraction, scaling.ends)
    return high - low


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _where(text: str) -> str:
    return f"--contents {text}"
