"""The least and the largest multiple of a direction of the scores with which each sample is right.

The scores become y + v z, where the direction v is fixed and z >= 0 is some feature of the input, still to be
chosen. A sample near an unsafe polytope needs a z large enough that one of its rows becomes `margin`; a sample whose
advisory must stay, or that must not become unsafe, bears a z up to a cap. Both are linear in z.
"""

from itertools import combinations

import numpy as np

from engine.comparison.region import Region
from engine.repair.samples import Samples

USABLE_SHARE = 0.8  # of the room up to a change of advisory, or to unsafe: a repair may use no more


def directions(where: list[Region]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Directions [outputs] that lead out of unsafe polytopes of the targets: of one score, and of several.

    Of one score, raised or lowered, those that help against some polytope; of several raised scores, those that help
    against each.
    """
    polytopes = [rows.outputs for region in where if region.target for rows in region.unsafe.polytopes if len(rows)]
    if not polytopes:
        return [], []
    unit = np.eye(polytopes[0].shape[1])
    several = (unit[list(some)].sum(0) for n in range(2, len(unit)) for some in combinations(range(len(unit)), n))

    def helps(v: np.ndarray) -> list[bool]:
        return [bool((rows @ v > 0).any()) for rows in polytopes]

    return [v for v in [*unit, *-unit] if any(helps(v))], [v for v in several if all(helps(v))]


def needed(samples: Samples, where: list[Region], y: np.ndarray, v: np.ndarray, *, margin: float) -> np.ndarray:
    """The least z [n] from which on the targets hold with this margin; -inf where 0 will do, inf where none does."""
    need, later = np.full((2, len(samples)), -np.inf)
    for region, at in samples.of(where):
        for polytope in region.unsafe.polytopes if region.target else ():
            rows, gain = polytope.values(samples.x[at], y[at]), polytope.outputs @ v
            with np.errstate(divide="ignore", invalid="ignore"):
                left = np.where(gain > 0, (margin - rows) / gain, np.inf).min(1, initial=np.inf)
                stays = np.where((gain == 0) & (rows >= margin), np.inf, -np.inf)
                entered = np.where(gain < 0, (rows - margin) / -gain, stays).max(1, initial=-np.inf)
            near = (rows < margin).all(1)
            need[at[near]] = np.maximum(need[at[near]], left[near])
            enters = ~near & (entered < left)  # at some larger z, before another row leads out of it
            later[at[enters]] = np.maximum(later[at[enters]], left[enters])
    return np.where(need > -np.inf, np.maximum(need, later), need)


def held(
    samples: Samples, where: list[Region], y: np.ndarray, v: np.ndarray, *, tolerance: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """(floor, cap), each [n]: between them no advisory changes and nothing becomes unsafe.

    floor is -inf where every z from 0 to cap will do, and above cap where no z does. With a finite tolerance no output
    changes by more outside the targets' boxes, whatever advisories do.
    """
    floor, cap = _advisories(samples, y, v) if tolerance == np.inf else _outputs(samples, where, y, v, tolerance)
    cap[samples.free], floor[samples.free] = np.inf, -np.inf
    for region, at in samples.of(where):
        at = at[~samples.free[at]]
        for polytope in region.unsafe.polytopes:
            rows, gain = polytope.values(samples.x[at], y[at]), polytope.outputs @ v
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(gain < 0, _room(rows) / -gain, np.inf)
            room[rows <= 0] = -np.inf
            cap[at] = np.minimum(cap[at], room.max(1, initial=-np.inf))
    floor[cap < 0] = np.inf
    return floor, cap


def _advisories(samples: Samples, y: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between them no advisory changes."""
    n = np.arange(len(samples))
    rise = v - v[samples.lowest][:, None]  # how fast each score leaves the lowest
    gap = y - y[n, samples.lowest][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cap = np.where(rise < 0, _room(gap) / -rise, np.where((gap < 0) & (rise <= 0), -np.inf, np.inf)).min(1)
        floor = np.where((gap < 0) & (rise > 0), -gap / rise * (2 - USABLE_SHARE), -np.inf).max(1)
    return floor, cap


def _outputs(
    samples: Samples, where: list[Region], y: np.ndarray, v: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Between them no output is farther from the original's than a share of the tolerance, outside targets' boxes."""
    most, change = USABLE_SHARE * tolerance, y - samples.y
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack([(-most - change) / v, (most - change) / v])
    still = np.where(np.abs(change) <= most, np.inf, -np.inf)  # of outputs that z does not move
    cap = np.where(v == 0, still, ends.max(0)).min(1)
    floor = np.where(v == 0, -still, ends.min(0)).max(1)
    floor = np.where(floor <= 0, -np.inf, floor)
    for region, at in samples.of(where):
        if region.target:
            floor[at], cap[at] = -np.inf, np.inf
    return floor, cap


def _room(gap: np.ndarray) -> np.ndarray:
    """The part of a gap that may be used; all of a negative one."""
    return np.where(gap > 0, USABLE_SHARE * gap, gap)
