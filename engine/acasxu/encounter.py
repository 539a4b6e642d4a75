"""Points of ACAS Xu's networks in the words of a pilot: feet, degrees, feet per second, advisories."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.acasxu.quantities import ADVISORIES, FEET_PER_SECOND, INPUTS, raw_score


@dataclass(frozen=True, slots=True)
class Encounter:
    """An input and a network's output as a pilot would say them."""

    distance: float
    bearing: float
    heading: float
    own_speed: float
    intruder_speed: float
    scores: tuple[float, ...]

    @property
    def advisory(self) -> str:
        """The advisory with the lowest score; the first of equals."""
        return ADVISORIES[min(range(len(ADVISORIES)), key=self.scores.__getitem__)]

    @property
    def place(self) -> str:
        """The intruder's place and heading in words."""
        return (
            f"intruder {self.distance:.1f} ft away, {_side(self.bearing)} of the ownship's heading, "
            f"its own heading {_side(self.heading)}"
        )

    @property
    def speeds_in_knots(self) -> str:
        own, intruder = (speed / FEET_PER_SECOND for speed in (self.own_speed, self.intruder_speed))
        return f"speeds: ownship {own:.1f} knots, intruder {intruder:.1f} knots"

    def __str__(self) -> str:
        scores = ", ".join(f"{name} {score:.3f}" for name, score in zip(ADVISORIES, self.scores))
        return (
            f"{self.place}\n"
            f"speeds: ownship {self.own_speed:.1f} ft/s, intruder {self.intruder_speed:.1f} ft/s\n"
            f"scores: {scores}\n"
            f"advisory (lowest score): {self.advisory}"
        )


def describe_point(x: Sequence[float], y: Sequence[float]) -> Encounter:
    """A network's input and output, both normalized, in feet, degrees, ft/s and raw scores."""
    distance, theta, psi, own, intruder = (float(q.raw(Fraction(v))) for q, v in zip(INPUTS, x, strict=True))
    scores = tuple(float(raw_score(Fraction(v))) for v in y)
    if len(scores) != len(ADVISORIES):
        raise ValueError(f"{len(scores)} scores for {len(ADVISORIES)} advisories")
    return Encounter(distance, math.degrees(theta), math.degrees(psi), own, intruder, scores)


def _side(degrees: float) -> str:
    return f"{abs(degrees):.2f} degrees {'right' if degrees < 0 else 'left'}"
