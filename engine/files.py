"""Files that are read only where they are files, and written whole or not at all."""

import errno
import gzip
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import InputError

MAX_NAME = 255  # bytes of a file's name, on the usual file systems
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


# Reading


def regular(path: str | os.PathLike[str], flags: int) -> int:
    """Opens a regular file, for `open(path, opener=regular)`; OSError at once for all else.

    A pipe or a device may never end, and opening one may wait for a writer. They are refused even where they
    would end, as are /dev/stdin and the shell's <(...): what is read here is read again, by the checker for one.
    """
    file = os.open(path, flags | os.O_NONBLOCK)
    kind = stat.S_IFMT(os.fstat(file).st_mode)
    if kind == stat.S_IFREG:
        return file
    os.close(file)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a regular file", str(path))


# Writing


def prepare(path: str | Path, *, option: str, given: Iterable[str | Path] = ()) -> Path:
    """The file that `path` leads to, after a trial that it can be written; what an earlier run left there is removed.

    So a path that cannot be written is found before the work, and what lies there afterwards is of
    this run. `given`: files that are needed; InputError, and nothing is touched, where it is one of them. `option`
    stands in the error.
    """
    target = Path(os.path.realpath(path))
    try:
        demand_not_needed(path, option=option, given=given)
        if target.is_dir():
            raise InputError("this is a directory", where=f"{option} {path}", advice="name a file in it")
        if target.is_fifo():  # a trial would end whoever reads it, and the writing then wait for another reader
            raise InputError("this is a pipe", where=f"{option} {path}", advice="name a file")
        if _is_special(target):
            os.close(os.open(target, os.O_WRONLY | os.O_NONBLOCK))
        else:
            with _neighbour(target) as part:
                part.touch()
            target.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})", where=f"{option} {path}", advice="check the folder and its rights"
        ) from None
    return target


def write_text(path: Path, text: str) -> None:
    """Puts the ASCII text at `path` in one step: a reader never sees a part of it."""
    write_bytes(path, text.encode("ascii"))


def write_bytes(path: Path, data: bytes) -> None:
    """Puts the data at `path` in one step."""
    if _is_special(path):
        path.write_bytes(data)
        return
    with _neighbour(path) as part:
        part.write_bytes(data)
        os.replace(part, path)


def write_new(path: str | Path, data: bytes, *, force: bool = False) -> None:
    """Puts the data at `path` in one step, compressed where its name ends in `.gz`.

    InputError where the file exists, unless `force`, or cannot be written.
    """
    path = Path(path)
    demand_new(path, force=force)
    try:
        write_bytes(path, gzip.compress(data, mtime=0) if path.name.endswith(".gz") else data)
    except OSError as error:
        what = f"it cannot be written ({error.strerror})"
        raise InputError(what, where=str(path), advice="check the folder") from None


def demand_new(path: Path, *, force: bool = False) -> None:
    """InputError where the file exists, unless `force`."""
    if os.path.lexists(path) and not force:
        raise InputError("this file exists", where=str(path), advice="choose another name or force it")


def unwritable(error: OSError, where: Path) -> InputError:
    """The InputError for `error`, which concerns a file in or at `where`."""
    return InputError(
        f"cannot be written ({error.strerror})",
        where=str(error.filename or where),
        advice="check the folder, its rights and the disk",
    )


def fitting(name: str, ending: str) -> str:
    """`name` and `ending`, the name shortened where no file could be called so. Different names stay different."""
    if len(os.fsencode(name + ending)) <= MAX_NAME:
        return name + ending
    mark = f"-{_mark(name)}{ending}"
    kept = os.fsencode(name)[: MAX_NAME - len(os.fsencode(mark))]
    return kept.decode("utf-8", "ignore") + mark


def demand_not_needed(path: str | Path, *, option: str, given: Iterable[str | Path]) -> None:
    """InputError where `path`, which is to be written, leads to one of the files that are `given`."""
    target = Path(os.path.realpath(path))
    if any(_is_same(target, file) for file in given):
        what = "this file is needed itself, and would be replaced"
        raise InputError(what, where=f"{option} {path}", advice="name another one")


def _is_same(target: Path, file: str | Path) -> bool:
    """True iff both paths lead to one file, also by way of a hard link."""
    same_path = target == Path(os.path.realpath(file))
    return same_path or (target.exists() and os.path.exists(file) and os.path.samefile(target, file))


def _is_special(path: Path) -> bool:
    """A device or a pipe, which must not be replaced by a file."""
    return path.exists() and not path.is_file()


@contextmanager
def _neighbour(path: Path) -> Iterator[Path]:
    """A name beside `path` for what is being written, gone at the end; short however long the other is.

    That it cannot be removed never hides why the writing failed.
    """
    part = path.with_name(f".{_mark(path.name)}.{os.getpid()}.part")
    try:
        yield part
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _mark(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
