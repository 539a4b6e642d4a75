"""What `acasxu images demo --out DIR` keeps: networks, triggers, figures as JSON, and the page."""

import json
from pathlib import Path

from engine.cli.images.demo_steps import Guarded, Repaired, Trained
from engine.cli.images.detect_files import guard_record, write_record
from engine.files import unwritable, write_bytes, write_text
from engine.images.scan.record import ScanRecord, write_scan
from engine.report.images import write_images_report


def keep(folder: Path, trained: Trained, found: ScanRecord, repaired: Repaired, guarded: Guarded) -> Path:
    """Writes all files, and returns the page's path."""
    write_scan(found, folder)
    try:
        write_bytes(folder / "original.onnx", trained.classifier.data)
        write_bytes(folder / "repaired.onnx", repaired.classifier.data)
        write_text(folder / "repair.json", json.dumps(repaired.record.as_json(), indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise unwritable(error, folder) from None
    networks = [trained.classifier, repaired.classifier]
    record = guard_record(guarded.guard, networks, "digits", guarded.clean, data="digits", seconds=None)
    write_record(folder / "guard.json", record, guarded.rates, guarded.curve, trained.backdoor)
    return write_images_report(folder, force=True)
