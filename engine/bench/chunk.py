"""What goes to a worker, and what comes back. Nothing heavy is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.bench.instances import Instance
from engine.onnx_file import Whole
from engine.results.row import Row


@dataclass(frozen=True, slots=True)
class Chunk:
    """Instances that are searched together. hashes: of their files, by name, as the manifest has them; files: what
    the files hold, for a worker on a machine that has no such files.
    """

    instances: tuple[Instance, ...]
    hashes: Mapping[str, str | None]
    files: Mapping[Path, Whole] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an instance: its row, and the files that belong to it."""

    row: Row
    counterexample: str | None = None
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A row, its two input files with the SHA-256 that the manifest has of them, and what speaks for the verdict:
    the counterexample's file, the certificate's.
    """

    row: Row
    network: Path
    property: Path
    hashes: tuple[str | None, str | None]
    point: Path | None = None
    certificate: Path | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How many boxes a search has open."""

    open: int


def pieces(items: list, count: int) -> list[list]:
    """The items in at most `count` parts of nearly the same size, none of them empty."""
    size = max(1, -(-len(items) // count))
    return [items[i : i + size] for i in range(0, len(items), size)]
