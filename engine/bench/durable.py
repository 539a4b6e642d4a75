"""Files that survive whatever ends the program, a power cut too.

What a function here has written is on the disk when it returns, as far as the disk tells the truth: the data are
synchronized before the name is given to them, and the folder that holds the name after that.

No link is followed, and nothing is added to a file that somebody else put there: every file is a new one of this
program, which takes its name when it is whole.
"""

import csv
import errno
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from io import StringIO
from pathlib import Path

from engine.errors import InputError
from engine.files import regular, unwritable

MAX_BYTES = 256 * 2**20  # of a table
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PARTS = ".*.part"


# Reading


def plain(path: str | os.PathLike[str], flags: int) -> int:
    """Opens a regular file that is no link, for `open(path, opener=plain)`; OSError at once for all else."""
    try:
        return regular(path, flags | _NOFOLLOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, "it is a link, which is not followed", str(path)) from None


def read_plain(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file, at most `limit`; OSError for all else, ValueError where it holds more."""
    with open(path, "rb", opener=plain) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it holds more than {limit:,} bytes")
    return data


def demand_plain(path: Path, *, folder: bool = False) -> None:
    """InputError where something else than a file (or a folder) lies there; OSError where that cannot be seen."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(mode):
        found = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "something else"
        wanted = "a folder" if folder else "a file"
        raise InputError(
            f"there should be {wanted}, and there is {found}, which is left alone",
            where=str(path),
            advice="remove it, or name another folder",
        )


# Writing


def write_durably(path: Path, data: bytes) -> None:
    """Puts the data at `path` in one step. The name is durable after `sync_folder` of its folder."""
    os.close(_written(path, data))


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(folder: Path) -> None:
    """Removes what was being written there by a program that was killed."""
    for path in folder.glob(_PARTS):
        path.unlink()


class DurableTable:
    """A csv file that grows by whole rows; a cell holds no line break.

    `lines`: the rows that it held when it was opened, after its header. A last line that was cut off is none of them,
    and is no longer in the file.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], *, fresh: bool):
        """InputError where the file cannot be read or written, or has other columns."""
        self.path, self._columns = path, list(columns)
        data = b"" if fresh else self._content()
        data = data[: data.rfind(b"\n") + 1]
        self.lines = self._read(data) if data else []
        self._begin(data or _text([self._columns]))

    def append(self, rows: Iterable[list[str]]) -> None:
        """Adds the rows, all of them or none; InputError where there is no room."""
        data = _text(rows)
        try:
            _write(self._file, data)
            os.fsync(self._file)
        except OSError as error:
            self._cut()
            raise unwritable(error, self.path) from None
        self._size += len(data)

    def replace(self, rows: Iterable[list[str]]) -> None:
        """Puts these rows in place of all, in one step."""
        old = self._file
        self._begin(_text([self._columns, *rows]))
        os.close(old)

    def held(self) -> list[list[str]]:
        """The rows that the file holds now, whatever interrupted the last addition."""
        return self._read(self._content())

    def close(self) -> None:
        os.close(self._file)

    def _begin(self, data: bytes) -> None:
        """Puts a new file with these data in place of the old one."""
        self._file, self._size = _written(self.path, data), len(data)
        sync_folder(self.path.parent)

    def _content(self) -> bytes:
        try:
            return read_plain(self.path)
        except FileNotFoundError:
            return b""
        except (OSError, ValueError) as error:
            raise InputError(
                f"cannot be read ({getattr(error, 'strerror', None) or error})",
                where=str(self.path),
                advice="name another folder, or remove it",
            ) from None

    def _read(self, data: bytes) -> list[list[str]]:
        head, *rows = map(_cells, data.decode("utf-8", "replace").split("\n")[:-1])
        if head != self._columns:
            raise InputError(
                "its columns are not those of this version",
                where=str(self.path),
                advice="name another folder, or replace it with --force",
            )
        return rows

    def _cut(self) -> None:
        """Takes off what a failed `append` may have left; where that fails too, resuming does."""
        with suppress(OSError):
            os.ftruncate(self._file, self._size)


def _written(path: Path, data: bytes) -> int:
    """Puts the data at `path` in one step, and returns a descriptor of the new file, to add to it.

    The name under which it is written is short whatever `path` is called, and nobody can have taken it before.
    """
    part, file = path.with_name(f".{secrets.token_hex(8)}.part"), -1
    try:
        demand_plain(path)
        file = os.open(part, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o666)
        with open(file, "wb", closefd=False) as stream:
            stream.write(data)
        os.fsync(file)
        os.replace(part, path)
        return file
    except BaseException as error:
        with suppress(OSError):
            os.close(file)
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise unwritable(OSError(error.errno, error.strerror), path) from None
        raise


def _cells(line: str) -> list[str]:
    """The cells of a line, none where it is no csv: a disk that lost power may hold anything."""
    try:
        return next(csv.reader([line.replace("\0", "?")]), [])
    except csv.Error:
        return []


def _text(rows: Iterable[list[str]]) -> bytes:
    file = StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode("utf-8", "replace")


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
