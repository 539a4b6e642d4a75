"""Where a repaired network and its certificates go: all of it, once the checker has accepted, or nothing."""

import os
import shutil
import tempfile
from pathlib import Path

from engine.errors import EngineError, InputError
from engine.files import unwritable


class Place:
    """OUT.onnx and a folder of certificates beside it (or `certificates`)."""

    def __init__(self, out: Path, certificates: Path | None, *, force: bool):
        """InputError where something is there already and not `force`, or nothing can be written."""
        self.out, self.certificates = out, certificates or out.with_name(f"{out.name.split('.')[0]}.certificates")
        if out.is_dir():
            raise InputError("this is a directory", where=f"--out {out}", advice="name a file in it")
        for option, path in (("--out", self.out), ("--certificates", self.certificates)):
            if path.exists() and not force and not (path.is_dir() and not any(path.iterdir())):
                raise InputError("this exists already", where=f"{option} {path}",
                                 advice="choose another name, or --force")
        try:
            tempfile.TemporaryDirectory(dir=out.parent).cleanup()
        except OSError as error:
            raise unwritable(error, out.parent) from None

    def write(self, network, proved, files: dict[str, Path | bytes]) -> Path:
        """The network and a certificate for each (property, verdict); the folder of these.

        files: each property's own by SHA-256, or its text, which is written beside the certificates. EngineError
        if the independent checker rejects one.
        """
        from engine.certificate import certificate_bytes, certificate_name
        from engine.onnx_file import save_network
        from engine.search.problem import Options

        try:
            with tempfile.TemporaryDirectory(dir=self.out.parent, prefix=".repair-") as name:
                folder = Path(name)
                part = folder / self.out.name
                save_network(network, part)
                (folder / "certificates").mkdir()
                for prop, verdict in proved:
                    path = folder / "certificates" / certificate_name(prop.name, verdict)
                    path.write_bytes(certificate_bytes(network, prop, verdict, Options(semantics=verdict.semantics)))
                    file = files[prop.sha256]
                    if isinstance(file, bytes):
                        text, file = file, path.with_name(f"{prop.name}.vnnlib")
                        file.write_bytes(text)
                    _check(path, part, file)
                if self.certificates.exists():
                    shutil.rmtree(self.certificates)
                os.replace(folder / "certificates", self.certificates)
                os.replace(part, self.out)
        except OSError as error:
            raise unwritable(error, self.out) from None
        return self.certificates


def _check(certificate: Path, network: Path, prop: Path) -> None:
    """EngineError unless the independent checker accepts what was written."""
    from engine.audit.check import check

    result = check(certificate, network, prop)
    if not result.accepted:
        raise EngineError(f"the independent checker rejects the certificate of {prop.name}: {result.reason}",
                          advice="nothing was written; please report it")
