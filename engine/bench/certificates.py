"""Where a run's certificates go."""

from pathlib import Path

from engine.bench.folder import instance_stem
from engine.certificate import certificate_bytes, certificate_name
from engine.errors import InputError
from engine.files import unwritable, write_bytes
from engine.search.problem import Options, Problem
from engine.verdict import Unknown, Verdict


class CertificatesFolder:
    """A file for each instance that is decided, named after its network and property."""

    def __init__(self, folder: Path, *, force: bool = False):
        """InputError where the folder cannot be written, or holds certificates and not `force`."""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            old = [path for kind in ("proof", "witness") for path in folder.glob(f"*.{kind}.zip")]
            if old and not force:
                raise InputError("there are certificates already", where=str(folder),
                                 advice="name another folder, or replace them with --force")
            for path in old:
                path.unlink()
        except OSError as error:
            raise unwritable(error, self._folder) from None

    def add(self, names: tuple[str, str], problem: Problem, verdict: Verdict, options: Options) -> None:
        """Writes the verdict's certificate; nothing where nothing was decided."""
        if isinstance(verdict, Unknown):
            return
        data = certificate_bytes(problem.network, problem.property, verdict, options)
        try:
            write_bytes(self._folder / certificate_name(instance_stem(names), verdict), data)
        except OSError as error:
            raise unwritable(error, self._folder) from None
