"""Many certificates checked side by side. The checking itself is `engine.audit`, alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from engine.audit.certificate import read_certificate
from engine.audit.check import Result, check
from engine.audit.comparison.certificate import read_change
from engine.audit.comparison.check import check_change
from engine.audit.data import Malformed, Rejected
from engine.audit.files import read_bytes
from engine.audit.onnx_data import network_hash
from engine.certificate.parallel import parallel
from engine.errors import InputError

MAX_FILE = 512 * 2**20
MOST_ENTRIES, MOST_DEEP = 100_000, 32  # files and folders that are looked at for the one that a certificate names
NETWORKS, PROPERTIES = ("*.onnx", "*.onnx.gz"), ("*.vnnlib", "*.vnnlib.gz")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one certificate: accepted, sampled (no error, but not all was checked), rejected or unreadable.

    All but the first with a reason. `property` is the file of the changed network where the certificate is about
    a change. `result` is None where the certificate's content is not known.
    """

    file: Path
    network: Path | None
    property: Path | None
    word: str
    reason: str = ""
    result: Result | None = None


OnOutcome = Callable[[Outcome], None]


def certificates_in(paths: list[Path], *, kinds: tuple[str, ...] = ("proof", "witness")) -> list[Path]:
    """The files given, and the certificates of these kinds in the folders given, by name."""
    found = []
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(p for kind in kinds for p in path.glob(f"*.{kind}.zip"))
        if not inside:
            names = ", ".join(f"*.{kind}.zip" for kind in kinds)
            raise InputError(
                f"there are no certificates ({names})",
                where=str(path),
                advice="name the folder that they were written to",
            )
        found += inside
    return found


def check_all(
    files: list[Path],
    *,
    network: Path,
    property: Path | None,
    changed: Path | None = None,
    jobs: int = 1,
    on_outcome: OnOutcome | None = None,
    on_progress=None,
    **how,
) -> list[Outcome]:
    """An outcome for each certificate, in order; `how` are the options of `audit.check.check`, or, where there is a
    changed network instead of a property, of `audit.comparison.check.check_change`.

    `network`, `property` and `changed` are files, or folders in which, and in whose subfolders, the file with the
    SHA-256 that the certificate names is looked up. `jobs` processes check one certificate each, or, where there
    is only one, a share of its nodes each.
    """
    for path, kind in ((network, "--network"), (property, "--property"), (changed, "--changed")):
        if path and not path.exists():
            raise InputError("there is no such file or folder", where=f"{kind} {path}", advice="check the path")
    one = partial(_check_one, networks=network, properties=property, changed=changed, **how)
    jobs = 1 if changed and len(files) == 1 else jobs
    outcomes = {}
    for file, outcome in _outcomes(one, files, jobs, on_progress):
        outcomes[file] = outcome
        if on_outcome:
            on_outcome(outcome)
    return [outcomes[file] for file in files]


def _outcomes(one, files: list[Path], jobs: int, on_progress) -> Iterator[tuple[Path, Outcome]]:
    """Each file once; several at the same time, the largest first, so that none is left alone at the end."""
    if jobs == 1:
        yield from ((file, one(file, on_progress=on_progress)) for file in dict.fromkeys(files))
    elif len(files) != 1:
        size = lambda file: file.stat().st_size if file.exists() else 0
        yield from parallel(one, sorted(set(files), key=size, reverse=True), jobs)
    else:
        shares = [(i, jobs) for i in range(jobs)]
        yield files[0], _joined([outcome for _, outcome in parallel(partial(_share, one, files[0]), shares, jobs)])


def _share(one, file: Path, share: tuple[int, int]) -> Outcome:
    return one(file, share=share)


def _joined(shares: list[Outcome]) -> Outcome:
    """What the shares of one certificate come to: accepted if all are, and together are all of it."""
    worst = next((outcome for outcome in shares if outcome.word in ("rejected", "unreadable")), None)
    if worst:
        return worst
    results = [outcome.result for outcome in shares]
    if len({result.certificate.sha256 for result in results}) > 1:
        return Outcome(shares[0].file, None, None, "unreadable", "it changed while it was checked")
    total = lambda name: sum(getattr(result, name) for result in results)
    checked, nodes = total("checked"), results[0].nodes
    reason = "" if checked == nodes else f"only {checked:,} of {nodes:,} nodes were checked, as asked for"
    return replace(
        shares[0],
        word="sampled" if reason else "accepted",
        reason=reason,
        result=replace(
            results[0],
            reason=reason,
            checked=checked,
            leaves=total("leaves"),
            exclusions=total("exclusions"),
            margin=min(result.margin for result in results),
            seconds=max(result.seconds for result in results),
        ),
    )


def _check_one(file: Path, *, networks: Path, properties: Path | None, changed: Path | None = None, **how) -> Outcome:
    network = prop = None
    judge, second = (check_change, changed) if changed else (check, properties)
    try:
        if networks.is_dir() or second.is_dir():
            claimed = (read_change if changed else read_certificate)(file)
            network = _named(claimed.network_sha256, networks, NETWORKS)
            prop = (
                _named(claimed.changed_sha256, changed, NETWORKS)
                if changed
                else _named(claimed.property_sha256, properties, PROPERTIES)
            )
        else:
            network, prop = networks, second
        result = judge(file, network, prop, **how)
    except Malformed as error:
        return Outcome(file, network, prop, "unreadable", str(error))
    except Rejected as error:  # by reading it alone
        return Outcome(file, network, prop, "rejected", str(error))
    except MemoryError:
        return Outcome(file, network, prop, "unreadable", f"{file}: checking it needs more memory than there is")
    word = "rejected" if not result.accepted else "sampled" if result.reason else "accepted"
    return Outcome(file, network, prop, word, result.reason, result if result.certificate else None)


def _named(digest: str, place: Path, patterns: tuple[str, ...]) -> Path:
    if not place.is_dir():
        return place
    found = _by_hash(place, patterns).get(digest)
    if found is None:
        raise Malformed(f"{place}: no file in it has the SHA-256 {digest} that the certificate names")
    return found


@cache
def _by_hash(folder: Path, patterns: tuple[str, ...]) -> dict[str, Path]:
    """The folder's files, those of its subfolders too, by the SHA-256 that certificates name them by.

    Links to folders are not followed; what cannot be read is none of them.
    """
    found = {}
    for path in _files(folder, patterns):
        with suppress(Malformed):
            digest = network_hash(path) if patterns == NETWORKS else sha256(read_bytes(path, MAX_FILE)).hexdigest()
            found.setdefault(digest, path)
    return found


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    """Those in the folder itself come first. Malformed where there are too many to look at."""
    left, depth = MOST_ENTRIES, len(folder.parts)
    for place, folders, names in os.walk(folder):
        left -= len(folders) + len(names)
        if left < 0:
            raise Malformed(f"{folder}: it holds more than {MOST_ENTRIES:,} files and folders; name the file itself")
        folders[:] = sorted(folders) if len(Path(place).parts) - depth < MOST_DEEP else []
        yield from (Path(place, name) for name in sorted(names) if any(fnmatch(name, each) for each in patterns))
