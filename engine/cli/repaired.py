"""Where a repaired network and its certificates go: all of it, once the checker has accepted, or nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from engine.errors import EngineError, InputError
from engine.files import fitting, unwritable

ROOM = ".proof.zip"  # the longest ending


class Place:
    """OUT.onnx and a folder of certificates beside it (or `certificates`)."""

    def __init__(self, out: Path, certificates: Path | None, *, force: bool):
        """InputError where something is there already and not `force`, or nothing can be written.

        Even `force` replaces no folder that holds anything but certificates and properties.
        """
        stem = out.name.removesuffix(".gz").removesuffix(".onnx")
        self.out, self.certificates = out, certificates or out.with_name(fitting(stem, ".certificates"))
        option = f"--certificates {self.certificates}"
        try:
            if out.is_dir():
                raise InputError("this is a directory", where=f"--out {out}", advice="name a file in it")
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

    def write(self, network, proved, files: dict[str, Path | bytes], options) -> Path:
        """The network and a certificate for each (property, verdict); the folder of these.

        files: each property's own by SHA-256, or its text, which is written beside the certificates; options: those
        of the search. EngineError unless the independent checker accepts all.
        """
        from engine.certificate import certificate_bytes, certificate_name
        from engine.onnx_file import save_network

        try:
            with _folder_beside(self.out) as folder, _folder_beside(self.certificates) as other:
                part, certificates = folder / self.out.name, other / "certificates"
                network = save_network(network, part)
                certificates.mkdir()
                for name, (prop, verdict) in zip(_names([prop.name for prop, _ in proved]), proved):
                    path = certificates / certificate_name(name, verdict)
                    path.write_bytes(certificate_bytes(network, prop, verdict, options))
                    file = files[prop.sha256]
                    if isinstance(file, bytes):
                        text, file = file, path.with_name(f"{name}.vnnlib")
                        file.write_bytes(text)
                    _check(path, part, file)
                if self.certificates.exists():
                    shutil.rmtree(self.certificates)
                os.replace(certificates, self.certificates)
                os.replace(part, self.out)
        except OSError as error:
            raise unwritable(error, self.out) from None
        return self.certificates


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


def _names(names: list[str]) -> list[str]:
    """The same, each once and with room for an ending: properties from several folders may share a name."""
    used = []
    for name in names:
        texts = chain([name], (f"{name}-{n}" for n in count(2)))
        used.append(next(text for text in map(_with_room, texts) if text not in used))
    return used


def _with_room(name: str) -> str:
    return fitting(name, ROOM).removesuffix(ROOM)


def _check(certificate: Path, network: Path, prop: Path) -> None:
    """EngineError unless the independent checker accepts what was written."""
    from engine.audit.check import check
    from engine.audit.data import Malformed

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
