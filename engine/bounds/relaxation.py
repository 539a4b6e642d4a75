"""Lines below and above a layer's activation, with exact dyadic coefficients."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

SLOPE_STEPS = 1024.0  # slopes are multiples of 2^-10


@dataclass(frozen=True, slots=True)
class Lines:
    """lower z - noise <= h <= (lower + change) z + intercept + noise for a layer's outputs h, z in [l, u].

    z is the layer's affine output; `noise` bounds the change by rounding (rounding.py). Each tensor is
    [boxes, neurons + 1]: the last column stands for the constant that is carried beside the
    coefficients and passes it on unchanged. `lift` = intercept + 2 noise saves relax() a step.
    `rounding` is the noise of z itself, which does not vanish where the output is exactly 0.
    `coupled` is 1 for neurons whose lines are those of a difference from another network (pairs.py), if there are any.
    """

    lower: torch.Tensor
    change: torch.Tensor
    lift: torch.Tensor
    noise: torch.Tensor
    rounding: torch.Tensor
    coupled: torch.Tensor | None = None

    def at(self, box: torch.Tensor) -> "Lines":
        """The lines of the given boxes, one for each row of a batch."""
        lower, change, lift, noise = (
            part.index_select(0, box) for part in (self.lower, self.change, self.lift, self.noise)
        )
        coupled = None if self.coupled is None else self.coupled.index_select(0, box)
        return Lines(lower, change, lift, noise, self.rounding, coupled)

    def relax(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows over z that are nowhere larger than the given rows [sides, n, neurons + 1] over h.

        A positive coefficient takes the lower line, a negative one the upper.
        """
        negative = rows.clamp(max=0)
        constant = (negative * self.lift).addcmul_(rows, self.noise, value=-1).sum(-1)
        rows = (rows * self.lower).addcmul_(negative, self.change)
        rows[..., -1] += constant
        return rows

    def image(self, rows: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """The values of h that relax() of these rows [n, neurons] assumes at z [n, neurons]."""
        negative = (rows < 0).double()
        intercept = negative * self.lift[:, :-1] - self.noise[:, :-1]
        return z * (self.lower[:, :-1] + negative * self.change[:, :-1]) + intercept


def relaxed(rows: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
    """The same for lines [2, 2, 1, n, neurons + 1] of each row, for (lower, -noise) and (change, lift)."""
    found = (rows * lines[0]).addcmul_(rows.clamp(max=0), lines[1])
    rows = found[0]
    rows[..., -1] += found[1].sum(-1)
    return rows


def relu_lines(
    l: torch.Tensor, u: torch.Tensor, noise: Callable[[torch.Tensor], torch.Tensor], *, ratio: float = 1.0
) -> Lines:
    """CROWN's lines (Zhang et al., NeurIPS 2018) for a ReLU on l <= z <= u, [boxes, neurons].

    Upper: the chord's slope u / (u - l), rounded to a multiple of 2^-10, with the smallest
    intercept that is sound for it, max(-slope * l, (1 - slope) * u). Lower: slope 1 where
    u > -ratio * l, else 0. l and u hold float32 values, so every product here is exact in float64. A neuron
    that is never positive is exactly 0, without noise. `noise` maps intercepts to a bound of the change by rounding.
    """
    low, high = l.double(), u.double()
    below, above = low.clamp(max=0), high.clamp(min=0)
    upper = dyadic(above / (above - below).clamp_(min=1e-300))
    intercept = torch.maximum(-upper * below, (1 - upper) * above)
    lower = (high > -ratio * low).double()
    rounding = noise(intercept)
    return make_lines(lower, upper, intercept, rounding * (u > 0), rounding)


def difference_lines(l: torch.Tensor, u: torch.Tensor, noise: Callable[[torch.Tensor], torch.Tensor]) -> Lines:
    """Lines of relu(z + d) - relu(z) over d, l <= d <= u [boxes, neurons], whatever z is.

    It lies between min(0, d) and max(0, d) = d - min(0, d). The chord that `relu_lines` has above max(0, d), c d + t,
    makes both lines, (1 - c) d - t and c d + t; the intercepts are part of the lines' noise.
    """
    below, above = l.double().clamp(max=0), u.double().clamp(min=0)
    upper = dyadic(above / (above - below).clamp_(min=1e-300))
    intercept = torch.maximum(-upper * below, (1 - upper) * above)
    rounding = noise(intercept)
    return make_lines(1 - upper, upper, torch.zeros_like(upper), intercept + rounding, rounding)


def coupled_lines(own: Lines, difference: Lines, coupled: torch.Tensor) -> Lines:
    """The lines of differences where `coupled` [boxes, neurons], the neurons' own elsewhere."""
    here = _append(coupled, False)
    lower, change, lift, noise = (
        torch.where(here, a, b)
        for a, b in (
            (difference.lower, own.lower),
            (difference.change, own.change),
            (difference.lift, own.lift),
            (difference.noise, own.noise),
        )
    )
    return Lines(lower, change, lift, noise, own.rounding, here.double())


def identity_lines(noise: torch.Tensor) -> Lines:
    """The lines of a layer without ReLU: h = z, but for rounding."""
    one = torch.ones_like(noise)
    return make_lines(one, one, torch.zeros_like(noise), noise, noise)


def mixed_lines(relus: Lines, noise: torch.Tensor, neurons: torch.Tensor) -> Lines:
    """The lines of a layer with a ReLU on these neurons [hidden], of which `relus` are, and noise [boxes, out]."""
    lines = identity_lines(noise)
    for line, own in (
        (lines.lower, relus.lower),
        (lines.change, relus.change),
        (lines.lift, relus.lift),
        (lines.noise, relus.noise),
    ):
        line.index_copy_(1, neurons, own[:, :-1])
    return replace(lines, rounding=noise.index_copy(1, neurons, relus.rounding))


def with_lower(
    lines: Lines, slopes: torch.Tensor, l: torch.Tensor, u: torch.Tensor, mixed: torch.Tensor | None = None
) -> Lines:
    """The same lines over other lower slopes [boxes, hidden] where the sign of z is open, but for coupled ones.

    Any slope in [0, 1] is sound there (alpha-CROWN, Xu et al., ICLR 2021). mixed: the neurons with a ReLU, where not
    all have one.
    """
    slopes = dyadic(slopes).maximum((l >= 0).double()).minimum((u > 0).double())
    slopes = _append(slopes, 1) if mixed is None else lines.lower.index_copy(1, mixed, slopes)
    if lines.coupled is not None:
        slopes = torch.where(lines.coupled > 0, lines.lower, slopes)
    upper = lines.lower + lines.change
    return Lines(slopes, upper - slopes, lines.lift, lines.noise, lines.rounding, lines.coupled)


def dyadic(slopes: torch.Tensor) -> torch.Tensor:
    """The nearest multiples of 2^-10."""
    return (slopes * SLOPE_STEPS).round_().div_(SLOPE_STEPS)


def round_down(x: torch.Tensor) -> torch.Tensor:
    """A float32 value <= x, at most two units in the last place below it.

    With the factor 0.75 no number of few bits lies halfway between two results: what differs from it by rounding
    alone is rounded to the same value, so that the certificate's checker finds the same lines.
    """
    return (x - x.abs() * (0.75 * 2.0**-23) - 2.0**-149).float()


def round_up(x: torch.Tensor) -> torch.Tensor:
    """A float32 value >= x, at most two units in the last place above it."""
    return -round_down(-x)


def make_lines(
    lower: torch.Tensor,
    upper: torch.Tensor,
    intercept: torch.Tensor,
    noise: torch.Tensor,
    rounding: torch.Tensor,
) -> Lines:
    """The lines of these slopes: lower z - noise <= h <= upper z + intercept + noise."""
    lift = intercept + 2 * noise
    return Lines(_append(lower, 1), _append(upper - lower, 0), _append(lift, 0), _append(noise, 0), rounding)


def _append(x: torch.Tensor, value: float) -> torch.Tensor:
    return torch.nn.functional.pad(x, (0, 1), value=value)
