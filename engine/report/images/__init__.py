"""The page of `acasxu images report`: what scans, repairs and guards of image classifiers have left in a folder.

fields.py    a JSON object of a file, its values by name and type
records.py   scans, repairs and guards as values
folder.py    the folder as one value: its records, and the networks and triggers that they name
samples.py   images with the trigger in them, and what the networks say of them
pixels.py    images as PNG inside the page; needs pillow, of the extra `images`
charts.py    bars, curves and matrices, as SVG and coloured tables
sections.py  what the page says of each record
page.py      images.html

Nothing is searched, repaired or measured here: only the sample images are classified.
"""

from pathlib import Path


def write_images_report(folder: Path, *, force: bool = False) -> Path:
    """Writes images.html into the folder, and returns its path.

    The same folder gives the same page. InputError where the folder holds no records, or one that is damaged, or a
    page already and not `force`.
    """
    from engine.report.images.page import write_page

    return write_page(folder, force=force)


__all__ = ["write_images_report"]
