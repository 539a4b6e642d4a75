"""What `acasxu images demo --out DIR` keeps: networks, triggers, figures as JSON, and the page."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np

from engine.cli.images.demo_steps import METHOD, SCAN, Guarded, Repaired, Trained
from engine.cli.images.detect_files import guard_record, write_record
from engine.files import unwritable, write_bytes, write_text
from engine.images.classifier import Classifier
from engine.images.cleanse import Cleansed
from engine.images.imageset import ImageSet
from engine.images.measure import attack_success, confusion
from engine.images.poison import Backdoor
from engine.images.repair.changes import changes_between
from engine.images.trigger import Trigger, square, trigger_bytes
from engine.report.images import write_images_report


def keep(folder: Path, trained: Trained, found: Cleansed, repaired: Repaired, guarded: Guarded) -> Path:
    """Writes all files, and returns the page's path."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "original.onnx", trained.classifier.data)
        write_bytes(folder / "repaired.onnx", repaired.classifier.data)
        for label, trigger in enumerate(found.triggers):
            write_bytes(folder / _trigger_name(label), trigger_bytes(trigger))
        _write(folder / "scan.json", _scan(trained, found))
        _write(folder / "repair.json", _repair(trained, repaired))
    except OSError as error:
        raise unwritable(error, folder) from None
    networks = [trained.classifier, repaired.classifier]
    record = guard_record(guarded.guard, networks, "digits", guarded.clean, data="digits", seconds=None)
    write_record(folder / "guard.json", record, guarded.rates, guarded.curve, trained.backdoor)
    return write_images_report(folder, force=True)


def _scan(trained: Trained, found: Cleansed) -> dict[str, object]:
    least = found.l1.min(0).tolist()
    return {
        "kind": "image scan",
        "network": _file(trained.classifier, "original.onnx"),
        "data": trained.data.name,
        "options": asdict(SCAN),
        "l1": [[_finite(value) for value in start] for start in found.l1.tolist()],
        "anomaly": [_finite(value) for value in found.anomaly.tolist()],
        "flagged": list(found.flagged),
        "triggers": [
            {"class": label, "file": _trigger_name(label), "l1": _finite(float(norm))}
            for label, norm in enumerate(least)
        ],
        "overlap": {"trigger": trained.backdoor.trigger.name},
    }


def _repair(trained: Trained, repaired: Repaired) -> dict[str, object]:
    held_out, networks = trained.data.held_out, (trained.classifier, repaired.classifier)
    changes = changes_between(*networks)
    known = "the true trigger" if repaired.known is trained.backdoor else "the trigger that the scan found"
    before, after = (confusion(network, held_out).tolist() for network in networks)
    return {
        "kind": "image repair",
        "original": _file(trained.classifier, "original.onnx"),
        "repaired": _file(repaired.classifier, "repaired.onnx"),
        "data": trained.data.name,
        "method": METHOD,
        "note": f"{repaired.note}; it knew {known}, figures are of the true one",
        "backdoor": {"trigger": trained.backdoor.trigger.name, "target": trained.backdoor.target},
        "before": {"accuracy": trained.accuracy, "attack_success": trained.attack_success},
        "after": {"accuracy": repaired.accuracy, "attack_success": repaired.attack_success},
        "variants": _variants(trained.backdoor, networks, held_out),
        "changes": asdict(changes) if changes else None,
        "confusion": {"before": before, "after": after},
    }


def _variants(
    backdoor: Backdoor, networks: tuple[Classifier, Classifier], held_out: ImageSet
) -> list[dict[str, object]]:
    """Squares of other sizes, and at other places, around the true one."""
    shape = held_out.shape
    row, column = (int(axis.min()) for axis in np.nonzero(backdoor.trigger.mask[0]))
    near: list[Trigger] = [square(shape, size, (row, column)) for size in (1, 2, 3)]
    near += [square(shape, 2, (row + down, column + right)) for down, right in ((-1, 0), (0, -1), (-1, -1), (1, 1))]
    return [
        {"trigger": trigger.name}
        | {
            when: attack_success(network, held_out, Backdoor(trigger, backdoor.target))
            for when, network in zip(("before", "after"), networks)
        }
        for trigger in near
    ]


def _file(classifier: Classifier, name: str) -> dict[str, str]:
    return {"name": name, "sha256": classifier.sha256}


def _trigger_name(label: int) -> str:
    return f"trigger-{label}.npz"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _write(path: Path, record: dict[str, object]) -> None:
    write_text(path, json.dumps(record, indent=1, allow_nan=False) + "\n")
