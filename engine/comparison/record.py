"""The record of a comparison: all that was measured and proved of how two networks differ, and its JSON."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.comparison.decision import Decision
from engine.comparison.difference import Fidelity
from engine.comparison.figures import Figures
from engine.comparison.meaning import meaning_json
from engine.comparison.measured import FidelityRecord, FiguresRecord, figures_json
from engine.domain import Domain

if TYPE_CHECKING:  # the command line imports this module, and torch takes long
    from engine.comparison.band import OutsideBand
    from engine.comparison.band_measured import MeasuredOutside
    from engine.comparison.preservation import Preservation


@dataclass(frozen=True, slots=True)
class Band:
    """What is known outside a band around the original's ties."""

    proved: "OutsideBand"
    measured: "MeasuredOutside"


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """A changed network compared with the original: `fidelity` and `figures` are measured, `preservation` is proved.

    figures: of each property; preservation, band: None where no such proof was asked for; domain: None where it is not
    known; word: what the network's decision is called.
    """

    fidelity: Fidelity
    figures: tuple[Figures, ...]
    preservation: "Preservation | None"
    domain: Domain | None
    decision: Decision
    word: str = "decision"
    band: Band | None = None

    def to_json(self) -> dict[str, object]:
        """The object that `acasxu compare --json` prints."""
        content = FidelityRecord.of(self.fidelity).to_json() | meaning_json(
            self.domain.name if self.domain else None, self.decision
        )
        content["vere"] = figures_json(map(FiguresRecord.of, self.figures), self.decision, self.word)
        if self.preservation:
            content["proved"] = preservation_json(self.preservation)
        if self.band:
            content["outside_band"] = band_json(self.band)
        return content


def preservation_json(found: "Preservation") -> dict[str, object]:
    """The proved shares exactly, as fractions, and what they cost."""
    return {
        "decision_may_differ_at_most": str(found.open),
        "outputs_may_differ_at_most": str(found.unequal),
        "boxes": found.boxes,
        "seconds": found.seconds,
    }


def band_json(band: Band) -> dict[str, object]:
    """The gap and the proved share exactly, as fractions; what was measured as numbers of points."""
    found, measured = band.proved, band.measured
    return {
        "gap": str(found.gap),
        "decision_may_differ_at_most": str(found.open),
        "boxes": found.boxes,
        "seconds": found.seconds,
        "changes_not_ruled_out_by_the_weights": [list(pair) for pair in found.pairs],
        "measured": {
            "points": measured.points,
            "outside_the_band": measured.clear,
            "of_these_with_a_decision_that_may_change": measured.possible,
            "of_these_with_another_decision": measured.changed,
        },
    }
