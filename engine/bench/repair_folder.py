"""repairs.csv and repairs/: what came of each network, and the files that speak for it."""

import os
import shutil
from collections.abc import Iterator, Mapping
from glob import escape
from hashlib import sha256
from pathlib import Path

from engine.bench.durable import DurableTable, demand_plain, read_plain, sync_folder
from engine.bench.instances import network_stem
from engine.bench.repair_jobs import Job
from engine.files import unwritable
from engine.results.row import amount
from engine.results.words import CONFIRMED, DECIDED, ORIGINS, TAKEN_OVER, one_line

COLUMNS = (
    "network",
    "properties",
    "outcome",
    "method",
    "seconds",
    "proof_seconds",
    "agreement_outside",
    "changed_outside",
    "agreement_safe",
    "max_output_change",
    "weights",
    "neurons",
    "layers",
    "certificates",
    "files_sha256",
    "origin",
    "error",
)
#: No repair exceeds these.
MAX_AMOUNTS = {
    "seconds": 1e9,
    "proof_seconds": 1e9,
    "agreement_outside": 1.0,
    "changed_outside": 10**12,
    "agreement_safe": 1.0,
    "max_output_change": 1e300,
    "weights": 10**12,
    "neurons": 10**12,
    "layers": 10**6,
    "certificates": 10**6,
}
OUTCOMES = ("repaired", "held", "failed", "error")


class RepairsFolder:
    """`repairs.csv` and `repairs/`; a context manager. A row is added after its files are durable, and has a digest of
    them.
    """

    def __init__(self, folder: Path, *, resume: bool):
        """InputError where it cannot be written. What is there already is replaced unless `resume`."""
        self.files, path = folder / "repairs", folder / "repairs.csv"
        try:
            demand_plain(self.files, folder=True)
            if not resume and self.files.exists():
                shutil.rmtree(self.files)
            self.files.mkdir(parents=True, exist_ok=True)
            for found in self.files.rglob("*"):  # what a repair writes would follow links
                demand_plain(found, folder=found.is_dir() and not found.is_symlink())
            for left in self.files.glob(".repair-*"):  # by a repair that was killed
                shutil.rmtree(left)
        except OSError as error:
            raise unwritable(error, self.files) from None
        self._table = DurableTable(path, COLUMNS, fresh=not resume)
        self.rows: list[dict[str, str]] = []

    def recover(self, todo: list[Job]) -> None:
        """Takes the rows of an earlier run that are of these jobs and have their files, as taken over; drops others.

        Impossible where a row holds a number that no repair can have.
        """
        known = {(job.network, job.properties): job for job in todo if job.targets}
        for number, line in enumerate(self._table.lines, 2):
            row = read_repair(line, where=f"{self._table.path}:{number}")
            job = known.get((row["network"], row["properties"])) if row else None
            if (
                row and job and row["outcome"] != "held" and self._complete(row, job)
            ):  # what violates a target does not hold it
                del known[job.network, job.properties]
                self.rows.append(row | {"origin": TAKEN_OVER})
        self._save()

    def confirm(self, refuted: Mapping[str, str]) -> None:
        """Has the repaired networks be confirmed, but for those refuted, which are to be repaired again."""
        self.rows[:] = [
            row | {"origin": CONFIRMED} if row["outcome"] == "repaired" else row
            for row in self.rows
            if row["network"] not in refuted
        ]
        self._save()

    def drop_taken_over(self) -> None:
        """Has the networks whose repair nobody has confirmed be repaired again."""
        self.rows[:] = [row for row in self.rows if row["origin"] != TAKEN_OVER]
        self._save()

    def add(self, row: dict[str, object]) -> None:
        """Adds a row after its network's files."""
        stem = network_stem(str(row["network"]))
        self._sync(stem)
        digest = files_digest(self.files, stem) if row["outcome"] == "repaired" else ""
        row = {"origin": DECIDED} | row | {"files_sha256": digest}
        cells = {name: _cell(row.get(name)) for name in COLUMNS}
        self._table.append([list(cells.values())])
        self.rows.append(cells)

    def sort(self, todo: list[Job]) -> None:
        """Puts the rows in the order of the list."""
        place = {job.network: i for i, job in enumerate(todo)}
        self.rows.sort(key=lambda row: place[row["network"]])
        self._save()

    def __enter__(self) -> "RepairsFolder":
        return self

    def __exit__(self, *exception: object) -> None:
        self._table.close()

    def _complete(self, row: dict[str, str], job: Job) -> bool:
        if row["outcome"] != "repaired":
            return not row["files_sha256"]
        held = job.file(".onnx") in files_of(self.files, job.stem.name)
        return held and row["files_sha256"] == files_digest(self.files, job.stem.name)

    def _save(self) -> None:
        self._table.replace([list(row.values()) for row in self.rows])

    def _sync(self, stem: str) -> None:
        try:
            for path in files_of(self.files, stem):
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            for folder in filter(Path.is_dir, (self.files / stem, self.files)):
                sync_folder(folder)
        except OSError as error:
            raise unwritable(error, self.files) from None


def read_repair(line: list[str], *, where: str) -> dict[str, str] | None:
    """The row that was written as this line; None where it is none. Impossible where it holds an impossible number."""
    if len(line) != len(COLUMNS) or not all(map(str.isprintable, line)):
        return None
    row = dict(zip(COLUMNS, line))
    try:
        for name, most in MAX_AMOUNTS.items():
            amount(row[name], name, most=most, where=where)
    except ValueError:
        return None
    return row if row["outcome"] in OUTCOMES and row["origin"] in ORIGINS else None


def files_of(folder: Path, stem: str) -> Iterator[Path]:
    """A network's files in the folder of repairs, by name: links are none."""
    inside = folder / stem
    for path in sorted([*folder.glob(f"{escape(stem)}.*"), *(inside.iterdir() if inside.is_dir() else ())]):
        if path.is_file() and not path.is_symlink() and not inside.is_symlink():
            yield path


def files_digest(folder: Path, stem: str) -> str:
    """One SHA-256 of a network's files and their names; nothing where one of them cannot be read."""
    try:
        lines = [
            f"{sha256(read_plain(path)).hexdigest()} {path.relative_to(folder)}\n" for path in files_of(folder, stem)
        ]
    except (OSError, ValueError):
        return ""
    return sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
    return one_line(text) if text else ""
