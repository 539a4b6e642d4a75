"""Lines below and above a layer's activation, with exact dyadic coefficients."""

from dataclasses import dataclass

import torch

SLOPE_STEPS = 1024.0  # slopes are multiples of 2^-10


@dataclass(frozen=True, slots=True)
class Lines:
    """lower z - noise <= h <= upper z + intercept + noise for a layer's outputs h, z in [l, u].

    z is the layer's affine output; `noise` is what rounding can change (rounding.py). Each tensor is
    [boxes, neurons + 1]: the last column stands for the constant that is carried beside the
    coefficients and passes it on unchanged.
    """

    lower: torch.Tensor
    upper: torch.Tensor
    intercept: torch.Tensor
    noise: torch.Tensor

    def at(self, box: torch.Tensor) -> "Lines":
        """The lines of the given boxes, one for each row of a batch."""
        parts = (self.lower, self.upper, self.intercept, self.noise)
        return Lines(*(part.index_select(0, box) for part in parts))


def relu_lines(l: torch.Tensor, u: torch.Tensor, noise) -> Lines:
    """CROWN's lines (Zhang et al., NeurIPS 2018) for a ReLU on l <= z <= u, [boxes, neurons].

    Upper: the chord's slope u / (u - l), rounded to a multiple of 2^-10, with the smallest
    intercept that is sound for it, max(-slope * l, (1 - slope) * u). Lower: slope 1 where
    u > -l, else 0. l and u hold float32 values, so every product here is exact in float64. A neuron
    that is never positive is exactly 0, without noise. `noise` maps intercepts to that widening.
    """
    below, above = l.double().clamp(max=0), u.double().clamp(min=0)
    upper = dyadic(above / (above - below).clamp_(min=1e-300))
    intercept = torch.maximum(-upper * below, (1 - upper) * above)
    lower = (u > -l).double()
    return Lines(_append(lower, 1), _append(upper, 1), _append(intercept, 0),
                 _append(noise(intercept) * (u > 0), 0))


def identity_lines(noise: torch.Tensor) -> Lines:
    """The lines of a layer without ReLU: h = z, but for rounding."""
    one, zero = torch.ones_like(noise), torch.zeros_like(noise)
    return Lines(_append(one, 1), _append(one, 1), _append(zero, 0), _append(noise, 0))


def with_lower(lines: Lines, slopes: torch.Tensor, l: torch.Tensor, u: torch.Tensor) -> Lines:
    """The same lines over other lower slopes [boxes, neurons] where the sign of z is open.

    Any slope in [0, 1] is sound there (alpha-CROWN, Xu et al., ICLR 2021).
    """
    slopes = dyadic(slopes).maximum((l >= 0).double()).minimum((u > 0).double())
    return Lines(_append(slopes, 1), lines.upper, lines.intercept, lines.noise)


def dyadic(slopes: torch.Tensor) -> torch.Tensor:
    """The nearest multiples of 2^-10."""
    return (slopes * SLOPE_STEPS).round_().div_(SLOPE_STEPS)


def round_down(x: torch.Tensor) -> torch.Tensor:
    """A float32 value <= x, at most two units in the last place below it."""
    return (x - x.abs() * 2.0**-23 - 2.0**-149).float()


def round_up(x: torch.Tensor) -> torch.Tensor:
    """A float32 value >= x, at most two units in the last place above it."""
    return -round_down(-x)


def _append(x: torch.Tensor, value: float) -> torch.Tensor:
    return torch.nn.functional.pad(x, (0, 1), value=value)
