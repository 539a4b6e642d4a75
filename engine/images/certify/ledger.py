"""What was found of each image and position."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.images.certify.questions import Key, Questions
from engine.proof import Proof

PROVED, REFUTED, OPEN, WRONG, TARGET = "proved", "refuted", "open", "wrong", "target"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer for one image and position.

    word: proved, refuted or open; reason: why it is open; limit: the seconds it was given, None where there was no
    limit; trigger: the file that refutes it, without ending; replayed: False where that is a point that no
    floating-point number is, and thus exact only; taken_over: from an earlier run, whose proof is not at hand.
    """

    word: str
    seconds: float
    reason: str = ""
    limit: float | None = None
    trigger: str = ""
    replayed: bool = True
    taken_over: bool = False


@dataclass(slots=True)
class Ledger:
    """The findings so far, and the proofs that are not in a file yet."""

    findings: dict[Key, Finding] = field(default_factory=dict)
    proofs: dict[Key, Proof] = field(default_factory=dict)

    def of(self, image: int, positions: int) -> list[Finding | None]:
        """What was found of an image at each position, None where nothing was."""
        return [self.findings.get((image, position)) for position in range(positions)]

    def is_settled(self, key: Key, limit: float | None) -> bool:
        """Whether a case need not be searched again, with this limit in seconds."""
        found = self.findings.get(key)
        if found is None or found.word != OPEN:
            return found is not None
        return found.limit is None or (limit is not None and limit <= found.limit)

    def is_refuted(self, image: int, positions: Iterable[int]) -> bool:
        """Whether a trigger is known at one of the positions."""
        known = (self.findings.get((image, position)) for position in positions)
        return any(found is not None and found.word == REFUTED for found in known)


def state_of(questions: Questions, ledger: Ledger, image: int) -> str:
    """What is known of an image: proved at all positions, refuted at one, or open.

    TARGET: it is labelled with the target, and does not count; WRONG: it counts, and needs no trigger.
    """
    if not questions.asked[image]:
        return TARGET
    if questions.wrong[image]:
        return WRONG
    words = [found.word if found else OPEN for found in ledger.of(image, len(questions.patch.positions))]
    if REFUTED in words:
        return REFUTED
    return OPEN if OPEN in words else PROVED
