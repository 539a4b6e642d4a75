"""The decision outside a band around the original's ties, proved and measured, in words."""

from fractions import Fraction
from typing import TYPE_CHECKING

from engine.acasxu.quantities import SCORE_SCALE
from engine.digits import decimal, percent
from engine.exact import number_text
from engine.meaning import Meaning

if TYPE_CHECKING:  # the command line imports this module, and torch takes long
    from engine.comparison.record import Band


def band_in_words(band: "Band", meant: Meaning, subject: str) -> str:
    """What is proved and measured of points outside the band; subject: the decision, as that of a sentence."""
    proved, measured = band.proved, band.measured
    points = max(measured.points, 1)
    return "\n".join(
        [
            f"proved: where the original's two {meant.decision.value} {meant.output}s differ by more than "
            f"{_gap(proved.gap, meant)}, {subject}",
            f"may differ on at most {percent(proved.open, up=True)} of the domain "
            f"({proved.boxes:,} boxes, {proved.seconds:.1f} s);",
            f"measured on {measured.points:,} random points: they differ by more on "
            f"{_share(measured.clear, points)} of the domain{_possible(band, meant, points)},",
            f"and there {subject} differs on {_share(measured.changed, points)} of the domain",
        ]
    )


def _gap(gap: Fraction, meant: Meaning) -> str:
    tables = f" ({decimal(gap * SCORE_SCALE, digits=4)} in the tables' scores)" if meant.identity and gap else ""
    return f"{number_text(gap)}{tables}"


def _possible(band: "Band", meant: Meaning, points: int) -> str:
    """The share where the weights alone leave a change possible, unless that is everywhere."""
    leaving = sorted(band.proved.leaving)
    if len(leaving) == band.proved.outputs:
        return ""
    if not leaving:
        return "; by the weights alone it changes nowhere"
    called = " or ".join(meant.names[j] if meant.names else f"output {j}" for j in leaving)
    return f"; it may change only from {called}, which is on {_share(band.measured.possible, points)}"


def _share(count: int, points: int) -> str:
    return percent(Fraction(count, points), up=True)
