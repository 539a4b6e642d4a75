"""Downloads the 45 published networks and checks each against the committed manifest."""

import csv
import hashlib
import http.client
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.data import download_folder, shipped
from engine.errors import InputError

# The public VNN-COMP benchmarks of 2022: where they are kept now, and as they were first published.
SOURCES = (
    "https://raw.githubusercontent.com/VNN-COMP/vnncomp2022_benchmarks/main/benchmarks/acasxu/onnx",
    "https://raw.githubusercontent.com/ChristopherBrix/vnncomp2022_benchmarks/"
    "c96a9c0fc7745e901f5f267a5e327c5d44d4e87d/benchmarks/acasxu/onnx",
)
SUFFIXES = (".gz", "")  # the forms in which a source may hold a file
TIMEOUT = 30.0  # seconds without an answer or a byte

Progress = Callable[[float, int], None]  # (files done, a part of one included; files in all)
Share = Callable[[float], None]  # the part of one file


@dataclass(frozen=True, slots=True)
class Entry:
    """A published file: its name, the SHA-256 and the size of its (decompressed) content."""

    name: str
    sha256: str
    size: int

    def matches(self, content: bytes) -> bool:
        return hashlib.sha256(content).hexdigest() == self.sha256


def manifest() -> tuple[Entry, ...]:
    """The 45 published networks."""
    with shipped("networks", "manifest.csv").open(newline="", encoding="ascii") as file:
        return tuple(Entry(row["name"], row["sha256"], int(row["bytes"])) for row in csv.DictReader(file))


def fetch(
    *,
    source: str | Path | None = None,
    target: str | Path | None = None,
    entries: Sequence[Entry] | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Afterwards every file of `entries` (by default the manifest) lies in the folder returned, as listed.

    `source` is a folder or the http(s) URL of one, by default the public benchmark repository; it holds
    each file as NAME.gz or NAME. What `target` holds already is kept. A download that breaks off leaves a
    `.part` file, which the next call resumes; one whose checksum is wrong leaves nothing and is an
    InputError, like everything else that stops a download.
    """
    entries = manifest() if entries is None else entries
    folder = download_folder() if target is None else Path(target)
    forms = [(base, suffix) for base in _bases(source) for suffix in SUFFIXES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for done, entry in enumerate(entries):
            progress(done, len(entries))
            if not _is_right(folder / entry.name, entry):
                used = _fetch_one(entry, folder, forms, lambda share: progress(done + share, len(entries)))
                forms.sort(key=lambda form: form != used)  # where one file was, the others are
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
    progress(len(entries), len(entries))
    return folder


def reachable(*, timeout: float) -> bool:
    """Whether a public source answers within so many seconds."""
    name = manifest()[0].name
    for url in (f"{base}/{name}{suffix}" for base in SOURCES for suffix in SUFFIXES):
        try:
            urllib.request.urlopen(url, timeout=timeout).close()
            return True
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, http.client.HTTPException):
            return False
    return False


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on stderr to give to `fetch`; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("ACAS Xu networks", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# One file


class _Missing(Exception):
    """The source does not hold the file under this name."""


def _bases(source: str | Path | None) -> Sequence[str]:
    if source is None:
        return SOURCES
    if _is_url(source):
        return [str(source).rstrip("/")]
    folder = Path(source)
    if not folder.is_dir():
        raise InputError("neither a folder nor an http(s) URL", where=f"--from {source}")
    return [str(folder), str(folder / "onnx")]


def _is_url(source: str | Path) -> bool:
    return str(source).startswith(("http://", "https://"))


def _is_right(path: Path, entry: Entry) -> bool:
    return path.is_file() and path.stat().st_size == entry.size and entry.matches(path.read_bytes())


def _fetch_one(
    entry: Entry, folder: Path, forms: Sequence[tuple[str, str]], report: Share
) -> tuple[str, str]:
    """Fetches the entry in the first form (base, suffix) that exists, and returns that form."""
    for base, suffix in forms:
        part = folder / f"{entry.name}{suffix}.part"
        try:
            _obtain(f"{base}/{entry.name}{suffix}", part, folder / entry.name, entry, report)
        except _Missing:
            continue
        return base, suffix
    bases = " and ".join(dict.fromkeys(base for base, _ in forms))
    raise InputError(f"neither {entry.name} nor {entry.name}.gz is there", where=bases,
                     advice="name another source with --from DIR_OR_URL")


def _obtain(location: str, part: Path, final: Path, entry: Entry, report: Share) -> None:
    """Puts the checked content at `final`, by way of `part`, in one step."""
    transfer = _download if _is_url(location) else _copy
    resumed = part.exists()
    transfer(location, part, report)
    content = _content(part, entry)
    if resumed and not entry.matches(content):  # perhaps the part was wrong: once more, from the start
        part.unlink()
        transfer(location, part, report)
        content = _content(part, entry)
    if not entry.matches(content):
        final.unlink(missing_ok=True)
        _discard_parts(final)
        raise InputError("the SHA-256 is not the manifest's; nothing was kept", where=location,
                         advice="try again, or name another source with --from DIR_OR_URL")
    part.write_bytes(content)
    os.replace(part, final)
    _discard_parts(final)


def _discard_parts(final: Path) -> None:
    for suffix in SUFFIXES:
        final.with_name(f"{final.name}{suffix}.part").unlink(missing_ok=True)


def _content(part: Path, entry: Entry) -> bytes:
    """What was downloaded, decompressed: at most a byte more than the entry has, so no bomb unfolds."""
    content = part.read_bytes()
    if not part.name.endswith(".gz.part"):
        return content
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, entry.size + 1)
    except zlib.error:
        return b""


def _copy(location: str, part: Path, report: Share) -> None:
    try:
        content = Path(location).read_bytes()
    except FileNotFoundError as error:
        raise _Missing from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=location) from error
    part.write_bytes(content)


# HTTP


def _download(url: str, part: Path, report: Share) -> None:
    """Downloads into `part`: on after what it holds where the server can, else from the start."""
    start = part.stat().st_size if part.exists() else 0
    try:
        with _open(url, start) as response:
            _receive(response, part, start if _goes_on(response, start) else 0, report)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise _Missing from error
        raise _broken_off(url, f"HTTP status {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _broken_off(url, getattr(error, "reason", None) or error or type(error).__name__) from error


def _open(url: str, start: int) -> http.client.HTTPResponse:
    """The answer that starts at `start`, or at 0 where the server cannot."""
    if start:
        request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"})
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
            if response.status != 206 or _goes_on(response, start):
                return response
            response.close()
        except urllib.error.HTTPError as error:
            if error.code != 416:  # there is nothing at `start`: what `part` holds is no beginning
                raise
            error.close()
    return urllib.request.urlopen(url, timeout=TIMEOUT)


def _goes_on(response: http.client.HTTPResponse, start: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _receive(response: http.client.HTTPResponse, part: Path, start: int, report: Share) -> None:
    length, received = response.length, 0
    with part.open("ab" if start else "wb") as file:
        while chunk := response.read1(1 << 16):
            file.write(chunk)
            received += len(chunk)
            report((start + received) / (start + length) if length else 0.0)
    if length is not None and received < length:
        raise OSError(f"the connection ended after {received} of {length} bytes")


def _broken_off(url: str, why: object) -> InputError:
    return InputError(f"download failed: {why}", where=url,
                      advice="run `acasxu fetch` again to go on, or name a source with --from DIR_OR_URL")
