"""Pictures made small enough for a page: few colours, fewer pixels."""

from dataclasses import dataclass
from io import BytesIO
from math import dist
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engine.files import regular

if TYPE_CHECKING:
    from PIL.Image import Image

Colour = tuple[int, int, int]
WIDTHS = 1000, 800, 640, 520, 400
#: How many greys and how many other colours are kept, and how far each is at least from all others of its kind.
GREYS, COLOURS = (8, 24.0), (10, 40.0)
MAX_FILE, MAX_PIXELS = 64 * 2**20, 100_000_000
_GREY = 12  # the parts of a grey differ by less than that
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Small:
    """The file of a picture, and its kind as browsers call it."""

    data: bytes
    kind: str


def small_picture(path: Path, *, limit: int) -> Small | None:
    """The PNG in at most `limit` bytes, as wide as that allows; None where that cannot be had."""
    try:
        with open(path, "rb", opener=regular) as file:
            data = file.read(MAX_FILE + 1)
    except OSError:
        return None
    if len(data) > MAX_FILE or not data.startswith(_PNG):
        return None
    return _made_small(data, limit)


def _made_small(data: bytes, limit: int) -> Small | None:
    """The picture in few colours and narrow enough; unchanged where no library can do that."""
    try:
        from PIL import Image
    except ImportError:
        return Small(data, "image/png") if len(data) <= limit else None
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                return None
            picture = opened.convert("RGB")
    except Exception:  # what the library raises on damaged files is many things
        return None
    colours, expected = _palette(picture), 0.0
    for width in dict.fromkeys(min(width, picture.width) for width in WIDTHS):
        if 0.85 * expected * width > limit and width != WIDTHS[-1]:
            continue
        size = width, max(1, round(picture.height * width / picture.width))
        small = _file(picture.resize(size, Image.Resampling.BOX).quantize(palette=colours, dither=Image.Dither.NONE))
        if len(small.data) <= limit:
            return small
        expected = len(small.data) / width  # bytes for each pixel of width; narrower ones have a little fewer
    return None


def _palette(picture: "Image") -> "Image":
    """An image whose palette has the most frequent colours that are well apart.

    These are the colours of large areas, and those of a legend's patches too.
    """
    from PIL import Image

    found = cast("list[tuple[int, Colour]]", picture.getcolors(picture.width * picture.height))  # it has this mode
    counted = sorted(found, key=lambda entry: (-entry[0], entry[1]))
    kinds: dict[bool, list[Colour]] = {True: [], False: []}
    for _, colour in counted[:4096]:
        grey = max(colour) - min(colour) < _GREY
        most, apart = GREYS if grey else COLOURS
        if len(kinds[grey]) < most and all(dist(colour, other) >= apart for other in kinds[grey]):
            kinds[grey].append(colour)
    chosen = kinds[True] + kinds[False]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in chosen for part in colour] + list(chosen[0]) * (256 - len(chosen)))
    return palette


def _file(picture: "Image") -> Small:
    """Without loss: as WebP, about a third smaller than PNG, where this library can."""
    from PIL import features

    file = BytesIO()
    if features.check("webp"):
        picture.convert("RGB").save(file, format="WEBP", lossless=True, method=4)
        return Small(file.getvalue(), "image/webp")
    picture.save(file, format="PNG", optimize=True)
    return Small(file.getvalue(), "image/png")
