"""Which instances to decide."""

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.acasxu import NETWORKS, PROPERTIES, NetworkIndex, Specification
from engine.acasxu import benchmark_instances as benchmark
from engine.data import network_path, property_path
from engine.errors import InputError
from engine.files import regular

FORM = "write NETWORK.onnx,PROPERTY.vnnlib or NETWORK.onnx,PROPERTY.vnnlib,SECONDS"


@dataclass(frozen=True, slots=True)
class Instance:
    """Two files, what results call them, a time limit if one is given, and where all that is said."""

    network: Path
    property: Path
    names: tuple[str, str]
    limit: float | None = None
    where: str = ""


def read_instances(path: Path) -> list[Instance]:
    """The instances of a list in VNN-COMP's form; InputError names the line that is wrong.

    Paths are relative to the list; `.gz` may be missing from them. Blank lines and those that start
    with `#` are skipped. Whether the files can be read is not asked here.
    """
    rows = list(_rows(path))
    if not rows:
        raise InputError("no instance is listed", where=str(path), advice=FORM)
    of_networks, of_properties = (_names(row[column] for _, row in rows) for column in (0, 1))
    return [
        Instance(
            _file(path.parent / row[0]), _file(path.parent / row[1]),
            (of_networks[row[0]], of_properties[row[1]]), _limit(row[2:], where), where,
        )
        for where, row in rows
    ]


def distinct(instances: list[Instance]) -> list[Instance]:
    """Each question once, with the longest time limit that it is listed with.

    InputError where two questions' files, a counterexample or a certificate, would have the same name.
    """
    once: dict[tuple[str, str], Instance] = {}
    for instance in instances:
        other = once.setdefault(instance.names, instance)
        if None not in (other.limit, instance.limit):
            once[instance.names] = replace(other, limit=max(other.limit, instance.limit))
        else:
            once[instance.names] = replace(other, limit=None)
    stems: dict[str, Instance] = {}
    for names, instance in once.items():
        other = stems.setdefault(instance_stem(names), instance)
        if other is not instance:
            raise InputError(f"results of {', '.join(names)} and of {', '.join(other.names)} would have the same name",
                             where=instance.where, advice="rename a file, or list them in two runs")
    return list(once.values())


def instance_stem(names: tuple[str, str]) -> str:
    """What an instance's files are called, from the names of its network and its property."""
    return f"{network_stem(names[0])}_{names[1].removesuffix('.gz').removesuffix('.vnnlib').replace('/', '__')}"


def network_stem(name: str) -> str:
    """What a network's files are called, from its name."""
    return name.removesuffix(".gz").removesuffix(".onnx").replace("/", "__")


def acasxu_instances(*, all_pairs: bool, data: Path | None) -> list[Instance]:
    """The benchmark's 186 instances, or all 450 pairs."""
    pairs = ((spec, network) for spec in PROPERTIES for network in NETWORKS) if all_pairs else benchmark()
    return [_named(spec, network, data) for spec, network in pairs]


def _named(spec: Specification, network: NetworkIndex, data: Path | None) -> Instance:
    files = network_path(*network, data=data), property_path(spec.number)
    return Instance(*files, (network.file_name, files[1].name), where=f"{network}/P{spec.number}")


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The rows that are no comment, each with its place."""
    try:
        with open(path, newline="", encoding="utf-8-sig", opener=regular) as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            for row in reader:
                row, where = [cell.strip() for cell in row], f"{path}:{reader.line_num}"
                if not any(row) or row[0].startswith("#"):
                    continue
                if not (2 <= len(row) <= 3 and row[0] and row[1] and all(map(str.isprintable, row))):
                    raise InputError(f"this is no instance: {','.join(row)[:60]!r}", where=where, advice=FORM)
                yield where, row
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), advice="check the path") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), advice="check it") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is no list of instances ({error})", where=str(path), advice=FORM) from None


def _limit(cells: list[str], where: str) -> float | None:
    if not cells or not cells[0]:
        return None
    try:
        limit = float(cells[0])
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise InputError(f"{cells[0]!r} is no number of seconds above 0", where=where, advice=FORM)
    return limit


def _file(path: Path) -> Path:
    """The file, or the compressed one beside its name, as the competition ships them."""
    zipped = path.with_name(f"{path.name}.gz")
    return zipped if zipped.is_file() and not path.is_file() else path


def _names(listed: Iterable[str]) -> dict[str, str]:
    """What results call each path: the file's name, or the path as listed where names are not unique."""
    paths = {text: os.path.normpath(text) for text in listed}
    bases: dict[str, set[str]] = {}
    for path in paths.values():
        bases.setdefault(os.path.basename(path), set()).add(path)
    return {
        text: os.path.basename(path) if len(bases[os.path.basename(path)]) == 1 else path
        for text, path in paths.items()
    }
