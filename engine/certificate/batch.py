"""Many certificates checked side by side. The checking itself is `engine.audit`, alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.audit.certificate import read_certificate
from engine.audit.check import Result, check
from engine.audit.comparison.kinds import check_comparison, read_comparison
from engine.audit.failures import Malformed, Rejected
from engine.certificate.check import OnNodes
from engine.certificate.lookup import NETWORKS, PROPERTIES, with_hash
from engine.certificate.parallel import parallel
from engine.errors import InputError


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one certificate.

    network: the file, or the first one; networks: all of them, by name, of a query about several.
    word: accepted, sampled (no error, but not all was checked), rejected or unreadable; reason: empty only if it was
    accepted; property: the file of the changed network if the certificate is about a change; result: None if the
    certificate's content is not known.
    """

    file: Path
    network: Path | None
    property: Path | None
    word: str
    reason: str = ""
    result: Result | None = None
    networks: tuple[tuple[str, Path], ...] = ()


Networks = Path | Mapping[str, Path]  # a file or folder, or files by their names in a query
OnOutcome = Callable[[Outcome], None]


def certificates_in(paths: list[Path], *, kinds: tuple[str, ...] = ("proof", "witness")) -> list[Path]:
    """Returns the files given, and the certificates of these kinds in the folders given, by name."""
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
    network: Networks,
    property: Path | None = None,
    changed: Path | None = None,
    arithmetic: str = "float64",
    sample: int | None = None,
    seed: int = 0,
    semantics: str | None = None,
    jobs: int = 1,
    on_outcome: OnOutcome | None = None,
    on_progress: OnNodes | None = None,
) -> list[Outcome]:
    """Returns an outcome for each certificate, in order. They are about a property, or else about a changed network.

    network, property, changed: files, or folders in which, and in whose subfolders, the file with the SHA-256 that
    the certificate names is looked up; network also: files by their names in a query about several. jobs: processes,
    which check one certificate each, or, if there is only one about a property, a share of its nodes each.
    arithmetic, sample, seed, semantics: as of `check_certificate`.
    """
    networks = [(path, f"--network {name}=") for name, path in network.items()] if isinstance(network, Mapping) else []
    alone = [] if isinstance(network, Mapping) else [(network, "--network ")]
    for path, kind in (*networks, *alone, (property, "--property "), (changed, "--changed ")):
        if path and not path.exists():
            raise InputError("there is no such file or folder", where=f"{kind}{path}", advice="check the path")
    checker = _Checker(network, property, changed, arithmetic, sample, seed, semantics)
    jobs = 1 if changed and len(files) == 1 else jobs
    outcomes = {}
    for file, outcome in _outcomes(checker, files, jobs, on_progress):
        outcomes[file] = outcome
        if on_outcome:
            on_outcome(outcome)
    return [outcomes[file] for file in files]


@dataclass(frozen=True, slots=True)
class _Checker:
    """Checks one certificate after another against the same files or folders."""

    networks: Networks
    properties: Path | None = None
    changed: Path | None = None
    arithmetic: str = "float64"
    sample: int | None = None
    seed: int = 0
    semantics: str | None = None

    def outcome(self, file: Path, *, share: tuple[int, int] = (0, 1), on_progress: OnNodes | None = None) -> Outcome:
        """Returns what comes of a certificate, or of its i-th part of n if `share` is (i, n)."""
        files = _Files()
        try:
            place, patterns = self._second()
            folders = isinstance(self.networks, Path) and self.networks.is_dir(), place.is_dir()
            named, digest = self._named_hashes(file) if any(folders) else ([("", "")], "")
            files = _Files(self._network_files(named))
            files = replace(files, second=with_hash(digest, place, patterns))
            result = self._result(file, files, share, on_progress)
        except Malformed as error:
            return files.outcome(file, "unreadable", str(error))
        except Rejected as error:  # by reading it alone
            return files.outcome(file, "rejected", str(error))
        except MemoryError:
            return files.outcome(file, "unreadable", f"{file}: checking it needs more memory than there is")
        word = "rejected" if not result.accepted else "sampled" if result.reason else "accepted"
        return files.outcome(file, word, result.reason, result if result.certificate else None)

    def _network_files(self, named: Sequence[tuple[str, str]]) -> Networks:
        """Returns the file of the network with this name and hash, or of each of them where they have names."""
        if isinstance(self.networks, Mapping):
            return self.networks
        found = {name: with_hash(digest, self.networks, NETWORKS) for name, digest in named}
        return found.get("") or found

    def _second(self) -> tuple[Path, tuple[str, ...]]:
        """Returns where the changed network or the property is, and what its file may be called."""
        if self.changed is not None:
            return self.changed, NETWORKS
        assert self.properties is not None
        return self.properties, PROPERTIES

    def _named_hashes(self, file: Path) -> tuple[Sequence[tuple[str, str]], str]:
        """Returns names and SHA-256s of the networks, and the SHA-256 of the second file that a certificate names."""
        if self.changed is not None:
            comparison = read_comparison(file)
            return [("", comparison.network_sha256)], comparison.changed_sha256
        certificate = read_certificate(file)
        return certificate.networks, certificate.property_sha256

    def _result(self, file: Path, files: "_Files", share: tuple[int, int], on_progress: OnNodes | None) -> Result:
        assert files.networks is not None and files.second is not None  # all are known by now
        if self.changed is not None:
            if isinstance(files.networks, Mapping):
                raise Malformed(f"{file}: a change is about one network, without a name")
            return check_comparison(
                file, files.networks, files.second, arithmetic=self.arithmetic, on_progress=on_progress
            )
        return check(
            file,
            files.networks,
            files.second,
            arithmetic=self.arithmetic,
            sample=self.sample,
            seed=self.seed,
            semantics=self.semantics,
            share=share,
            on_progress=on_progress,
        )


@dataclass(frozen=True, slots=True)
class _Files:
    """The files that a certificate was checked against, as far as they were found."""

    networks: Networks | None = None
    second: Path | None = None

    def outcome(self, file: Path, word: str, reason: str, result: Result | None = None) -> Outcome:
        several = tuple(self.networks.items()) if isinstance(self.networks, Mapping) else ()
        alone = self.networks if isinstance(self.networks, Path) else None
        return Outcome(file, several[0][1] if several else alone, self.second, word, reason, result, several)


def _outcomes(
    checker: _Checker, files: list[Path], jobs: int, on_progress: OnNodes | None
) -> Iterator[tuple[Path, Outcome]]:
    """Checks each file once; several at the same time, the largest first, so that none is left alone at the end."""
    if jobs == 1:
        yield from ((file, checker.outcome(file, on_progress=on_progress)) for file in dict.fromkeys(files))
    elif len(files) != 1:
        yield from parallel(checker.outcome, sorted(set(files), key=_size, reverse=True), jobs)
    else:
        shares = [(i, jobs) for i in range(jobs)]
        one = partial(_of_share, checker, files[0])
        yield files[0], _joined([outcome for _, outcome in parallel(one, shares, jobs)])


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _of_share(checker: _Checker, file: Path, share: tuple[int, int]) -> Outcome:
    return checker.outcome(file, share=share)


def _joined(shares: list[Outcome]) -> Outcome:
    """Returns the outcome of a certificate from its shares: accepted if all are, and together are all of it."""
    worst = next((outcome for outcome in shares if outcome.word in ("rejected", "unreadable")), None)
    if worst:
        return worst
    results = [outcome.result for outcome in shares if outcome.result is not None]
    if len({result.certificate.sha256 for result in results if result.certificate is not None}) > 1:
        return Outcome(shares[0].file, None, None, "unreadable", "it changed while it was checked")
    checked, nodes = sum(result.checked for result in results), results[0].nodes
    reason = "" if checked == nodes else f"only {checked:,} of {nodes:,} nodes were checked, as asked for"
    joined = replace(
        results[0],
        reason=reason,
        checked=checked,
        leaves=sum(result.leaves for result in results),
        exclusions=sum(result.exclusions for result in results),
        margin=min(result.margin for result in results),
        seconds=max(result.seconds for result in results),
    )
    return replace(shares[0], word="sampled" if reason else "accepted", reason=reason, result=joined)
