"""A bench folder as one value."""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from engine.bench.checks import KINDS
from engine.bench.durable import demand_plain, read_plain
from engine.bench.instances import instance_stem
from engine.bench.points import Assignment, Point, read_counterexample
from engine.errors import InputError
from engine.report.csv_file import is_file
from engine.report.manifest import Manifest, Unreadable, read_manifest
from engine.report.names import Names, names_of
from engine.report.repairs import Repair, read_repairs
from engine.report.rows import NumberedRow, read_rows

MAX_NOTES = 20


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The content of a folder.

    A row's `certificate_bytes` is what results.csv says, else the size of the file in certificates/. `points` and
    `certificates` are by rows' numbers. `names` says what networks and properties are known to be, `notes` what is
    missing or damaged.
    """

    folder: Path
    rows: tuple[NumberedRow, ...]
    manifest: Manifest
    names: Names
    points: dict[int, Point | Assignment]
    certificates: dict[int, Path]
    repairs: tuple[Repair, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.resolve().name or "the folder"

    @property
    def expected(self) -> int:
        """The number of instances that were asked for, as far as is known."""
        return max(len(self.rows), len(self.manifest.instances))


def read_run_folder(folder: Path) -> RunFolder:
    """The folder's content. InputError where it is no folder, or its results cannot be read."""
    if not folder.is_dir():
        raise InputError("this is no folder", where=str(folder), advice="name what `acasxu bench --out` wrote to")
    if not (folder / "results.csv").is_file():
        raise InputError(
            "there are no results in it",
            where=str(folder / "results.csv"),
            advice="name the folder that `acasxu bench --out` wrote to",
        )
    for name in ("counterexamples", "certificates"):
        demand_plain(folder / name, folder=True)
    rows, left_out = read_rows(folder / "results.csv")
    notes = list(left_out)
    manifest = _manifest(folder / "manifest.json", notes)
    points = {row.number: point for row in rows if row.verdict == "sat" and (point := _point(folder, row, notes))}
    repairs, of_repairs = read_repairs(folder)
    certificates = {row.number: path for row in rows if (path := _certificate(folder, row, notes))}
    return RunFolder(
        folder,
        tuple(_sized(row, certificates.get(row.number)) for row in rows),
        manifest,
        names_of(manifest),
        points,
        certificates,
        repairs,
        tuple(_first([*notes, *of_repairs])),
    )


def _sized(row: NumberedRow, certificate: Path | None) -> NumberedRow:
    """The row with its certificate's size, where one of the two is known."""
    return replace(
        row, certificate_bytes=row.certificate_bytes or (certificate.stat().st_size if certificate else None)
    )


def _manifest(path: Path, notes: list[str]) -> Manifest:
    if not path.is_file():
        notes.append("manifest.json is missing: machine, versions, options and hashes of the inputs are not known")
        return Manifest()
    try:
        return read_manifest(path)
    except Unreadable as error:
        notes.append(f"manifest.json: {error.what}; machine, versions, options and hashes are not known")
        return Manifest()


def _point(folder: Path, row: NumberedRow, notes: list[str]) -> Point | Assignment | None:
    path = folder / "counterexamples" / f"{instance_stem(row.names)}.txt"
    try:
        found = read_counterexample(path)
    except InputError as error:
        notes.append(f"counterexamples/{path.name}: {error.what}")
        return None
    return found if _is_of(row.point_sha256, path, notes) else None


def _certificate(folder: Path, row: NumberedRow, notes: list[str]) -> Path | None:
    kind = KINDS.get(row.verdict)
    path = folder / "certificates" / f"{instance_stem(row.names)}.{kind}.zip"
    return path if kind and is_file(path) and _is_of(row.certificate_sha256, path, notes) else None


def _is_of(digest: str, path: Path, notes: list[str]) -> bool:
    """True iff a file is the one that its row is about, as far as the row says; else a note is added."""
    try:
        same = not digest or sha256(read_plain(path)).hexdigest() == digest
    except (OSError, ValueError):
        same = False
    if not same:
        notes.append(f"{path.parent.name}/{path.name}: this is not the file that the row in results.csv is about")
    return same


def _first(notes: list[str]) -> list[str]:
    """The first MAX_NOTES of many, and how many there are more."""
    rest = len(notes) - MAX_NOTES
    return notes if rest <= 0 else [*notes[:MAX_NOTES], f"and {rest:,} more such remarks"]
