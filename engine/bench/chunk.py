"""Messages to workers and from them. Nothing heavy is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.bench.instances import Instance
from engine.onnx_file import Whole
from engine.results.row import Row

T = TypeVar("T")

LEAST, ROUNDS = 8, 4  # instances of a chunk: fewer share too little of a search; chunks for each worker, at least


@dataclass(frozen=True, slots=True)
class Chunk:
    """Instances that are searched together.

    `hashes`: the SHA-256 of their files, by name, as the manifest has them. `files`: what the files hold, for a worker
    on a machine that has no such files.
    """

    instances: tuple[Instance, ...]
    hashes: Mapping[str, str | None]
    files: Mapping[Path, Whole] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of an instance: its row, and the files that belong to it."""

    row: Row
    counterexample: str | None = None
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A row, its instance, and what speaks for the verdict: the files of counterexample and certificate.

    `hashes`: the SHA-256 that the manifest has of the instance's files, by name.
    """

    row: Row
    instance: Instance
    hashes: Mapping[str, str | None]
    point: Path | None = None
    certificate: Path | None = None


class Checked(NamedTuple):
    """The independent checker's word on a certificate.

    `word` is one of CHECKS, empty where it could not tell. `seconds`: its time, None where it said nothing. `reason`
    says why the certificate is not accepted.
    """

    word: str
    seconds: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class OpenBoxCount:
    """The number of boxes that a search has open."""

    open: int


def mixed(items: list[T], workers: int, *, most: int) -> list[list[T]]:
    """The items in parts of at most `most`, some for each of several workers. Each part has items from the whole list:
    hard ones often stand together, and workers are to end at about the same time."""
    wanted = min(ROUNDS * workers, -(-len(items) // LEAST)) if workers > 1 else 1
    count = max(wanted, -(-len(items) // most))
    return [items[i::count] for i in range(count)] if items else []


def pieces(items: list[T], count: int) -> list[list[T]]:
    """The items, divided into at most `count` parts of nearly the same size, none of them empty."""
    size = max(1, -(-len(items) // count))
    return [items[i : i + size] for i in range(0, len(items), size)]
