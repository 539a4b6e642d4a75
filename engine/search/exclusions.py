"""Proofs that polytopes are not reached on boxes: enough to repeat them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import repeat

import torch

from engine.bounds.slopes import Multipliers


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Polytopes excluded on boxes.

    node: [n], ids of nodes; polytope: [n]; weights: [n, rows]. The neuron slope [m] has, in the exclusion with number
    slope_of [m], the lower slope slope_value [m] instead of CROWN's; multiplier_of, multiplier, multiplier_value:
    likewise the multipliers of assumed signs.
    """

    node: torch.Tensor
    polytope: torch.Tensor
    weights: torch.Tensor
    slope_of: torch.Tensor
    slope: torch.Tensor
    slope_value: torch.Tensor
    multiplier_of: torch.Tensor
    multiplier: torch.Tensor
    multiplier_value: torch.Tensor


NAMES = tuple(field.name for field in fields(Exclusions))


def proved_exclusions(
    node: torch.Tensor,
    polytope: torch.Tensor,
    weights: torch.Tensor,
    proved: torch.Tensor,
    near: torch.Tensor,
    free: Multipliers,
    changed: torch.Tensor,
) -> Exclusions:
    """The proved ones of the targets.

    near: the numbers of those with free multipliers; changed: [near, hidden], True where the slope is not CROWN's.
    """
    number = proved.cumsum(0) - 1
    slopes, multipliers = changed.nonzero(as_tuple=True), (free.phases > 0).nonzero(as_tuple=True)
    return Exclusions(
        node[proved],
        polytope[proved],
        weights[proved],
        number[near[slopes[0]]],
        slopes[1],
        free.slopes[slopes],
        number[near[multipliers[0]]],
        multipliers[1],
        free.phases[multipliers],
    )


def joined_exclusions(parts: Sequence[Exclusions]) -> Exclusions:
    """All of them as one: references to exclusions by number are numbered on."""
    first = torch.tensor([0, *(len(part.node) for part in parts)]).cumsum(0).tolist()
    columns = []
    for name in NAMES:
        shifts = first if name.endswith("_of") else repeat(0)
        columns.append(torch.cat([getattr(part, name) + shift for part, shift in zip(parts, shifts)]))
    return Exclusions(*columns)
