"""Encounters seen from above: the places where an intruder can be, as ACAS Xu's networks see them.

The ownship is at the origin and heads along y; the intruder's place is (x, y) in feet, x to the right. Its heading
and both speeds are fixed: one encounter, one view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi

import numpy as np

from engine.acasxu.quantities import ADVISORIES, INPUTS
from engine.errors import InputError
from engine.network import Network
from engine.property import Case, Property, Vector

RANGE = 60_760.0  # ft: as far as the networks were trained
_NEAR = 4  # a box that ends before 1/4 of the range gets a view of its surroundings too
_OPPOSITE = 3.141592  # rad, where most properties' psi ends


@dataclass(frozen=True, slots=True)
class Sector:
    """The part of a property's box that a view shows: rho in [near, far] ft, theta in [right, left] rad."""

    near: float
    far: float
    right: float
    left: float


@dataclass(frozen=True, slots=True)
class EncounterView:
    """An encounter but for the intruder's place, which is shown up to `radius` ft from the ownship.

    psi: the intruder's heading in rad, left of the ownship's; v_own, v_int: the speeds in ft/s; sectors: the
    properties' boxes as far as they are in view.
    """

    name: str
    psi: float
    v_own: float
    v_int: float
    radius: float = RANGE
    sectors: tuple[Sector, ...] = ()

    def shows(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """True for places x, y in ft that are no farther away than the radius."""
        return np.asarray(np.hypot(x, y) <= self.radius)

    def inputs_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The networks' (normalized) inputs [n, 5] for an intruder at x, y [n] ft."""
        rest = (np.full(len(x), value) for value in (self.psi, self.v_own, self.v_int))
        raw = (np.hypot(x, y), np.arctan2(-x, y), *rest)  # theta grows to the left
        return np.column_stack([(v - float(q.mean)) / float(q.range) for q, v in zip(INPUTS, raw)])

    def sector_of(self, case: Case) -> Sector | None:
        """The part of a case's box that is in view, if any."""
        low, high = _raw(case.lower), _raw(case.upper)
        fixed = (self.psi, self.v_own, self.v_int)
        met = all(a <= value <= b for a, value, b in zip(low[2:], fixed, high[2:]))
        if not met or low[0] > self.radius or high[0] < 0:
            return None
        return Sector(max(low[0], 0.0), min(high[0], self.radius), low[1], high[1])


def demand_encounters(*parts: Network | Property) -> None:
    """InputError for a network or property without ACAS Xu's inputs and outputs."""
    for each in parts:
        if (each.n_inputs, each.n_outputs) != (len(INPUTS), len(ADVISORIES)):
            raise InputError(
                f"advisory maps need ACAS Xu's {len(INPUTS)} inputs and {len(ADVISORIES)} outputs, "
                f"here are {each.n_inputs} and {each.n_outputs}",
                where=each.name,
                advice="leave the picture out",
            )


def encounter_views(properties: Sequence[Property]) -> tuple[EncounterView, ...]:
    """Head-on, crossing, and the middle of each property's (first) box; of a near box its surroundings too."""
    found = [
        EncounterView("head-on, fast", _OPPOSITE, 1100.0, 1100.0),
        EncounterView("crossing from the left", -pi / 2, 800.0, 800.0),
    ]
    names: dict[tuple[float, float, float, float], list[str]] = {}
    for prop in properties:
        for case in prop.cases[:1]:
            low, high = _raw(case.lower), _raw(case.upper)
            psi, v_own, v_int = ((a + b) / 2 for a, b in zip(low[2:], high[2:]))
            names.setdefault((psi, v_own, v_int, high[0]), []).append(prop.name or "the property")
    for (psi, v_own, v_int, far), own in names.items():
        name = f"middle of the box of {', '.join(own)}"
        found.append(EncounterView(name, psi, v_own, v_int))
        if 0 < far < RANGE / _NEAR:
            found.append(EncounterView(f"{name}, its surroundings", psi, v_own, v_int, radius=2 * far))
    cases = [case for prop in properties for case in prop.cases]
    return tuple(replace(view, sectors=tuple(filter(None, (view.sector_of(case) for case in cases)))) for view in found)


def _raw(vector: Vector) -> list[float]:
    """The values in feet, rad and ft/s."""
    return [float(q.raw(v)) for q, v in zip(INPUTS, vector)]
