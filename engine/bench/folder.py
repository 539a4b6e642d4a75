"""The folder that a run's results go to."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Self

from engine.bench.checks import KINDS
from engine.bench.chunk import Answer, Claim
from engine.bench.durable import DurableTable, demand_plain, read_plain, remove_parts, sync_folder, write_durably
from engine.bench.instances import Instance, instance_stem
from engine.errors import InputError
from engine.files import unwritable
from engine.results.row import COLUMNS, Row, read_row

FILES = ("results.csv", "manifest.json", "repairs.csv", "report.html", "report.md", "results.json")
FOLDERS = ("counterexamples", "repairs")


class ResultsFolder:
    """`results.csv`, a row for each verdict, `counterexamples/` and certificates; a context manager.

    Rows and files are durable when `keep` and `add` return. A row is added after its files, whose SHA-256 it has: a
    `sat` row always has its counterexample. One process at a time holds a folder. What lies in it must be plain files
    and folders: links are not followed. `rows` are those of the table; `dropped` counts the lines of an earlier run
    that were none.
    """

    def __init__(self, folder: Path, *, certificates: Path | None = None, resume: bool = False, force: bool = False):
        """InputError where the folder cannot be written, or holds results and neither `resume` nor `force`."""
        self.folder, self.table, self.points = folder, folder / "results.csv", folder / "counterexamples"
        self.certificates = certificates
        self.rows: list[Row] = []
        self.dropped = 0
        self._open_things = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open_things.callback(_release, _locked(folder))
            self._open(resume, force)
        except OSError as error:
            self._open_things.close()
            raise unwritable(error, folder) from None
        except BaseException:
            self._open_things.close()
            raise

    def _open(self, resume: bool, force: bool) -> None:
        for path in self._all():
            demand_plain(path)
        for path in self._inside():
            demand_plain(path, folder=True)
        if not (resume or force):
            self._demand_empty()
        for path in filter(None, (self.points, self.certificates)):
            path.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent)
        for path in filter(None, (self.folder, self.points, self.certificates)):
            remove_parts(path)
        self._table = DurableTable(self.table, COLUMNS, fresh=force)
        self._open_things.callback(self._table.close)
        if not resume:
            self._clear()

    def recover(self, listed: set[tuple[str, str]], *, semantics: str, check: bool) -> None:
        """Takes the rows of an earlier run that are whole, have their files and can be of this run; drops others.

        Impossible where a row holds a number that no run can have.
        """
        rows: dict[tuple[str, str], Row] = {}
        for number, cells in enumerate(self._table.lines, 2):
            row = read_row(cells, where=f"{self.table}:{number}")
            of_run = row and row.names in listed and row.semantics in (semantics, "float32")  # as questions may demand
            if row and of_run and row.names not in rows:
                if (check or not row.check) and self._complete(row):
                    rows[row.names] = row
        self.rows, self.dropped = list(rows.values()), len(self._table.lines) - len(rows)
        if self.dropped:
            self.replace(self.rows)

    def claim(self, row: Row, instance: Instance, hashes: Mapping[str, str | None]) -> Claim:
        """The row with the files that speak for it. `hashes`: of all input files of the run, by name."""
        return Claim(
            row,
            instance,
            {name: hashes[name] for name in instance.paths},
            self.point_path(row.names) if row.verdict == "sat" else None,
            self.certificate_path(row) if row.certificate_sha256 else None,
        )

    def keep(self, answers: Iterable[Answer]) -> list[Row]:
        """Keeps the files of answers, and returns their rows with the SHA-256 of these, which are yet to be added."""
        rows: list[Row] = []
        folders: set[Path] = set()
        for answer in answers:
            row = answer.row
            if answer.counterexample is not None:
                data = answer.counterexample.encode()
                write_durably(self.point_path(row.names), data)
                row = replace(row, point_sha256=sha256(data).hexdigest())
                folders.add(self.points)
            if answer.certificate is not None:
                path = self.certificate_path(row)
                write_durably(path, answer.certificate)
                row = replace(row, certificate_sha256=sha256(answer.certificate).hexdigest())
                folders.add(path.parent)
            rows.append(row)
        for folder in folders:
            sync_folder(folder)
        return rows

    def add(self, rows: list[Row]) -> None:
        """Adds rows whose files are kept."""
        if rows:
            self._table.append([row.cells() for row in rows])
            self.rows += rows

    def replace(self, rows: list[Row]) -> None:
        """Puts these rows in place of all."""
        self._table.replace([row.cells() for row in rows])
        self.rows[:] = rows

    def reread(self) -> None:
        """Reads the table's rows again: an interrupt may have come between adding rows to it and to `rows`."""
        self.rows[:] = [row for row in map(read_row, self._table.held()) if row]

    def sort(self, order: list[tuple[str, str]]) -> None:
        """Puts the rows in this order: whatever interrupted a run, its final table is the same."""
        place = {names: i for i, names in enumerate(order)}
        self.replace(sorted(self.rows, key=lambda row: place[row.names]))

    def point_path(self, names: tuple[str, str]) -> Path:
        """The file of an instance's counterexample."""
        return self.points / f"{instance_stem(names)}.txt"

    def certificate_path(self, row: Row) -> Path:
        """The file of a verdict's certificate."""
        assert self.certificates is not None  # the run keeps them, or the row would have none
        return self.certificates / f"{instance_stem(row.names)}.{KINDS[row.verdict]}.zip"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open_things.close()

    def _all(self) -> list[Path]:
        return [self.folder / name for name in FILES]

    def _inside(self) -> list[Path]:
        """The folders in this one; certificates may be elsewhere, in what the user has named."""
        own = [self.certificates] if self.certificates and self.certificates.parent == self.folder else []
        return [self.folder / name for name in FOLDERS] + own

    def _complete(self, row: Row) -> bool:
        """True iff a row has what rows of its verdict have in such a run, and its files are those that it was about."""
        certified = row.decided and self.certificates is not None
        if (bool(row.certificate_sha256), bool(row.certificate_bytes)) != (certified, certified):
            return False
        if bool(row.point_sha256) != (row.verdict == "sat") or (row.check and not certified):
            return False
        return (not row.point_sha256 or _digest(self.point_path(row.names)) == row.point_sha256) and (
            not certified or _digest(self.certificate_path(row)) == row.certificate_sha256
        )

    def _demand_empty(self) -> None:
        held = [self.table, self.folder / "manifest.json", *self.points.glob("*.txt")]
        if any(path.exists() for path in held):
            raise InputError(
                "there are results already",
                where=str(self.folder),
                advice="continue with --resume, name another folder, or replace them with --force",
            )
        if any(_certificates(self.certificates)):
            raise InputError(
                "there are certificates already",
                where=str(self.certificates),
                advice="name another folder, or replace them with --force",
            )

    def _clear(self) -> None:
        """Removes what another run left, after its table."""
        for path in [*self.points.glob("*.txt"), *_certificates(self.certificates)]:
            path.unlink()


def _certificates(folder: Path | None) -> list[Path]:
    return [path for kind in KINDS.values() for path in folder.glob(f"*.{kind}.zip")] if folder else []


def _digest(path: Path) -> str | None:
    """The SHA-256 of a plain file, None where there is none."""
    try:
        return sha256(read_plain(path)).hexdigest()
    except (OSError, ValueError):
        return None


def _locked(folder: Path) -> int | None:
    """A hold on the folder that ends with the process, however it ends; None where the system has none."""
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(
            "another run is writing there", where=str(folder), advice="wait for its end, or name another folder"
        ) from None
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle


def _release(lock: int | None) -> None:
    if lock is not None:
        with suppress(OSError):
            os.close(lock)
