"""Files that are written whole or not at all."""

import os
from pathlib import Path

from engine.errors import InputError


def prepare(path: str | Path, *, option: str) -> Path:
    """Where `path` leads, after a trial that it can be written; what an earlier run left there is removed.

    So a path that cannot be written is found before the work, and what lies there afterwards is of
    this run. `option` stands in the error.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise InputError("this is a directory", where=f"{option} {path}", advice="name a file in it")
        if _is_special(target):
            target.open("a").close()
        else:
            part = _part(target)
            part.touch()
            part.unlink()
            target.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", where=f"{option} {path}",
                         advice="check the folder and its rights") from None
    return target


def write_text(path: Path, text: str) -> None:
    """Puts the ASCII text at `path` in one step: a reader never sees a part of it."""
    write_bytes(path, text.encode("ascii"))


def write_bytes(path: Path, data: bytes) -> None:
    """Puts the data at `path` in one step."""
    if _is_special(path):
        path.write_bytes(data)
        return
    part = _part(path)
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def unwritable(error: OSError, where: Path) -> InputError:
    """What to tell the user of `error`, which concerns a file in or at `where`."""
    return InputError(f"cannot be written ({error.strerror})", where=str(error.filename or where),
                      advice="check the folder, its rights and the disk")


def _is_special(path: Path) -> bool:
    """A device or a pipe, which must not be replaced by a file."""
    return path.exists() and not path.is_file()


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
