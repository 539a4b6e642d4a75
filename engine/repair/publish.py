"""A repaired network and its certificates on disk: all of it, once the checker has accepted, or nothing."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from engine.audit.check import check
from engine.audit.failures import Malformed
from engine.certificate import certificate_bytes, certificate_name
from engine.errors import EngineError, InputError
from engine.files import demand_not_needed, fitting, unwritable
from engine.network import Network
from engine.onnx_file import rewritten, save_network
from engine.property import Property
from engine.search.problem import Options
from engine.verdict import Verified

LONGEST_ENDING = ".proof.zip"
Proved = Sequence[tuple[Property, Verified]]
PropertyFiles = Mapping[str, Path | bytes]


@dataclass(frozen=True, slots=True)
class Certified:
    """A network as its file holds it, and the certificates of its properties by their files' names."""

    network: Network
    certificates: dict[str, bytes]


def certified(network: Network, proved: Proved, options: Options) -> Certified:
    """The network, and a certificate for each property; nothing is written, and nobody has checked them.

    options: those of the search that proved them.
    """
    network = rewritten(network)
    network = replace(network, sha256=hashlib.sha256(network.onnx_bytes).hexdigest())
    return Certified(network, {name: data for name, _, data in _certificates(network, proved, options)})


class RepairOutput:
    """The place of a repaired network: a file OUT.onnx, and a folder of certificates beside it or elsewhere."""

    def __init__(self, out: Path, certificates: Path | None = None, *, force: bool = False, given: Iterable[Path] = ()):
        """InputError where something is there already and not `force`, or nothing can be written.

        Even `force` replaces no folder that holds anything but certificates and properties, and none of the files that
        are `given`.
        """
        stem = out.name.removesuffix(".gz").removesuffix(".onnx")
        self.out, self.certificates = out, certificates or out.with_name(fitting(stem, ".certificates"))
        option = f"--certificates {self.certificates}"
        try:
            if out.is_dir():
                raise InputError("this is a directory", where=f"--out {out}", advice="name a file in it")
            demand_not_needed(out, option="--out", given=given)
            if out.exists() and not force:
                raise _exists(f"--out {out}")
            if self.certificates.resolve() in (out.resolve(), *out.resolve().parents):
                raise InputError("the repaired network would lie in it", where=option, advice="name another folder")
            if self.certificates.exists():
                _demand_replaceable(self.certificates, option, force)
            for path in (self.out, self.certificates):
                tempfile.TemporaryDirectory(dir=path.parent).cleanup()
        except OSError as error:
            raise unwritable(error, out.parent) from None

    def write(self, network: Network, proved: Proved, files: PropertyFiles, options: Options) -> Certified:
        """Writes the network and a certificate for each property, and returns them.

        files: each property's own by SHA-256, or its text, which is written beside the certificates; options: those of
        the search. EngineError, and nothing is written, unless the independent checker accepts all.
        """
        try:
            with _folder_beside(self.out) as folder, _folder_beside(self.certificates) as other:
                part, certificates = folder / self.out.name, other / "certificates"
                network = save_network(network, part)
                certificates.mkdir()
                found = {}
                for name, prop, data in _certificates(network, proved, options):
                    path = certificates / name
                    path.write_bytes(data)
                    _check(path, part, _property_file(path, files[prop.sha256]))
                    found[name] = data
                if self.certificates.exists():
                    shutil.rmtree(self.certificates)
                os.replace(certificates, self.certificates)
                os.replace(part, self.out)
        except OSError as error:
            raise unwritable(error, self.out) from None
        return Certified(network, found)


def _certificates(network: Network, proved: Proved, options: Options) -> Iterator[tuple[str, Property, bytes]]:
    """Yields each property's certificate, and the name of its file."""
    for stem, (prop, verdict) in zip(_names([prop.name for prop, _ in proved]), proved):
        data = certificate_bytes(network, prop, verdict, options)
        assert data is not None  # the verdict is one
        yield certificate_name(stem, verdict), prop, data


def _property_file(certificate: Path, file: Path | bytes) -> Path:
    """The property's file; a text is written beside the certificate first."""
    if isinstance(file, Path):
        return file
    path = certificate.with_name(certificate.name.removesuffix(LONGEST_ENDING) + ".vnnlib")
    path.write_bytes(file)
    return path


def _exists(where: str) -> InputError:
    return InputError("this exists already", where=where, advice="choose another name, or --force")


def _demand_replaceable(folder: Path, option: str, force: bool) -> None:
    if not folder.is_dir() or folder.is_symlink():
        raise InputError("this is no directory", where=option, advice="name another folder")
    inside = list(folder.iterdir())
    if inside and not force:
        raise _exists(option)
    if any(path.is_dir() or path.suffix not in (".zip", ".vnnlib") for path in inside):
        raise InputError("it holds more than certificates", where=option, advice="name another folder")


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A folder on the same file system, gone at the end."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".repair-") as name:
        yield Path(name)


def _names(names: Sequence[str]) -> list[str]:
    """The same, each once and with room for an ending: properties from several folders may share a name."""
    used: list[str] = []
    for name in names:
        texts = chain([name], (f"{name}-{n}" for n in count(2)))
        used.append(next(text for text in map(_with_room, texts) if text not in used))
    return used


def _with_room(name: str) -> str:
    return fitting(name, LONGEST_ENDING).removesuffix(LONGEST_ENDING)


def _check(certificate: Path, network: Path, prop: Path) -> None:
    """EngineError unless the independent checker accepts what was written."""
    try:
        result = check(certificate, network, prop)
    except Malformed as error:  # its readers know fewer forms than the engine's
        raise InputError(
            f"the independent checker cannot read it ({error})",
            where=str(prop),
            advice="nothing was written; `acasxu verify` alone does without the checker",
        ) from None
    if not result.accepted:
        raise EngineError(
            f"the independent checker rejects the certificate of {prop.name}: {result.reason}",
            advice="nothing was written; please report it",
        )
