"""The instances of a run: read from a list, or ACAS Xu's."""

import csv
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from io import StringIO
from pathlib import Path

from engine.acasxu.files import network_path, property_path
from engine.acasxu.networks import NETWORKS, NetworkIndex
from engine.acasxu.properties import PROPERTIES, Specification
from engine.acasxu.properties import benchmark_instances as benchmark
from engine.errors import InputError
from engine.files import regular

FORM = "write NETWORK.onnx,PROPERTY.vnnlib or NETWORK.onnx,PROPERTY.vnnlib,SECONDS"
TWO_NETWORKS = "questions about several networks are not supported yet"
MAX_BYTES = 256 * 2**20  # of a list
#: Names as files have them, without what ends them; no two of these differ in case alone.
_PLAIN = r"(?:ACASXU|(?!acasxu)[a-z0-9_])[a-z0-9_.]{0,99}"
#: Both names of an instance, which can be read from it in this way only.
_PAIR = re.compile(rf"({_PLAIN}?)_((?:prop_)?[a-z0-9.]{{1,60}})")
_HEADS = (
    re.compile(r"(onnx|net|network|model)s?([ _-]?(file|path|name)s?)?", re.IGNORECASE),
    re.compile(
        r"(vnnlib|vnn-lib|prop|property|properties|spec|specification)s?([ _-]?(file|path|name)s?)?", re.IGNORECASE
    ),
)
_NETWORK = (".onnx", ".onnx.gz")


@dataclass(frozen=True, slots=True)
class Instance:
    """A network's and a property's file, what results call them, a time limit in seconds, and where all that is said.

    `fault` says why the question cannot be asked; what it names is not read then.
    """

    network: Path
    property: Path
    names: tuple[str, str]
    limit: float | None = None
    where: str = ""
    fault: str = ""


def read_instances(path: Path) -> list[Instance]:
    """The instances of a list in VNN-COMP's form; InputError names the line that is wrong.

    Paths are relative to the list; `.gz` may be missing from them. Blank lines, those that start with `#` and a
    header are skipped. Whether the files can be read is not asked here. A row about several networks is an instance
    with a fault.
    """
    lines = list(_lines(path))
    if not lines:
        raise InputError("no instance is listed", where=str(path), advice=FORM)
    of_networks = _names(network for line in lines for network in line.networks)
    of_properties = _names(line.property for line in lines)
    return [
        Instance(
            _file(path.parent / line.networks[0]),
            _file(path.parent / line.property),
            ("+".join(of_networks[network] for network in line.networks), of_properties[line.property]),
            line.limit,
            line.where,
            TWO_NETWORKS if len(line.networks) > 1 else "",
        )
        for line in lines
    ]


def distinct(instances: list[Instance]) -> list[Instance]:
    """Each question once, with the longest time limit that it is listed with."""
    once: dict[tuple[str, str], Instance] = {}
    for instance in instances:
        other = once.setdefault(instance.names, instance)
        limits = [each.limit for each in (other, instance) if each.limit is not None]
        once[instance.names] = replace(other, limit=max(limits) if len(limits) == 2 else None)
    return list(once.values())


def instance_stem(names: tuple[str, str]) -> str:
    """The name of an instance's files, without an ending, from the names of its network and its property.

    No two instances' are the same, on any file system, and none is longer than file names may be. Plain names are in
    it as they are; a digest stands for all others.
    """
    stems = names[0].removesuffix(".onnx"), names[1].removesuffix(".vnnlib")
    text, whole = "_".join(stems), names == (f"{stems[0]}.onnx", f"{stems[1]}.vnnlib")
    found = _PAIR.fullmatch(text)
    return text if whole and found and found.groups() == stems else _digested(*names)


def network_stem(name: str) -> str:
    """The name of a network's files, likewise."""
    stem = name.removesuffix(".onnx")
    return stem if stem != name and re.fullmatch(_PLAIN, stem) else _digested(name)


def _digested(*names: str) -> str:
    """The part of the names that can be shown, and a digest of all of them. Plain names hold no `-`."""
    stems = (os.path.basename(name).removesuffix(".gz").rpartition(".")[0] or name for name in names)
    shown = re.sub(r"[^A-Za-z0-9_.]+", "_", "_".join(stems))[:60].strip("._")
    return f"{shown or 'odd'}-{sha256('/'.join(names).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def acasxu_instances(*, all_pairs: bool, data: Path | None) -> list[Instance]:
    """The benchmark's 186 instances, or all 450 pairs."""
    pairs = ((spec, network) for spec in PROPERTIES for network in NETWORKS) if all_pairs else benchmark()
    return [_named(spec, network, data) for spec, network in pairs]


def _named(spec: Specification, network: NetworkIndex, data: Path | None) -> Instance:
    files = network_path(*network, data=data), property_path(spec.number)
    return Instance(*files, (network.file_name, files[1].name), where=f"{network}/P{spec.number}")


@dataclass(frozen=True, slots=True)
class _Line:
    """The cells of a row of the list."""

    networks: tuple[str, ...]
    property: str
    limit: float | None
    where: str


def _lines(path: Path) -> Iterator[_Line]:
    """The rows that are neither comment nor header."""
    reader = csv.reader(StringIO(_text(path)), skipinitialspace=True, strict=True)
    first = True
    try:
        for row in reader:
            row, where = [cell.strip() for cell in row], f"{path}:{reader.line_num}"
            if not any(row) or row[0].startswith("#"):
                continue
            if not (first and _is_header(row)):
                yield _line(row, where)
            first = False
    except csv.Error as error:
        raise _no_list(path, error) from None


def _text(path: Path) -> str:
    try:
        with open(path, "rb", opener=regular) as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(f"holds more than {MAX_BYTES:,} bytes", where=str(path), advice="list fewer")
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), advice="check the path") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), advice="name a file") from None
    except UnicodeDecodeError as error:
        raise _no_list(path, error) from None


def _no_list(path: Path, error: Exception) -> InputError:
    return InputError(f"is no list of instances ({error})", where=str(path), advice=FORM)


def _is_header(row: list[str]) -> bool:
    """True iff the row says what the columns are."""
    return len(row) >= 2 and all(head.fullmatch(cell) for head, cell in zip(_HEADS, row))


def _line(row: list[str], where: str) -> _Line:
    networks, rest = _networks(row)
    good = networks and all(networks) and 1 <= len(rest) <= 2 and rest[0]
    if not (good and all(map(str.isprintable, row))):
        raise InputError(f"this is no instance: {','.join(row)[:60]!r}", where=where, advice=FORM)
    return _Line(networks, rest[0], _limit(rest[1:], where), where)


def _networks(row: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The networks that a row names, and its other cells.

    For questions about several networks VNN-COMP writes [('f', 'a.onnx'), ('g', 'b.onnx')], in quotes or not.
    """
    if row[0].startswith("[("):
        end = next((i for i, cell in enumerate(row, 1) if cell.endswith("]")), len(row))
        return tuple(re.findall(r"""['"]([^'"]*)['"]\s*\)""", ",".join(row[:end]))), row[end:]
    count = 2 if len(row) > 2 and all(cell.endswith(_NETWORK) for cell in row[:2]) else 1
    return tuple(row[:count]), row[count:]


def _limit(cells: list[str], where: str) -> float | None:
    if not cells or not cells[0]:
        return None
    try:
        limit = float(cells[0])
    except ValueError:
        limit = 0.0
    if not 0 < limit < math.inf:
        raise InputError(f"{cells[0][:40]!r} is no number of seconds above 0", where=where, advice=FORM)
    return limit


def _file(path: Path) -> Path:
    """The file, or the compressed one beside its name, as the competition ships them."""
    zipped = path.with_name(f"{path.name}.gz")
    return zipped if os.path.isfile(zipped) and not os.path.isfile(path) else path


def _names(listed: Iterable[str]) -> dict[str, str]:
    """The name by which results call each path: the file's, or the path as listed where that is not unique."""
    paths = {text: os.path.normpath(text) for text in listed}
    bases: dict[str, set[str]] = {}
    for path in paths.values():
        bases.setdefault(os.path.basename(path), set()).add(path)
    return {
        text: os.path.basename(path) if len(bases[os.path.basename(path)]) == 1 else path
        for text, path in paths.items()
    }
