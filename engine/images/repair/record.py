"""The record of a repair: what was repaired by which method, what that cost, and what was changed. It is JSON.

Every figure but `given_right` is of images that no method saw.
"""

from dataclasses import asdict, dataclass
from fractions import Fraction

from engine.images.repair.changes import Changes

KIND = "image repair"
HALF = 0.5  # of the attack's success, or of the wrong images, may be left
LOST = 0.02  # of the accuracy on clean images may be lost


@dataclass(frozen=True, slots=True)
class Figures:
    """What one network does. accuracy: on held-out clean images.

    attack_success: of the trigger in them; None where no trigger is known. faults_right: the share of held-out faults
    with their right class; None where there are too few to hold some out. given_right: of the faults to learn from.
    natural_success: the share of held-out images of other classes that get the target without the trigger; None where
    no target is known. A success near it is no success of the trigger.
    """

    accuracy: float
    attack_success: float | None
    faults_right: float | None
    given_right: float
    natural_success: float | None = None


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """The attack's success with a neighbour of the trigger, before and after."""

    trigger: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One method that auto tried, on validation images. failure: why it gave none; its figures are None then.

    fault_rate: the share of validation faults that are wrong.
    """

    method: str
    note: str
    seconds: float
    fault_rate: float | None = None
    accuracy: float | None = None
    weights: int | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class FileName:
    """A network's name, and its file's SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class KnownBackdoor:
    """The trigger's name and the class that it gives."""

    trigger: str
    target: int


Confusion = list[list[int]]


@dataclass(frozen=True, slots=True)
class ProvedBound:
    """What is proved of the repaired network on held-out images: no trigger of the family succeeds on more than `bound`
    of those that count, and `most` was asked for. Shares are rational numbers as text.

    family: in words; rounds: the bound after each, on validation images; wrong: need no trigger.
    """

    family: str
    most: str
    bound: str
    images: int
    proved: int
    refuted: int
    open: int
    wrong: int
    seconds: float
    rounds: tuple[str, ...]

    @property
    def is_reached(self) -> bool:
        """True iff the bound is what was asked for, or less."""
        return Fraction(self.bound) <= Fraction(self.most)


@dataclass(frozen=True, slots=True)
class ImageRepairRecord:
    """All that is told of a repair.

    generalization: the share of held-out faults wrong before that are right after; None where there are none.
    drawdown: points of clean accuracy lost, negative where it rose. broken: the share of held-out clean images right
    before that are wrong after. changes: None where the repaired file has other tensors. trials: of auto. proved: None
    where no proof was asked for.
    """

    original: FileName
    repaired: FileName
    data: str
    method: str
    note: str
    explanation: str
    seconds: float
    seed: int
    options: dict[str, object]
    backdoor: KnownBackdoor | None
    before: Figures
    after: Figures
    variants: tuple[VariantFigures, ...]
    generalization: float | None
    drawdown: float
    broken: float
    changes: Changes | None
    confusion_before: Confusion
    confusion_after: Confusion
    trials: tuple[Trial, ...] = ()
    proved: ProvedBound | None = None

    @property
    def is_repaired(self) -> bool:
        """True iff at least half of the harm is gone, at most 2 points of clean accuracy, and what was to be proved is.

        The harm is the attack's success where the trigger is known, else the share of the given faults that are wrong.
        """
        is_proved = self.proved is None or self.proved.is_reached
        return is_proved and self.harm_after <= HALF * self.harm_before and self.lost <= LOST

    @property
    def lost(self) -> float:
        """The clean accuracy lost."""
        return self.before.accuracy - self.after.accuracy

    @property
    def harm_before(self) -> float:
        return _harm(self.before)

    @property
    def harm_after(self) -> float:
        return _harm(self.after)

    def as_json(self) -> dict[str, object]:
        """The JSON object that stands in the file beside the repaired network."""
        found = asdict(self)
        matrices = {"before": found.pop("confusion_before"), "after": found.pop("confusion_after")}
        return {"kind": KIND, **found, "confusion": matrices, "is_repaired": self.is_repaired}


def _harm(figures: Figures) -> float:
    return 1 - figures.given_right if figures.attack_success is None else figures.attack_success
