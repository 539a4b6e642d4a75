"""Images as PNG inside the page, drawn by pillow, of the extra `images`."""

from io import BytesIO

import numpy as np

from engine.errors import InputError
from engine.images.imageset import Floats
from engine.report.rendering import data_url


def picture(image: Floats) -> str:
    """The image [channels, height, width] in 0 to 1 as a URL: in colours where it has three channels, else the first
    in grey. InputError without pillow."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise InputError("pictures need pillow", where="report", advice="pip install 'acasxu-engine[images]'") from None
    pixels = np.rint(255 * image).astype(np.uint8)
    flat = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(flat)).save(file, format="PNG", optimize=True)
    return data_url(file.getvalue(), "image/png")
