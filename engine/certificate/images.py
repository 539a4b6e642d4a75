"""Certificates of images (docs/certificate-format.md, section 13) checked. The checking itself is `engine.audit`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.audit.failures import Malformed, Rejected
from engine.audit.files import read_bytes
from engine.audit.images.certificate import read_claim
from engine.audit.images.check import ImagesResult, check_images, sentence
from engine.certificate.check import OnNodes
from engine.certificate.lookup import NETWORKS, with_hash
from engine.certificate.parallel import parallel

MAX_DATA = 1 << 30  # bytes of a data file

DataPair = tuple[Path, Path | None]  # files of images and of their labels; None where that is the same CSV file


@dataclass(frozen=True, slots=True)
class ImagesOutcome:
    """The outcome for one certificate.

    word: accepted, sampled, rejected or unreadable; text: what it shows, or why it does not.
    results: of the checker, one for each process; empty where the certificate could not be read.
    """

    file: Path
    word: str
    text: str
    network: Path
    images: Path
    results: tuple[ImagesResult, ...] = ()

    def total(self, name: str) -> int:
        """The sum of a number of the results, such as `checked` or `leaves`."""
        return sum(getattr(result, name) for result in self.results)


def check_images_all(
    files: Sequence[Path],
    *,
    network: Path,
    data: Sequence[DataPair],
    arithmetic: str = "float64",
    sample: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    on_progress: OnNodes | None = None,
) -> list[ImagesOutcome]:
    """An outcome for each certificate, in order.

    network: a file, or a folder in which it is looked for; data: the files that may be meant, of which the one with the
    SHA-256 that the certificate names is taken. jobs: processes, which check a share of each certificate's nodes.
    """
    how = {"arithmetic": arithmetic, "sample": sample, "seed": seed}
    return [_outcome(file, network, data, how, jobs, on_progress) for file in files]


def _outcome(
    file: Path,
    network: Path,
    data: Sequence[DataPair],
    how: dict[str, Any],
    jobs: int,
    on_progress: OnNodes | None,
) -> ImagesOutcome:
    pair = data[0]
    try:
        claim, _ = read_claim(file)
        network = with_hash(claim.network_sha256, network, NETWORKS)
        pair = next((each for each in data if _sha256(each[0]) == claim.images_sha256), pair)
        check = partial(_checked, (file, network, *pair), how)
        if jobs == 1:
            results = [check((0, 1), on_progress=on_progress)]
        else:
            results = [result for _, result in parallel(check, [(i, jobs) for i in range(jobs)], jobs)]
    except (Malformed, Rejected) as error:
        word = "unreadable" if isinstance(error, Malformed) else "rejected"
        return ImagesOutcome(file, word, str(error), network, pair[0])
    except MemoryError:
        return ImagesOutcome(file, "unreadable", "checking it needs more memory than there is", network, pair[0])
    return _judged(ImagesOutcome(file, "accepted", "", network, pair[0], tuple(results)))


def _judged(found: ImagesOutcome) -> ImagesOutcome:
    """With the word and text that its results give together: all shares are to be accepted, and all nodes checked."""
    first, checked = found.results[0], found.total("checked")
    rejected = [result.reason for result in found.results if not result.accepted]
    if rejected:
        return replace(found, word="rejected", text=rejected[0])
    if checked != first.nodes:
        text = f"no error found, but only {checked:,} of {first.nodes:,} nodes were checked"
        return replace(found, word="sampled", text=text)
    assert first.certificate is not None and first.shown is not None  # as it is accepted
    return replace(found, word="accepted", text=sentence(first.certificate, first.shown))


def _checked(
    files: tuple[Path, Path, Path, Path | None],
    how: dict[str, Any],
    share: tuple[int, int],
    *,
    on_progress: OnNodes | None = None,
) -> ImagesResult:
    return check_images(*files, share=share, on_progress=on_progress, **how)


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_bytes(path, MAX_DATA)).hexdigest()
