"""Published files, fetched from folders or over HTTP, and each checked by its SHA-256."""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.download import BrokenOff, Missing, Share, download
from engine.errors import InputError
from engine.files import regular, write_bytes

SUFFIXES = (".gz", "")  # the forms in which a source may hold a file

Progress = Callable[[float, int], None]  # (files done, a part of one included; files in all)


@dataclass(frozen=True, slots=True)
class Entry:
    """A published file: its name, the SHA-256 and the size of its (decompressed) content."""

    name: str
    sha256: str
    size: int

    def matches(self, content: bytes) -> bool:
        return hashlib.sha256(content).hexdigest() == self.sha256


def fetch_files(
    entries: Sequence[Entry],
    folder: Path,
    *,
    sources: Sequence[str] | Path | str,
    command: str,
    progress: Progress = lambda done, total: None,
) -> None:
    """Afterwards every file of `entries` lies in `folder`, as listed.

    `sources` are URLs of folders, tried in turn; or one folder or http(s) URL that the user named. Each holds files as
    NAME.gz or NAME. What `folder` holds already is kept. No more is taken than an entry's size allows. A connection
    that breaks off leaves a `.part` file, which the next call resumes; Ctrl-C, a full disk and a wrong checksum leave
    nothing. What stops a download is an InputError; `command` is what it advises to run again.
    """
    bases = _bases(sources) if isinstance(sources, str | Path) else sources
    forms = [(base, suffix) for base in bases for suffix in SUFFIXES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for done, entry in enumerate(entries):
            progress(done, len(entries))
            if not is_right(folder / entry.name, entry):
                report = partial(_report, progress, done, len(entries))
                used = _fetch_one(entry, folder, forms, report, command)
                forms.sort(key=lambda form: form != used)  # where one file was, the others are
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
    progress(len(entries), len(entries))


def is_right(path: Path, entry: Entry) -> bool:
    """True iff the file is there, and is the entry's."""
    return path.is_file() and path.stat().st_size == entry.size and entry.matches(path.read_bytes())


def _report(progress: Progress, done: int, total: int, share: float) -> None:
    progress(done + share, total)


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """A bar on stderr to give to `fetch_files`; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# One file


def _bases(source: str | Path) -> Sequence[str]:
    if _is_url(source):
        return [str(source).rstrip("/")]
    folder = Path(source)
    if not folder.is_dir():
        raise InputError("neither a folder nor an http(s) URL", where=f"--from {source}")
    return [str(folder), str(folder / "onnx")]


def _is_url(source: str | Path) -> bool:
    return str(source).startswith(("http://", "https://"))


def _fetch_one(
    entry: Entry, folder: Path, forms: Sequence[tuple[str, str]], report: Share, command: str
) -> tuple[str, str]:
    """Fetches the entry in the first form (base, suffix) that exists, and returns that form."""
    for base, suffix in forms:
        part = folder / f"{entry.name}{suffix}.part"
        try:
            _obtain(f"{base}/{entry.name}{suffix}", part, folder / entry.name, entry, report, command)
        except Missing:
            continue
        return base, suffix
    bases = " and ".join(dict.fromkeys(base for base, _ in forms))
    raise InputError(
        f"neither {entry.name} nor {entry.name}.gz is there",
        where=bases,
        advice="name another source with --from DIR_OR_URL",
    )


def _obtain(location: str, part: Path, final: Path, entry: Entry, report: Share, command: str) -> None:
    """Puts the checked content at `final` in one step. All that is unfinished is in memory."""
    limit = entry.size + (entry.size // 100 + 4096 if location.endswith(".gz") else 0)  # gzip may add a little
    held = _held(part, limit)
    part.unlink(missing_ok=True)
    data = _transfer(location, part, limit, held, report, command)
    if held and not entry.matches(_content(location, data, entry)):  # perhaps what was held was wrong: from the start
        data = _transfer(location, part, limit, b"", report, command)
    content = _content(location, data, entry)
    if not entry.matches(content):
        final.unlink(missing_ok=True)
        _discard_parts(final)
        raise InputError(
            "the SHA-256 is not the manifest's; nothing was kept",
            where=location,
            advice="try again, or name another source with --from DIR_OR_URL",
        )
    write_bytes(final, content)
    _discard_parts(final)


def _held(part: Path, limit: int) -> bytes:
    """The bytes that an earlier download left; none where they are too many."""
    try:
        with open(part, "rb", opener=regular) as file:
            data = file.read(limit + 1)
    except OSError:
        return b""
    return data if len(data) <= limit else b""


def _discard_parts(final: Path) -> None:
    for suffix in SUFFIXES:
        final.with_name(f"{final.name}{suffix}.part").unlink(missing_ok=True)


def _content(location: str, data: bytes, entry: Entry) -> bytes:
    """The data, decompressed: at most a byte more than the entry has, so no bomb unfolds."""
    if not location.endswith(".gz"):
        return data
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(data, entry.size + 1)
    except zlib.error:
        return b""


def _transfer(location: str, part: Path, limit: int, held: bytes, report: Share, command: str) -> bytes:
    """At most a byte more than the limit. A connection that breaks leaves what has come at `part`, if there is room."""
    if not _is_url(location):
        return _copy(location, limit)
    try:
        return download(location, limit=limit, held=held, report=report)
    except BrokenOff as error:
        if error.received:
            with suppress(OSError):
                write_bytes(part, error.received)
        raise InputError(
            f"download failed: {error}",
            where=location,
            advice=f"run `{command}` again to go on, or name a source with --from DIR_OR_URL",
        ) from error


def _copy(location: str, limit: int) -> bytes:
    try:
        with open(location, "rb", opener=regular) as file:
            return file.read(limit + 1)
    except FileNotFoundError as error:
        raise Missing from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=location) from error
