"""Advisory maps: what two networks advise, over the places where the intruder can be, seen from above.

The ownship is at the origin and heads along y; the intruder's place is (x, y) in feet, x to the right. Its heading
and both speeds are fixed: one geometry, one map. Advisories are those of float32 execution at single points: an
advisory can change between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np

from engine.acasxu.facts import ADVISORIES, INPUTS
from engine.errors import InputError
from engine.evaluation import scores
from engine.network import Network
from engine.property import Case, Property

RANGE = 60_760.0  # ft: as far as the networks were trained
SIZE = 300  # points along x and along y
NOWHERE = -1  # instead of an advisory, farther away than the map shows
_NEAR = 4  # a box that ends before 1/4 of the range gets a map of its surroundings too
_OPPOSITE = 3.141592  # rad, where most properties' psi ends


@dataclass(frozen=True, slots=True)
class Geometry:
    """An encounter but for the intruder's place: its heading `psi` in rad, left of the ownship's, and the speeds
    in ft/s. The map reaches `radius` ft.
    """

    name: str
    psi: float
    v_own: float
    v_int: float
    radius: float = RANGE


@dataclass(frozen=True, slots=True)
class Sector:
    """The part of a property's box that a map shows: rho in [near, far] ft, theta in [right, left] rad."""

    near: float
    far: float
    right: float
    left: float


@dataclass(frozen=True, slots=True, eq=False)
class AdvisoryMap:
    """Numbers of advisories, int8 [size, size], NOWHERE beyond the radius: first index y, second x, both ascending,
    at `coordinates(radius, size)`. `sectors`: the properties' boxes as far as they meet the geometry.
    """

    geometry: Geometry
    before: np.ndarray
    after: np.ndarray
    sectors: tuple[Sector, ...] = ()

    @property
    def differs(self) -> np.ndarray:
        """Whether the advisory differs: bool [size, size]."""
        return self.before != self.after

    @property
    def points(self) -> int:
        return int((self.before != NOWHERE).sum())

    @property
    def changed(self) -> int:
        """At how many of the points the advisory differs."""
        return int(self.differs.sum())


def advisory_maps(
    before: Network, after: Network, properties: Sequence[Property] = (), *, size: int = SIZE
) -> tuple[AdvisoryMap, ...]:
    """One map for each of `geometries(properties)`; the networks are to be known as ACAS Xu's (engine/identity.py).

    InputError for networks or properties without ACAS Xu's inputs and outputs.
    """
    for each in (before, after, *properties):
        if (each.n_inputs, each.n_outputs) != (len(INPUTS), len(ADVISORIES)):
            raise InputError(
                f"advisory maps need ACAS Xu's {len(INPUTS)} inputs and {len(ADVISORIES)} outputs, "
                f"here are {each.n_inputs} and {each.n_outputs}",
                where=each.name,
                advice="leave the picture out",
            )
    return tuple(_map(before, after, geometry, properties, size) for geometry in geometries(properties))


def geometries(properties: Sequence[Property]) -> tuple[Geometry, ...]:
    """Head-on, crossing, and the middle of each property's (first) box; of a near box its surroundings too."""
    found = [
        Geometry("head-on, fast", _OPPOSITE, 1100.0, 1100.0),
        Geometry("crossing from the left", -pi / 2, 800.0, 800.0),
    ]
    names: dict[tuple[float, ...], list[str]] = {}
    for prop in properties:
        for case in prop.cases[:1]:
            low, high = _raw(case.lower), _raw(case.upper)
            middle = tuple((a + b) / 2 for a, b in zip(low[2:], high[2:]))
            names.setdefault((*middle, high[0]), []).append(prop.name or "the property")
    for (*middle, far), own in names.items():
        name = f"middle of the box of {', '.join(own)}"
        found.append(Geometry(name, *middle))
        if 0 < far < RANGE / _NEAR:
            found.append(Geometry(f"{name}, its surroundings", *middle, radius=2 * far))
    return tuple(found)


def coordinates(radius: float, size: int) -> np.ndarray:
    """The x, and the y, of a map's points in ft: middles of `size` equal parts of [-radius, radius]."""
    return radius * ((2 * np.arange(size) + 1) / size - 1)


def inputs_at(geometry: Geometry, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The networks' (normalized) inputs [n, 5] for an intruder at x, y [n] ft."""
    rest = (np.full(len(x), value) for value in (geometry.psi, geometry.v_own, geometry.v_int))
    raw = (np.hypot(x, y), np.arctan2(-x, y), *rest)  # theta grows to the left
    return np.column_stack([(v - float(q.mean)) / float(q.range) for q, v in zip(INPUTS, raw)])


def _map(before: Network, after: Network, geometry: Geometry, properties, size: int) -> AdvisoryMap:
    ends = coordinates(geometry.radius, size)
    x, y = np.meshgrid(ends, ends)
    shown = np.hypot(x, y) <= geometry.radius
    points = inputs_at(geometry, x[shown], y[shown])
    pair = []
    for network in (before, after):
        advisories = np.full((size, size), NOWHERE, np.int8)
        advisories[shown] = scores(network, points).argmin(1)  # the first of equals
        pair.append(advisories)
    sectors = (_sector(case, geometry) for prop in properties for case in prop.cases)
    return AdvisoryMap(geometry, *pair, tuple(sector for sector in sectors if sector))


def _sector(case: Case, geometry: Geometry) -> Sector | None:
    """What the map shows of the box, if anything."""
    low, high = _raw(case.lower), _raw(case.upper)
    fixed = (geometry.psi, geometry.v_own, geometry.v_int)
    met = all(a <= value <= b for a, value, b in zip(low[2:], fixed, high[2:]))
    if not met or low[0] > geometry.radius or high[0] < 0:
        return None
    return Sector(max(low[0], 0.0), min(high[0], geometry.radius), low[1], high[1])


def _raw(vector) -> list[float]:
    """In feet, rad and ft/s."""
    return [float(q.raw(v)) for q, v in zip(INPUTS, vector)]
