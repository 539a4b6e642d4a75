"""Downloads the 45 published networks and checks each against the committed manifest."""

import http.client
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from engine import fetching
from engine.acasxu.files import download_folder
from engine.acasxu.manifest import manifest
from engine.download import answers
from engine.fetching import SUFFIXES, Entry, Progress, fetch_files

# The public VNN-COMP benchmarks of 2022: where they are kept now, and as they were first published.
SOURCES = (
    "https://raw.githubusercontent.com/VNN-COMP/vnncomp2022_benchmarks/main/benchmarks/acasxu/onnx",
    "https://raw.githubusercontent.com/ChristopherBrix/vnncomp2022_benchmarks/"
    "c96a9c0fc7745e901f5f267a5e327c5d44d4e87d/benchmarks/acasxu/onnx",
)


def fetch(
    *,
    source: str | Path | None = None,
    target: str | Path | None = None,
    entries: Sequence[Entry] | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Returns a folder in which every file of `entries` (by default the manifest) lies, as listed.

    `source` is a folder or the http(s) URL of one, by default the public benchmark repository. The rest is as
    `fetch_files` has it.
    """
    entries = manifest() if entries is None else entries
    folder = download_folder() if target is None else Path(target)
    fetch_files(entries, folder, sources=source or SOURCES, command="acasxu fetch", progress=progress)
    return folder


def reachable(*, timeout: float) -> bool:
    """True iff a public source answers within so many seconds."""
    name = manifest()[0].name
    try:
        return any(answers(f"{base}/{name}{suffix}", timeout=timeout) for base in SOURCES for suffix in SUFFIXES)
    except (OSError, http.client.HTTPException):
        return False


def progress_bar() -> AbstractContextManager[Progress]:
    """A bar on stderr to give to `fetch`; silent where that is no terminal."""
    return fetching.progress_bar("ACAS Xu networks")
