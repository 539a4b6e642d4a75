"""The 45 published files by the SHA-256 of their content, as the committed manifest lists them."""

import csv

from engine.acasxu.files import shipped
from engine.fetching import Entry


def manifest() -> tuple[Entry, ...]:
    """The 45 published networks."""
    with shipped("networks", "manifest.csv").open(newline="", encoding="ascii") as file:
        return tuple(Entry(row["name"], row["sha256"], int(row["bytes"])) for row in csv.DictReader(file))
