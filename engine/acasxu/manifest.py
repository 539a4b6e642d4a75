"""The 45 published files by the SHA-256 of their content, as the committed manifest lists them."""

import csv
import hashlib
from dataclasses import dataclass

from engine.acasxu.files import shipped


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
