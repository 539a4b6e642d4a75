"""The published files by the SHA-256 of their content, as the committed manifests list them."""

import csv

from engine.acasxu.files import shipped
from engine.fetching import Entry


def manifest() -> tuple[Entry, ...]:
    """The 45 published networks as ONNX files."""
    return _entries("manifest.csv")


def nnet_manifest() -> tuple[Entry, ...]:
    """The same as `.nnet` files."""
    return _entries("nnet.csv")


def _entries(name: str) -> tuple[Entry, ...]:
    with shipped("networks", name).open(newline="", encoding="ascii") as file:
        return tuple(Entry(row["name"], row["sha256"], int(row["bytes"])) for row in csv.DictReader(file))
