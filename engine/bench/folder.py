"""Where a run's results go."""

import os
from collections.abc import Iterable
from pathlib import Path

from engine.bench.chunk import Answer
from engine.bench.durable import Table, sync_folder, write_durably
from engine.bench.instances import instance_stem
from engine.bench.row import COLUMNS, Row, read_row
from engine.errors import InputError
from engine.files import unwritable

KINDS = {"unsat": "proof", "sat": "witness"}  # of certificates, by the verdict


class ResultsFolder:
    """`results.csv`, a row for each verdict, `counterexamples/` and certificates; a context manager.

    Rows and files are durable when `keep` and `add` return. A row is added after its files: a `sat` row always has
    its counterexample. One process at a time holds a folder.
    """

    def __init__(self, folder: Path, *, certificates: Path | None = None, resume: bool = False, force: bool = False):
        """InputError where the folder cannot be written, or holds results and neither `resume` nor `force`.

        `rows`: those of an earlier run, if resumed; `dropped`: how many lines of it were none.
        """
        self.folder, self.table, self.points = folder, folder / "results.csv", folder / "counterexamples"
        self.certificates = certificates
        self.rows: list[Row] = []
        self.dropped = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
        except OSError as error:
            raise unwritable(error, folder) from None
        try:
            self._open(resume, force)
        except BaseException as error:
            self._release()
            if isinstance(error, OSError):
                raise unwritable(error, self.table) from None
            raise

    def _open(self, resume: bool, force: bool) -> None:
        if not (resume or force):
            self._demand_empty()
        for path in filter(None, (self.points, self.certificates)):
            path.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent)
        self._table = Table(self.table, COLUMNS, fresh=force)
        if not resume:
            self._clear()

    def recover(self, listed: set[tuple[str, str]]) -> None:
        """Takes the rows of an earlier run that are whole, have their files and are of `listed`; drops others."""
        rows: dict[tuple[str, str], Row] = {}
        for row in filter(None, map(read_row, self._table.lines)):
            if row.names in listed and row.names not in rows and self._complete(row):
                rows[row.names] = row
        self.rows, self.dropped = list(rows.values()), len(self._table.lines) - len(rows)
        if self.dropped:
            self._table.replace([row.cells() for row in self.rows])

    def keep(self, answers: Iterable[Answer]) -> None:
        """Keeps the files of answers whose rows are yet to be added."""
        folders = set()
        for answer in answers:
            if answer.counterexample is not None:
                write_durably(self.point_path(answer.row.names), answer.counterexample.encode("ascii"))
                folders.add(self.points)
            if answer.certificate is not None:
                write_durably(self.certificate_path(answer.row), answer.certificate)
                folders.add(self.certificates)
        for folder in folders:
            sync_folder(folder)

    def add(self, rows: list[Row]) -> None:
        """Adds rows whose files are kept."""
        if rows:
            self._table.append([row.cells() for row in rows])
            self.rows += rows

    def reread(self) -> None:
        """Has `rows` be those of the table: an interrupt may have come between the two."""
        self.rows[:] = filter(None, map(read_row, self._table.held()))

    def sort(self, order: list[tuple[str, str]]) -> None:
        """Puts the rows in this order: whatever interrupted a run, its final table is the same."""
        place = {names: i for i, names in enumerate(order)}
        self.rows.sort(key=lambda row: place[row.names])
        self._table.replace([row.cells() for row in self.rows])

    def point_path(self, names: tuple[str, str]) -> Path:
        """Where an instance's counterexample is kept."""
        return self.points / f"{instance_stem(names)}.txt"

    def certificate_path(self, row: Row) -> Path:
        """Where the certificate of a verdict is kept."""
        return self.certificates / f"{instance_stem(row.names)}.{KINDS[row.verdict]}.zip"

    def __enter__(self) -> "ResultsFolder":
        return self

    def __exit__(self, *exception) -> None:
        self._table.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def _complete(self, row: Row) -> bool:
        if row.verdict == "sat" and not self.point_path(row.names).is_file():
            return False
        if self.certificates is None or not row.certificate_bytes:
            return True
        path = self.certificate_path(row)
        return path.is_file() and path.stat().st_size == row.certificate_bytes

    def _demand_empty(self) -> None:
        held = [self.table, self.folder / "manifest.json", *self.points.glob("*.txt")]
        if any(path.exists() for path in held):
            raise InputError("there are results already", where=str(self.folder),
                             advice="continue with --resume, name another folder, or replace them with --force")
        if any(_certificates(self.certificates)):
            raise InputError("there are certificates already", where=str(self.certificates),
                             advice="name another folder, or replace them with --force")

    def _clear(self) -> None:
        """Removes what another run left, after its table."""
        for path in [*self.points.glob("*.txt"), *_certificates(self.certificates)]:
            path.unlink()


def _certificates(folder: Path | None) -> list[Path]:
    return [path for kind in KINDS.values() for path in folder.glob(f"*.{kind}.zip")] if folder else []


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
        raise InputError("another run is writing there", where=str(folder),
                         advice="wait for its end, or name another folder") from None
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle
