"""The folder of a run: its record, its triggers, its certificates; a later run of the same question goes on there.

images.json            the record; written after each chunk of images
image-I-at-R-C.npz     a trigger that works, and its picture (.png)
images-NNNN.proof.zip  the certificate of a chunk of images; each can be checked by itself
images.proof.zip       at the end all of these in one, where that is not too large
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import InputError
from engine.files import unwritable, write_bytes, write_text
from engine.images.certify.aggregate import DataFiles, Part, certificate_bytes, fits, merged_bytes, read_part, size_of
from engine.images.certify.earlier import earlier_cases, earlier_findings
from engine.images.certify.ledger import OPEN, Finding, Ledger
from engine.images.certify.questions import Key, Questions
from engine.images.certify.record import CertifyRecord
from engine.images.certify.triggers import refutation_of, write_refutation
from engine.proof import Proof
from engine.search.problem import Options
from engine.verdict import Counterexample

RECORD, WHOLE, PART = "images.json", "images.proof.zip", "images-{:04}.proof.zip"
OURS = (RECORD, "images*.proof.zip", "image-*-at-*.npz", "image-*-at-*.png")
TOO_LARGE = "its proof is larger than a certificate may be"


@dataclass(slots=True)
class RunFolder:
    """Where a run puts what it finds. data: what certificates say of it, None where none are wanted."""

    path: Path
    questions: Questions
    data: DataFiles | None
    options: Options
    _cases: dict[Path, list[Key]] = field(default_factory=dict)  # of the certificates

    def open(self, *, force: bool) -> Ledger:
        """Makes the folder; returns what an earlier run of the same question found there.

        A proof counts only where its certificate is there too, if certificates are wanted; a trigger only where it
        still works, exactly and in onnxruntime. InputError where the folder holds anything else; with `force` it is
        begun anew.
        """
        with _written_to(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if force:
                for file in [file for pattern in OURS for file in self.path.glob(pattern)]:
                    file.unlink()
            elif any(self.path.iterdir()):
                proved = None
                if self.data:
                    self._cases = earlier_cases(self.path, self.questions, self.data)
                    proved = {key for keys in self._cases.values() for key in keys}
                return earlier_findings(self.path / RECORD, self.questions, proved=proved)
        return Ledger()

    def refuted(self, key: Key, found: Counterexample) -> str:
        """Writes a trigger; returns the name of its files."""
        refutation = refutation_of(self.questions, key, found)
        with _written_to(self.path):
            write_refutation(self.questions, refutation, self.path)
        return refutation.trigger.name

    def save(self, ledger: Ledger, images: Sequence[int]) -> None:
        """Writes the certificate of a chunk of images, where something new is proved of them."""
        if self.data and ledger.proofs:
            self._save_proofs(self.data, ledger, images, ledger.proofs)
        ledger.proofs.clear()

    def _save_proofs(self, data: DataFiles, ledger: Ledger, images: Sequence[int], proofs: Mapping[Key, Proof]) -> None:
        """In one file, or else each half of the images in its own. What is too large even alone becomes open."""
        try:
            written = certificate_bytes(self.questions, data, images, proofs, self.options)
        except InputError:
            if len(images) == 1:
                for key in proofs:
                    ledger.findings[key] = Finding(OPEN, ledger.findings[key].seconds, reason=TOO_LARGE)
                return
            for half in (images[: len(images) // 2], images[len(images) // 2 :]):
                some = {key: proof for key, proof in proofs.items() if key[0] in half}
                if some:
                    self._save_proofs(data, ledger, half, some)
            return
        file = next(file for i in range(1, 10**9) if not (file := self.path / PART.format(i)).exists())
        with _written_to(self.path):
            write_bytes(file, written)
        self._cases[file] = sorted(proofs)

    def finish(self) -> None:
        """Makes one certificate of those of the chunks, where it is not too large."""
        if self.data is None or not self._cases:
            return
        parts: list[Part] = []
        for file in self._cases:
            part = read_part(file, self.questions, self.data)
            if part is None or not fits([size_of(proof) for _, proof in (*parts, part)]):
                return
            parts.append(part)
        try:
            images = range(len(self.questions.images))
            whole = merged_bytes(self.questions, self.data, images, parts, self.options)
        except InputError:  # it would be too large
            return
        with _written_to(self.path):
            write_bytes(self.path / WHOLE, whole)
            for file in self._cases:
                if file.name != WHOLE:
                    file.unlink(missing_ok=True)
        self._cases = {self.path / WHOLE: sorted({key for keys, _ in parts for key in keys})}

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the certificates."""
        return tuple(file.name for file in self._cases)

    def write_record(self, record: CertifyRecord) -> None:
        """Writes images.json."""
        with _written_to(self.path):
            write_text(self.path / RECORD, json.dumps(record.as_json(), indent=1, allow_nan=False) + "\n")


@contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    """InputError where a file cannot be written or removed."""
    try:
        yield
    except OSError as error:
        raise unwritable(error, folder) from None
