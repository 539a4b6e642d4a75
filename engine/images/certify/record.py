"""The outcome for all images: counts, the bound, and its JSON."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from engine.errors import InputError
from engine.images.certify.ledger import OPEN, PROVED, REFUTED, TARGET, WRONG, Finding, Ledger, state_of
from engine.images.certify.questions import Questions

KIND = "image certification"
STATES = PROVED, REFUTED, OPEN, WRONG, TARGET


@dataclass(frozen=True, eq=False)
class CertifyRecord:
    """The outcome of a run, whole or broken off. data: the set's name; files: the certificates written, by name;
    seconds: of this run."""

    questions: Questions
    ledger: Ledger
    data: str
    seconds: float
    files: tuple[str, ...] = ()

    @cached_property
    def states(self) -> list[str]:
        """What is known of each image: proved, refuted, open, wrong (it needs no trigger) or target (it has none)."""
        return [state_of(self.questions, self.ledger, image) for image in range(len(self.questions.images))]

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many images there are of each state."""
        return dict.fromkeys(STATES, 0) | Counter(self.states)

    @property
    def counted(self) -> int:
        """The number of images that count: all but those labelled with the target."""
        return len(self.states) - self.counts[TARGET]

    @property
    def bound(self) -> Fraction:
        """No trigger of the family succeeds on more than this share of the images that count.

        Those that need no trigger are included. With no target this is 1 minus the certified accuracy.
        """
        return Fraction(self.counted - self.counts[PROVED], self.counted)

    @property
    def floor(self) -> Fraction:
        """On this share of them some trigger succeeds, of each image its own; none is needed where it is wrong."""
        return Fraction(self.counts[REFUTED] + self.counts[WRONG], self.counted)

    @property
    def misclassified(self) -> int:
        """How many images count that have neither their label nor the target, as they are."""
        q = self.questions
        return int((q.asked & ~q.wrong & (q.classes != q.images.labels)).sum())

    def by_position(self) -> list[Counter[str]]:
        """Of each position, how many images are proved, refuted or open there; others were not asked about there."""
        found: list[Counter[str]] = [Counter() for _ in self.questions.patch.positions]
        for (_, position), finding in self.ledger.findings.items():
            found[position][finding.word] += 1
        return found

    def as_json(self) -> dict[str, Any]:
        """What images.json holds, and --json prints."""
        return {
            "kind": KIND,
            "network": {"name": self.questions.network.name, "sha256": self.questions.network.sha256},
            "data": self.data,
            "question": question_json(self.questions),
            "counts": {**self.counts, "counted": self.counted, "misclassified": self.misclassified},
            "bound": str(self.bound),
            "at_least": str(self.floor),
            "certificates": list(self.files),
            "seconds": round(self.seconds, 2),
            "positions": [list(position) for position in self.questions.patch.positions],
            "images": [self._image(image) for image in range(len(self.states))],
        }

    def _image(self, image: int) -> dict[str, Any]:
        findings = enumerate(self.ledger.of(image, len(self.questions.patch.positions)))
        return {
            "image": self.questions.number(image),
            "label": int(self.questions.images.labels[image]),
            "class": int(self.questions.classes[image]),
            "state": self.states[image],
            "findings": [_finding_json(position, finding) for position, finding in findings if finding],
        }


def question_json(questions: Questions) -> dict[str, Any]:
    """All on which a finding depends: what an earlier run found holds for a question that is the same."""
    return {
        "network": questions.network.sha256,
        "images": questions.digest,
        "numbers": [questions.number(image) for image in range(len(questions.images))],
        "claim": {"not": questions.target} if questions.target is not None else "label",
        "input": {"layout": questions.classifier.layout, "scaling": questions.classifier.scaling.value},
        **questions.recorded(),
    }


def _finding_json(position: int, finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {"position": position, "result": finding.word, "seconds": round(finding.seconds, 4)}
    if finding.word == OPEN:
        found |= {"reason": finding.reason, "limit": finding.limit}
    if finding.word == REFUTED:
        found |= {"trigger": finding.trigger, "replayed": finding.replayed}
    return found | ({"taken_over": True} if finding.taken_over else {})


def ledger_of(content: Any, questions: Questions, *, where: str) -> Ledger | None:
    """What an earlier run's images.json holds; None where it is about another question. InputError where it is no
    such file."""
    try:
        if content["kind"] != KIND:
            raise ValueError
        if content["question"] != question_json(questions):
            return None
        ledger = Ledger()
        for image, entry in enumerate(content["images"]):
            for found in entry["findings"]:
                ledger.findings[image, int(found["position"])] = _finding(found)
        return ledger
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(
            "this is no record of `acasxu images certify`", where=where, advice="choose another folder, or --force"
        ) from None


def _finding(found: dict[str, Any]) -> Finding:
    limit = found.get("limit")
    if found["result"] not in (PROVED, REFUTED, OPEN):
        raise ValueError
    return Finding(
        found["result"],
        float(found["seconds"]),
        reason=str(found.get("reason", "")),
        limit=None if limit is None else float(limit),
        trigger=str(found.get("trigger", "")),
        replayed=bool(found.get("replayed", True)),
    )
