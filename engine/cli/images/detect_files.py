"""The files of `acasxu images detect`: a line for each image, and the figures for a page."""

import csv
import io
import json
from pathlib import Path

from engine.files import write_bytes, write_text
from engine.images.classifier import Classifier
from engine.images.detection import Curve, Rates
from engine.images.guard import Examined, Guard
from engine.images.imageset import Integers
from engine.images.poison import Backdoor

KIND = "image guard"
COLUMNS = ("image", "class", "flagged", "score", "original", "repaired")


def write_csv(path: Path, found: Examined, truth: Integers | None) -> None:
    """A line for each image, numbered from 0: its class, and each network's own; all classes count from 1."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*COLUMNS, *([] if truth is None else ["truth"])])
    for i, (number, flagged, score) in enumerate(zip(found.classes, found.flagged, found.score)):
        right = [] if truth is None else [truth[i] + 1]
        own = found.original[i] + 1, found.repaired[i] + 1
        writer.writerow([i, number, int(flagged), f"{score:.9f}", *own, *right])
    write_bytes(path, file.getvalue().encode("ascii"))


def guard_record(
    guard: Guard, networks: list[Classifier], images: str, found: Examined, *, data: str | None, seconds: float | None
) -> dict[str, object]:
    """What was asked, and how many images got each class, 1 to N + 1."""
    original, repaired = ({"name": network.name, "sha256": network.sha256} for network in networks)
    classes = [int((found.classes == number).sum()) for number in range(1, guard.classes + 2)]
    return {
        "kind": KIND,
        "original": original,
        "repaired": repaired,
        "data": data,
        "threshold": guard.threshold,
        "images": {"name": images, "count": len(found.score), "flagged": int(found.flagged.sum()), "classes": classes},
        "seconds": seconds and round(seconds, 3),
    }


def write_record(
    path: Path, record: dict[str, object], rates: Rates, curve: Curve | None, backdoor: Backdoor | None
) -> None:
    """The record, with what was measured on images known to be clean or not."""
    content = record | {
        "backdoor": backdoor and {"trigger": backdoor.trigger.name, "target": backdoor.target},
        "rates": {
            "clean": rates.clean,
            "triggered": rates.triggered,
            "false_alarms": rates.false_alarms,
            "detection": rates.detection,
            "missed": rates.missed,
        },
        "curve": curve
        and {
            "thresholds": curve.thresholds.tolist(),
            "false_alarms": curve.false_alarms.tolist(),
            "detection": curve.detection.tolist(),
            "area": curve.area,
        },
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
