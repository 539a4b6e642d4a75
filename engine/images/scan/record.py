"""A scan as files: scan.json, and each class's trigger as .npz and, where Pillow is there, as a picture."""

import io
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine.files import unwritable, write_bytes, write_text
from engine.images.cleanse import Cleansed
from engine.images.imageset import Floats
from engine.images.scan.first_look import FirstLook
from engine.images.scan.options import CleanseOptions
from engine.images.scan.overlap import Overlap
from engine.images.trigger import Trigger, trigger_bytes

KIND = "image scan"
ZOOM, GAP = 8, 1  # screen pixels a pixel of a picture; pixels between two


@dataclass(frozen=True, slots=True, eq=False)
class ScanRecord:
    """The outcome of a scan. example: a clean image, for the pictures; true: the true trigger where it is given."""

    name: str
    sha256: str
    data: str
    options: CleanseOptions
    cleansed: Cleansed
    first_look: FirstLook
    overlap: Overlap | None
    seconds: float
    example: Floats
    true: Trigger | None = None

    @property
    def flagged(self) -> tuple[int, ...]:
        """The classes that a backdoor is likely to have as its target, the likeliest first."""
        return self.cleansed.flagged


def scan_json(record: ScanRecord) -> dict[str, object]:
    """What scan.json holds. A norm that is infinite (no trigger was found) is null."""
    found = record.cleansed
    return {
        "kind": KIND,
        "network": {"name": record.name, "sha256": record.sha256},
        "data": record.data,
        "options": asdict(record.options),
        "l1": [_numbers(norms) for norms in found.l1],
        "spread": _numbers(found.spread),
        "anomaly": _numbers(found.anomaly),
        "published_anomaly": _numbers(found.published),
        "flagged": list(found.flagged),
        "published_flagged": list(found.published_flagged),
        "triggers": [
            {"class": label, "file": trigger_file(label), "l1": least, "success": success}
            for label, (least, success) in enumerate(
                zip(_numbers(found.l1.min(0)), _numbers(found.success), strict=True)
            )
        ],
        "overlap": None if record.overlap is None else asdict(record.overlap),
        "first_look": asdict(record.first_look),
        "seconds": round(record.seconds, 2),
    }


def trigger_file(label: int) -> str:
    """The name of the file of a class's trigger, which `read_trigger` reads."""
    return f"trigger-{label}.npz"


def write_scan(record: ScanRecord, folder: Path) -> None:
    """Writes the triggers, their pictures, and at last scan.json, which a folder thus has only when it is whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scan.json").unlink(missing_ok=True)
        for label, trigger in enumerate(record.cleansed.triggers):
            write_bytes(folder / trigger_file(label), trigger_bytes(trigger))
            target = record.overlap is not None and record.overlap.target == label
            picture = picture_bytes(record.example, (trigger, *([record.true] if target and record.true else [])))
            if picture:
                write_bytes((folder / trigger_file(label)).with_suffix(".png"), picture)
        write_text(folder / "scan.json", json.dumps(scan_json(record), indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise unwritable(error, folder) from None


def picture_bytes(example: Floats, triggers: tuple[Trigger, ...]) -> bytes | None:
    """A PNG with a row for each trigger: the image with it, its mask, what it paints. None where Pillow is missing.

    Images of other than one or three channels are shown by their first.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return None
    rows = [
        _row((trigger.paint(example[None])[0], trigger.mask, trigger.mask * trigger.pattern)) for trigger in triggers
    ]
    pixels = np.concatenate([np.pad(row, ((0, GAP), (0, 0), (0, 0)), constant_values=0.5) for row in rows])
    grey = np.kron(pixels, np.ones((ZOOM, ZOOM, 1), np.float32))
    file = io.BytesIO()
    Image.fromarray((255 * grey).round().astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _row(panels: Iterable[Floats]) -> Floats:
    """Pictures [channels, height, width] side by side, as [height, width, 3]."""
    coloured = [panel if len(panel) == 3 else panel[:1].repeat(3, 0) for panel in panels]
    padded = [np.pad(panel, ((0, 0), (0, 0), (0, GAP)), constant_values=0.5) for panel in coloured]
    row: Floats = np.concatenate(padded, 2).transpose(1, 2, 0)
    return row


def _numbers(values: np.ndarray) -> list[float | None]:
    return [round(float(value), 4) if math.isfinite(value) else None for value in values]
