"""What the files of a run hold, by their SHA-256."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.bench.instances import Instance
from engine.files import regular

CHUNK = 1 << 20
MAX_BYTES = 1 << 30  # more than the readers of networks and properties take: such files are theirs to refuse


def listed_files(instances: Iterable[Instance]) -> dict[str, Path]:
    """Each file by the name that results call it."""
    files = {}
    for instance in instances:
        if not instance.fault:
            files |= zip(instance.names, (instance.network, instance.property))
    return files


def input_hashes(instances: Iterable[Instance], files: dict[str, Path]) -> dict[str, str | None]:
    """SHA-256 of what each file holds; None where it cannot be read, or is none."""
    names = dict.fromkeys(name for instance in instances for name in instance.names)
    return names | {name: _hash(path) for name, path in files.items()}


def content(path: Path) -> bytes | None:
    """What a file holds; None where it cannot be read, which whoever decides the instance will find out and say."""
    parts = list(_parts(path))
    return None if None in parts else b"".join(parts)


def _hash(path: Path) -> str | None:
    digest = hashlib.sha256()
    for part in _parts(path):
        if part is None:
            return None
        digest.update(part)
    return digest.hexdigest()


def _parts(path: Path) -> Iterator[bytes | None]:
    """A file's decompressed bytes, and None at last where it cannot be read, or holds more than MAX_BYTES."""
    size = 0
    try:
        with open(path, "rb", opener=regular) as raw, (gzip.open(raw) if path.suffix == ".gz" else raw) as file:
            while data := file.read(CHUNK):
                size += len(data)
                if size > MAX_BYTES:
                    yield None
                    return
                yield data
    except (OSError, EOFError, zlib.error, ValueError):
        yield None
