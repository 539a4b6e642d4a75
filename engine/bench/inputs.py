"""What the files of a run hold, by their SHA-256."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

from engine.bench.instances import Instance
from engine.errors import InputError
from engine.onnx_file import made_from, read_bytes

CHUNK = 1 << 20


def listed_files(instances: Iterable[Instance]) -> dict[str, Path]:
    """Each file by the name that results call it."""
    files = {}
    for instance in instances:
        files |= zip(instance.names, (instance.network, instance.property))
    return files


def input_hashes(files: dict[str, Path]) -> dict[str, str | None]:
    """SHA-256 of each file's decompressed bytes; None where it cannot be read."""
    return {name: _hash(path) for name, path in files.items()}


def origins(instances: Iterable[Instance], hashes: dict[str, str | None]) -> dict[str, str]:
    """The SHA-256 of what networks were made from, by the names of those whose own metadata say it; `hashes` has those
    that can be read."""
    networks = {instance.names[0]: instance.network for instance in instances}
    found = {name: _origin(path) for name, path in networks.items() if hashes[name]}
    return {name: sha256 for name, sha256 in found.items() if sha256}


def _origin(path: Path) -> str | None:
    try:
        return made_from(read_bytes(path))
    except InputError:
        return None


def _hash(path: Path) -> str | None:
    digest = hashlib.sha256()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while data := file.read(CHUNK):
                digest.update(data)
    except (OSError, EOFError, zlib.error, ValueError):
        return None
    return digest.hexdigest()
