"""The whole of `acasxu images certify`: questions, search, files, record."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from engine.images.certify.aggregate import data_files
from engine.images.certify.deciding import decide
from engine.images.certify.folder import RunFolder
from engine.images.certify.ledger import OPEN, PROVED, REFUTED, Ledger
from engine.images.certify.order import suspicious_first
from engine.images.certify.questions import Key, Questions
from engine.images.certify.record import CertifyRecord
from engine.images.certify.triggers import refutation_name
from engine.search.problem import Options
from engine.verdict import Counterexample

CASES = 512  # of a chunk of images, about: what a certificate of its own is written of
IMAGES = 32  # of a chunk at least, since those of one position are searched together
PAUSE = 0.2  # seconds between two reports

Report = Callable[[float, str], None]  # (share of the work done, what is done now)
OnFound = Callable[[Key, Counterexample], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a run writes to. certificates: whether proofs are kept; force: whether the folder is begun anew."""

    folder: Path
    certificates: bool = False
    force: bool = False


def certify(
    questions: Questions,
    options: Options,
    *,
    data: str,
    output: Output | None = None,
    report: Report = lambda share, text: None,
    on_refuted: OnFound = lambda key, found: None,
) -> CertifyRecord:
    """Decides for every image whether some trigger of the family works on it.

    Whatever breaks it off, Ctrl-C included, what was decided until then is written first, and a later run with the
    same questions goes on from there. options: of the search; timeout is that of each image and position. data: the
    set's name. on_refuted: is told of each trigger that this run finds.
    """
    start = time.perf_counter()
    options = replace(options, proofs=output is not None and output.certificates)
    folder = None
    if output is not None:
        named = data_files(questions.images.origin, data) if output.certificates else None
        folder = RunFolder(output.folder, questions, named, options)
    ledger = folder.open(force=output.force) if folder and output else Ledger()

    def refuted(key: Key, found: Counterexample) -> str:
        on_refuted(key, found)
        return folder.refuted(key, found) if folder else refutation_name(questions, key)

    def record() -> CertifyRecord:
        return CertifyRecord(questions, ledger, data, time.perf_counter() - start, folder.files if folder else ())

    asked = [i for i in range(len(questions.images)) if questions.asked[i] and not questions.wrong[i]]
    positions = len(questions.patch.positions)
    size = max(IMAGES, CASES // positions)
    progress = _Progress(ledger, len(asked) * positions, report)
    for chunk in (asked[i : i + size] for i in range(0, len(asked), size)):
        progress.tell("looking for suspicious positions" if positions > 1 else "")
        order = suspicious_first(
            questions, [image for image in chunk if not ledger.is_refuted(image, range(positions))]
        )
        try:
            decide(
                questions,
                order,
                ledger,
                options,
                on_refuted=refuted,
                on_case=progress.tell,
            )
        finally:
            if folder:
                folder.save(ledger, chunk)
                folder.write_record(record())
    if folder:
        folder.finish()
    found = record()
    if folder:
        folder.write_record(found)
    return found


@dataclass(slots=True)
class _Progress:
    """Says now and then how many of the cases, images times positions, have a finding."""

    ledger: Ledger
    cases: int
    report: Report
    _said: float = -inf

    def tell(self, doing: str = "") -> None:
        now = time.monotonic()
        if now < self._said + PAUSE:
            return
        self._said = now
        words = Counter(finding.word for finding in self.ledger.findings.values())
        found = doing or ", ".join(f"{words[word]:,} {word}" for word in (PROVED, REFUTED, OPEN))
        self.report(min(1.0, words.total() / max(1, self.cases)), found)
