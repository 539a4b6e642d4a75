"""Files that survive whatever ends the program, a power cut too.

What a function here has written is on the disk when it returns, as far as the disk tells the truth: the data are
synchronized before the name is given to them, and the folder that holds the name after that.
"""

import csv
import errno
import os
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from engine.errors import InputError
from engine.files import unwritable


def write_durably(path: Path, data: bytes) -> None:
    """Puts the data at `path` in one step. The name is durable after `sync_folder` of its folder."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise unwritable(error, path) from None


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Table:
    """A csv file that grows by whole rows; a cell holds no line break.

    `lines`: the rows that it held when it was opened. A last line that was cut off is none of them, and is removed
    from the file before anything is added.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], *, fresh: bool):
        """InputError where the file cannot be read or written, or has other columns."""
        self.path, self._columns = path, list(columns)
        self.lines: list[list[str]] = []
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if fresh else 0), 0o666)
            data = b"" if fresh else path.read_bytes()
            self._size = data.rfind(b"\n") + 1
            if len(data) > self._size:
                os.ftruncate(self._file, self._size)
        except OSError as error:
            raise unwritable(error, path) from None
        if self._size:
            self.lines = self._read(data)
        else:
            self.append([self._columns])
            sync_folder(path.parent)

    def append(self, rows: Iterable[list[str]]) -> None:
        """Adds the rows, all of them or none; InputError where there is no room."""
        data = _text(rows)
        try:
            _write(self._file, data)
            _sync(self._file)
        except OSError as error:
            self._cut()
            raise unwritable(error, self.path) from None
        self._size += len(data)

    def replace(self, rows: Iterable[list[str]]) -> None:
        """Puts these rows in place of all, in one step."""
        data = _text([self._columns, *rows])
        write_durably(self.path, data)
        sync_folder(self.path.parent)
        os.close(self._file)
        self._file, self._size = os.open(self.path, os.O_RDWR | os.O_APPEND), len(data)

    def held(self) -> list[list[str]]:
        """The rows that the file holds now, whatever interrupted the last addition."""
        return self._read(self.path.read_bytes())

    def close(self) -> None:
        os.close(self._file)

    def _read(self, data: bytes) -> list[list[str]]:
        lines = data.decode("utf-8", "replace").split("\n")[:-1]
        head, *rows = [next(csv.reader([line.replace("\0", "?")]), []) for line in lines]
        if head != self._columns:
            raise InputError("its columns are not those of this version", where=str(self.path),
                             advice="name another folder, or replace it with --force")
        return rows

    def _cut(self) -> None:
        """Takes off what a failed `append` may have left."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:  # a device; or resuming takes it off
            pass


def _text(rows: Iterable[list[str]]) -> bytes:
    file = StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode("utf-8", "replace")


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a device has nothing to synchronize
            raise
