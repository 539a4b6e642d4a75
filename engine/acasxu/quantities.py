"""The five inputs and five outputs of ACAS Xu's networks: units, normalization, advisories.

A network scores five advisories to an aircraft (the ownship) that meets another (the intruder); **the lowest score is
the advisory given**. All numbers are exact: `Fraction`s of the published decimals.
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Input:
    """An input in its own unit; a network sees (raw - mean) / range."""

    symbol: str
    words: str
    unit: str
    mean: Fraction
    range: Fraction

    def normalize(self, raw: Fraction) -> Fraction:
        return (Fraction(raw) - self.mean) / self.range

    def raw(self, normalized: Fraction) -> Fraction:
        return Fraction(normalized) * self.range + self.mean


_TURN = Fraction("6.28318530718")  # the published files' own 2 pi

INPUTS = (
    Input("rho", "distance from ownship to intruder", "ft", Fraction("19791.091"), Fraction(60261)),
    Input("theta", "angle to the intruder, left of the ownship's heading", "rad", Fraction(0), _TURN),
    Input("psi", "intruder's heading, left of the ownship's", "rad", Fraction(0), _TURN),
    Input("v_own", "ownship's speed", "ft/s", Fraction(650), Fraction(1100)),
    Input("v_int", "intruder's speed", "ft/s", Fraction(600), Fraction(1200)),
)

COC, WEAK_LEFT, WEAK_RIGHT, STRONG_LEFT, STRONG_RIGHT = range(5)
ADVISORIES = ("COC", "weak left", "weak right", "strong left", "strong right")

FEET_PER_SECOND = 1852 / 0.3048 / 3600  # of a knot, which is a nautical mile of 1,852 m an hour

# The published files give the offset to full precision; elsewhere it is quoted as 7.518884.
SCORE_SCALE, SCORE_OFFSET = Fraction("373.94992"), Fraction("7.5188840201005975")


def raw_score(output: Fraction) -> Fraction:
    """The score for which a network's output stands, in the units of the published tables."""
    return SCORE_SCALE * Fraction(output) + SCORE_OFFSET


def normalize_score(raw: Fraction) -> Fraction:
    """The network output that stands for a raw score."""
    return (Fraction(raw) - SCORE_OFFSET) / SCORE_SCALE
