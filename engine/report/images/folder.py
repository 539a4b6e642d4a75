"""A folder of records, and the networks and triggers that they name. Nothing outside of the folder is opened."""

import io
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from engine.bench.durable import read_plain
from engine.errors import InputError
from engine.images.classifier import Classifier, load_classifier
from engine.images.trigger import Trigger, read_trigger
from engine.report.images.fields import read_fields
from engine.report.images.records import File, Guarded, Record, Repair, Scan, record_of

MAX_NETWORK = 512 * 2**20
MAX_TRIGGER = 32 * 2**20  # bytes of its arrays


@dataclass(frozen=True, slots=True)
class Folder:
    """The records in order of their files' names."""

    path: Path
    scans: tuple[Scan, ...]
    repairs: tuple[Repair, ...]
    guards: tuple[Guarded, ...]

    def network(self, file: File, beside: Path) -> Classifier | None:
        """The network of this name and content beside a record; None where it is not there."""
        path = self._inside(file.name, beside)
        if path is None or path.suffix != ".onnx" or path.stat().st_size > MAX_NETWORK:
            return None
        try:
            found = load_classifier(path)
        except InputError:
            return None
        return found if file.sha256 in (found.sha256, sha256(path.read_bytes()).hexdigest()) else None

    def trigger(self, text: str, beside: Path, shape: tuple[int, int, int] | None) -> Trigger | None:
        """A trigger in words, for images of this shape, or in an .npz file beside a record; None for all else."""
        try:
            if not text.endswith(".npz"):
                return read_trigger(text, shape) if shape else None
            path = self._inside(text, beside)
            return _read_trigger(path) if path else None
        except InputError:
            return None

    def _inside(self, name: str, beside: Path) -> Path | None:
        """The file of this name beside a record, where it is a plain file in the folder."""
        try:
            path = beside.parent / name
            inside = path.resolve().is_relative_to(self.path.resolve())
            return path if name and inside and path.is_file() and not path.is_symlink() else None
        except (OSError, ValueError):  # a name that can be none
            return None


def read_folder(path: Path) -> Folder:
    """All records of a folder, and of the folders in it; InputError where there are none, or one is damaged."""
    if not path.is_dir():
        raise InputError("there is no such folder", where=str(path), advice="name the folder of scans and repairs")
    files = sorted((*path.glob("*.json"), *path.glob("*/*.json")))
    records = [record for file in files if (record := _record(file))]
    if not records:
        raise InputError(
            "there is no scan, repair or guard in it",
            where=str(path),
            advice="write some with `acasxu images scan`, `repair` or `detect --json`",
        )
    scans = tuple(record for record in records if isinstance(record, Scan))
    repairs = tuple(record for record in records if isinstance(record, Repair))
    return Folder(path, scans, repairs, tuple(record for record in records if isinstance(record, Guarded)))


def _record(file: Path) -> Record | None:
    fields = read_fields(file)
    return record_of(fields, file) if fields else None


def _read_trigger(path: Path) -> Trigger | None:
    """The trigger in an .npz file; None where it is damaged or too large."""
    try:
        data = read_plain(path, limit=MAX_TRIGGER)
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MAX_TRIGGER:
                return None
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return Trigger(file["mask"].astype(np.float32), file["pattern"].astype(np.float32), path.name)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
