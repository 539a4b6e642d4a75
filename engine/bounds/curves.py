"""Lines below and above Sigmoid and Tanh, from exact tables (docs/certificate-format.md, section 14).

All slopes, intercepts and ends are dyadic numbers that float64 holds, as are their sums and products: no processor and
no library of functions decides a bit of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

from engine.bounds.relaxation import Lines, make_lines
from engine.curves import SCALE
from engine.curves import Curve as Name
from engine.curves.tables import LAST, SLOPE_BITS, STEPS, tables

SLOPE_STEPS = 2.0**SLOPE_BITS


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Sigmoid or Tanh, f, with its tables on one device (engine/curves/tables.py), all in float64.

    scale: SCALE of it. Neurons' bounds l <= z <= u are given as they are, in float32; places are integers in float64.
    """

    scale: int
    high: torch.Tensor
    low: torch.Tensor
    steep: torch.Tensor
    touch: torch.Tensor

    def value(self, z: torch.Tensor) -> torch.Tensor:
        """f(z), for points alone: it is not rigorous."""
        half = self.scale / 2
        return (z * half).tanh_().mul_(half).add_(1 - half)

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        """f'(z), likewise."""
        return (1 - (z * (self.scale / 2)).tanh_().square_()).mul_(self.scale**2 / 4)

    def ends(self, l: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The least and the largest value that f can have."""
        p, q = _places(l, u)
        return _at(self.low, p), _at(self.high, q)

    def sizes(self, l: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        """The largest size that f can have."""
        low, high = self.ends(l, u)
        return torch.maximum(low.abs(), high.abs())

    def gap(self, l: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        """The distance of the lines of `curve_lines` in the middle, but for rounding."""
        p, q = _places(l, u)
        (above, t), (below, mirrored) = self.upper(p, q), self.upper(-q, -p)
        return (above - below) * (p + q) / (2 * STEPS) + t + mirrored - (2 - self.scale)

    def upper(self, p: torch.Tensor, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(slope, intercept) of a line above f from p / 256 to q / 256.

        A tangent at or behind the middle where it lies above f at p / 256, too, else the chord; a constant where a
        place is beyond the tables. Bounds that exclude each other (p > q) give some line, that of the format: where a
        difference of places is rounded, the chord's slope is less than 2^-31.
        """
        left, right = p / STEPS, q / STEPS
        at = torch.maximum(((p + q) / 2).floor_(), _at(self.touch, p.clamp(max=0)))
        steep, point = _at(self.steep, at), at / STEPS
        tangent = _at(self.high, at) - steep * point
        tangent = tangent + torch.maximum(right - point, point - left) / (2 * SLOPE_STEPS)
        first, last = _at(self.high, p), _at(self.high, q)
        chord = ((last - first) / torch.where(p == q, 1.0, right - left)).mul_(SLOPE_STEPS).round_().div_(SLOPE_STEPS)
        above = torch.maximum(first - chord * left, last - chord * right)
        is_tangent, is_beyond = at <= q, (p < -LAST) | (q > LAST)
        slope = torch.where(is_tangent, steep, chord).masked_fill(is_beyond, 0.0)
        return slope, torch.where(is_beyond, last, torch.where(is_tangent, tangent, above))


@cache
def curve_on(name: Name, device: torch.device) -> Curve:
    """A curve with its tables on a device, made at first use."""
    made = tables(name)
    parts = (torch.from_numpy(part).double().to(device) for part in (made.high, made.low, made.steep, made.touch))
    return Curve(SCALE[name], *parts)


def curve_lines(curve: Curve, l: torch.Tensor, u: torch.Tensor, noise: Callable[[torch.Tensor], torch.Tensor]) -> Lines:
    """Lines a z + r <= f(z) <= c z + t on l <= z <= u, [boxes, neurons], that lose as little as they must.

    The one below is that above -z, as f(z) + f(-z) = 2 f(0). `noise` maps intercepts to a bound of the change by
    rounding, s. As `Lines` has no intercept of the lower line, it is part of its noise, s - r.
    """
    p, q = _places(l, u)
    (above, t), (below, mirrored) = curve.upper(p, q), curve.upper(-q, -p)
    r = (2 - curve.scale) - mirrored
    rounding = noise(torch.maximum(r.abs(), t.abs()))
    return make_lines(below, above, t + r, rounding - r, rounding)


def _places(l: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """P = floor(256 l) and Q = ceil(256 u), as float64 numbers."""
    return (l.double() * STEPS).floor_(), (u.double() * STEPS).ceil_()


def _at(table: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The table's numbers at these places, or at its ends beyond them."""
    return table[(places.clamp(-LAST, LAST) + LAST).long()]
