"""The networks that --network tells: one of ACAS Xu's by its index, or files by their names in a query."""

from collections.abc import Sequence
from pathlib import Path

from engine.acasxu.networks import NetworkIndex, network_index
from engine.errors import InputError

OPTION = "--network"


def told_networks(values: Sequence[str]) -> tuple[NetworkIndex | None, dict[str, Path]]:
    """The index that is told, if any, and the files by name: values are A,T, or NAME=FILE. InputError for both."""
    unnamed = [value for value in values if "=" not in value]
    named = _named([value for value in values if "=" in value])
    if len(unnamed) > 1 or (unnamed and named):
        raise InputError(
            f"{' and '.join(unnamed[:2] if len(unnamed) > 1 else values[:2])} are given",
            where=OPTION,
            advice="give one network A,T, or each network of a query as NAME=FILE",
        )
    return (network_index(unnamed[0]) if unnamed else None), named


def _named(values: Sequence[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for value in values:
        name, _, file = value.partition("=")
        if not (name and file):
            raise InputError("a name or a file is missing", where=f"{OPTION} {value}", advice="write NAME=FILE")
        if name in files:
            raise InputError(f"network {name!r} is given twice", where=f"{OPTION} {value}", advice="keep one")
        files[name] = Path(file)
    return files
