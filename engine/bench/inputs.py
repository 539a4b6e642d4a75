"""What the files of a run hold, by their SHA-256."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from engine.bench.instances import Instance
from engine.errors import InputError
from engine.onnx_file import read_bytes


def listed_files(instances: Iterable[Instance]) -> dict[str, Path]:
    """Each file by the name that results call it; none of those with a fault, which are not read."""
    files = {}
    for instance in instances:
        if not instance.fault:
            files |= zip(instance.names, (instance.network, instance.property))
    return files


def input_hashes(instances: Iterable[Instance], files: dict[str, Path]) -> dict[str, str | None]:
    """SHA-256 of each file's decompressed bytes; None where it cannot be read, or is none."""
    names = dict.fromkeys(name for instance in instances for name in instance.names)
    return names | {name: _hash(path) for name, path in files.items()}


def _hash(path: Path) -> str | None:
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except InputError:
        return None
