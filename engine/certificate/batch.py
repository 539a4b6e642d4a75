"""Many certificates checked side by side. The checking itself is `engine.audit`, alone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from engine.audit.certificate import read_certificate
from engine.audit.check import Result, check
from engine.audit.data import Malformed, read_bytes
from engine.certificate.parallel import parallel
from engine.errors import InputError

MAX_FILE = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one certificate: `result`, or in `unreadable` why a file could not be read."""

    file: Path
    network: Path | None
    property: Path | None
    result: Result | None
    unreadable: str = ""

    @property
    def word(self) -> str:
        if self.result is None:
            return "unreadable"
        return "accepted" if self.result.accepted else "rejected"


OnOutcome = Callable[[Outcome], None]


def certificates_in(paths: list[Path]) -> list[Path]:
    """The files given, and the certificates in the folders given, by name."""
    found = []
    for path in paths:
        inside = sorted(p for kind in ("proof", "witness") for p in path.glob(f"*.{kind}.zip")) if path.is_dir() else [path]
        if not inside:
            raise InputError("there are no certificates (*.proof.zip, *.witness.zip)", where=str(path),
                             advice="name the folder that `acasxu bench --certificates` wrote")
        found += inside
    return found


def check_all(files: list[Path], *, network: Path, property: Path, jobs: int = 1,
              on_outcome: OnOutcome | None = None, on_progress=None, **how) -> list[Outcome]:
    """An outcome for each certificate, in order; `how` are the options of `audit.check.check`.

    `network` and `property` are files, or folders in which the file with the SHA-256 that the
    certificate names is looked up. With several certificates, `jobs` processes check one each.
    """
    for path, kind in ((network, "--network"), (property, "--property")):
        if not path.exists():
            raise InputError("there is no such file or folder", where=f"{kind} {path}", advice="check the path")
    one = partial(_check_one, networks=network, properties=property, **how)
    if len(files) == 1 or jobs == 1:
        outcomes = {}
        for file in files:
            outcomes[file] = one(file, jobs=jobs, on_progress=on_progress)
            if on_outcome:
                on_outcome(outcomes[file])
        return [outcomes[file] for file in files]
    return _side_by_side(one, files, jobs, on_outcome)


def _side_by_side(one, files: list[Path], jobs: int, on_outcome: OnOutcome | None) -> list[Outcome]:
    """The largest first, so that no process is left with one of them at the end."""
    largest = sorted(set(files), key=lambda file: -file.stat().st_size if file.exists() else 0)
    outcomes = {}
    for file, outcome in parallel(one, largest, jobs):
        outcomes[file] = outcome
        if on_outcome:
            on_outcome(outcome)
    return [outcomes[file] for file in files]


def _check_one(file: Path, *, networks: Path, properties: Path, **how) -> Outcome:
    network = prop = None
    try:
        if networks.is_dir() or properties.is_dir():
            claimed = read_certificate(file)
            network = _named(claimed.network_sha256, networks, ("*.onnx", "*.onnx.gz"))
            prop = _named(claimed.property_sha256, properties, ("*.vnnlib", "*.vnnlib.gz"))
        else:
            network, prop = networks, properties
        return Outcome(file, network, prop, check(file, network, prop, **how))
    except Malformed as error:
        return Outcome(file, network, prop, None, str(error))


def _named(digest: str, place: Path, patterns: tuple[str, ...]) -> Path:
    if not place.is_dir():
        return place
    found = _by_hash(place, patterns).get(digest)
    if found is None:
        raise Malformed(f"{place}: no file in it has the SHA-256 {digest} that the certificate names")
    return found


@cache
def _by_hash(folder: Path, patterns: tuple[str, ...]) -> dict[str, Path]:
    files = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return {sha256(read_bytes(path, MAX_FILE)).hexdigest(): path for path in files}
