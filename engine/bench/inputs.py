"""What the files of a run hold, by their SHA-256."""

from collections.abc import Iterable
from pathlib import Path

from engine.bench.instances import Instance
from engine.errors import InputError
from engine.onnx_file import read_whole


def listed_files(instances: Iterable[Instance]) -> dict[str, Path]:
    """Each file by the name that results call it."""
    files = {}
    for instance in instances:
        files |= zip(instance.names, (instance.network, instance.property))
    return files


def input_hashes(files: dict[str, Path]) -> dict[str, str | None]:
    """SHA-256 of each file's decompressed bytes, those of a network's data files included; None where it cannot be
    read.
    """
    return {name: _hash(path) for name, path in files.items()}


def _hash(path: Path) -> str | None:
    try:
        return read_whole(path).sha256
    except InputError:
        return None
