"""Finds networks and properties in folders by the SHA-256 that a certificate names."""

import os
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatch
from functools import cache
from hashlib import sha256
from pathlib import Path

from engine.audit.failures import Malformed
from engine.audit.files import read_bytes
from engine.audit.onnx_data import network_hash

MAX_FILE = 512 * 2**20
MAX_ENTRIES, MAX_DEPTH = 100_000, 32  # of a folder: files and folders in it, and how deep they may lie
NETWORKS, PROPERTIES = ("*.onnx", "*.onnx.gz", "*.nnet", "*.nnet.gz"), ("*.vnnlib", "*.vnnlib.gz")


def with_hash(digest: str, place: Path, patterns: tuple[str, ...]) -> Path:
    """Returns the file with this SHA-256 in a folder, or `place` itself if it is a file. Malformed if there is none."""
    if not place.is_dir():
        return place
    found = _by_hash(place, patterns).get(digest)
    if found is None:
        raise Malformed(f"{place}: no file in it has the SHA-256 {digest} that the certificate names")
    return found


@cache
def _by_hash(folder: Path, patterns: tuple[str, ...]) -> dict[str, Path]:
    """Returns the files of a folder and its subfolders by the SHA-256 that certificates name them by.

    Links to folders are not followed. Files that cannot be read are left out.
    """
    found: dict[str, Path] = {}
    for path in _files(folder, patterns):
        with suppress(Malformed):
            digest = network_hash(path) if patterns == NETWORKS else sha256(read_bytes(path, MAX_FILE)).hexdigest()
            found.setdefault(digest, path)
    return found


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """Yields the files, first those in the folder itself. Malformed where there are too many entries."""
    left, depth = MAX_ENTRIES, len(folder.parts)
    for place, folders, names in os.walk(folder):
        left -= len(folders) + len(names)
        if left < 0:
            raise Malformed(f"{folder}: it holds more than {MAX_ENTRIES:,} files and folders; name the file itself")
        folders[:] = sorted(folders) if len(Path(place).parts) - depth < MAX_DEPTH else []
        yield from (Path(place, name) for name in sorted(names) if any(fnmatch(name, each) for each in patterns))
