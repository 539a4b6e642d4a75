"""The instances of a run: read from a list, or ACAS Xu's."""

import builtins
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from engine.acasxu.files import network_path, property_path
from engine.acasxu.networks import NETWORKS, NetworkIndex
from engine.acasxu.properties import PROPERTIES, Specification
from engine.acasxu.properties import benchmark_instances as benchmark
from engine.bench.instance_list import OF_SEVERAL, Line, read_lines
from engine.errors import InputError
from engine.nnet import is_nnet

NAMELESS = f"its networks have no names; write {OF_SEVERAL}"
#: Names as files have them, without what ends them; no two of these differ in case alone.
_PLAIN = r"(?:ACASXU|(?!acasxu)[a-z0-9_])[a-z0-9_.]{0,99}"
#: Both names of an instance, which can be read from it in this way only.
_PAIR = re.compile(rf"({_PLAIN}?)_((?:prop_)?[a-z0-9.]{{1,60}})")
#: Between the names of several networks.
_JOINED = re.compile(r"(?<=\.onnx|\.nnet)(?:\.gz)?\+")


class NetworkFile(NamedTuple):
    """A network's file, what results call it, and its name in the question, empty where none is given.

    `units`: those in which a `.nnet` file is read, None for normalized ones.
    """

    path: Path
    name: str
    declared: str = ""
    units: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """The files of networks and of a property, what results call both, a time limit in seconds, and where that is said.

    `fault` says why the question cannot be asked; what it names is not read then.
    """

    networks: tuple[NetworkFile, ...]
    property: Path
    names: tuple[str, str]
    limit: float | None = None
    where: str = ""
    fault: str = ""

    @builtins.property
    def network(self) -> Path:
        """The file of the first network, which is the only one of most instances."""
        return self.networks[0].path

    @builtins.property
    def is_named(self) -> bool:
        """True where the networks have names in the question."""
        return any(each.declared for each in self.networks)

    @builtins.property
    def paths(self) -> dict[str, Path]:
        """All of its files, by what results call them."""
        return {each.name: each.path for each in self.networks} | {self.names[1]: self.property}


def single(network: Path, property: Path, names: tuple[str, str], *, where: str = "") -> Instance:
    """The instance of one network and one property."""
    return Instance((NetworkFile(network, names[0]),), property, names, where=where)


def read_instances(path: Path) -> list[Instance]:
    """The instances of a list in VNN-COMP's form; InputError names the line that is wrong.

    Paths are relative to the list; `.gz` may be missing from them. Blank lines, those that start with `#` and a
    header are skipped. Whether the files can be read is not asked here. A row about several networks without names is
    an instance with a fault.
    """
    lines = read_lines(path)
    of_networks = _names(network for line in lines for _, network in line.networks)
    of_properties = _names(line.property for line in lines)
    labels = _labels(lines, of_networks, where=path)
    return [
        Instance(
            tuple(NetworkFile(_file(path.parent / file), of_networks[file], name) for name, file in line.networks),
            _file(path.parent / line.property),
            (labels[_named(line, of_networks)], of_properties[line.property]),
            line.limit,
            line.where,
            "" if len(line.networks) == 1 or line.networks[0][0] else NAMELESS,
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


def in_units(instances: list[Instance], units: str) -> list[Instance]:
    """The same instances, with `.nnet` files read in these units. InputError where there is no such file."""
    found = [replace(each, networks=tuple(_in_units(one, units) for one in each.networks)) for each in instances]
    if found == instances:
        what = "no .nnet file is listed, and only these have two kinds of units"
        raise InputError(what, where=f"--units {units}", advice="leave it out")
    return found


def _in_units(network: NetworkFile, units: str) -> NetworkFile:
    return network._replace(units=units) if is_nnet(network.path) else network


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
    last = (_JOINED.split(name)[-1] for name in names)  # of several networks, mostly the one that differs
    stems = (os.path.basename(name).removesuffix(".gz").rpartition(".")[0] or name for name in last)
    shown = re.sub(r"[^A-Za-z0-9_.]+", "_", "_".join(stems))[:60].strip("._")
    return f"{shown or 'odd'}-{sha256('/'.join(names).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def acasxu_instances(*, all_pairs: bool, data: Path | None) -> list[Instance]:
    """The benchmark's 186 instances, or all 450 pairs."""
    pairs = ((spec, network) for spec in PROPERTIES for network in NETWORKS) if all_pairs else benchmark()
    return [_of_acasxu(spec, network, data) for spec, network in pairs]


def _of_acasxu(spec: Specification, network: NetworkIndex, data: Path | None) -> Instance:
    files = network_path(*network, data=data), property_path(spec.number)
    return single(*files, (network.file_name, files[1].name), where=f"{network}/P{spec.number}")


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


def _named(line: Line, of_networks: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The networks of a row: their names in the question, and in results."""
    return tuple((name, of_networks[file]) for name, file in line.networks)


def _labels(
    lines: Iterable[Line], of_networks: Mapping[str, str], *, where: Path
) -> dict[tuple[tuple[str, str], ...], str]:
    """What results call the networks of a row together: the files' names, joined by `+`.

    Rows about other networks, or about the same under other names, have another label: with the names in the question
    where the files' do not tell them apart.
    """
    found = {named: "+".join(name for _, name in named) for named in (_named(line, of_networks) for line in lines)}
    uses = Counter(found[named] for named in found if len(named) > 1)
    uses.update({label for named, label in found.items() if len(named) == 1})
    for named, label in found.items():
        if uses[label] > 1 and len(named) > 1:
            found[named] = "+".join(f"{declared or '?'}={name}" for declared, name in named)
    labels = {label for named, label in found.items() if len(named) == 1}
    for label in (label for named, label in found.items() if len(named) > 1):
        if label in labels:
            what = f"different networks would be called {label[:80]!r}"
            raise InputError(what, where=str(where), advice="rename one of the files")
        labels.add(label)
    return found
