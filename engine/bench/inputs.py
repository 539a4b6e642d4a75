"""The SHA-256 of a run's files, and of what networks were made from."""

from collections.abc import Iterable
from pathlib import Path

from engine.bench.instances import Instance
from engine.errors import InputError
from engine.onnx_file import made_from, read_bytes, read_whole


def listed_files(instances: Iterable[Instance]) -> dict[str, Path]:
    """Each file by the name that results call it; those of instances with a fault, which are not read, are left out."""
    files: dict[str, Path] = {}
    for instance in instances:
        if not instance.fault:
            files |= instance.paths
    return files


def input_hashes(instances: Iterable[Instance], files: dict[str, Path]) -> dict[str, str | None]:
    """The SHA-256 of each file's decompressed bytes, those of a network's data files included, by the file's name.

    None where a file cannot be read, or is none.
    """
    names = dict.fromkeys(name for instance in instances for name in instance.paths)
    return names | {name: _hash(path) for name, path in files.items()}


def origins(instances: Iterable[Instance], hashes: dict[str, str | None]) -> dict[str, str]:
    """The SHA-256 of what networks were made from, by the names of those whose own metadata say it.

    `hashes` has the files that can be read.
    """
    networks = {each.name: each.path for instance in instances for each in instance.networks}
    found = {name: _origin(path) for name, path in networks.items() if hashes[name]}
    return {name: sha256 for name, sha256 in found.items() if sha256}


def _origin(path: Path) -> str | None:
    try:
        return made_from(read_bytes(path))
    except InputError:
        return None


def _hash(path: Path) -> str | None:
    try:
        return read_whole(path).sha256
    except InputError:
        return None
