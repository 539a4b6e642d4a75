"""Lower bounds of a head's margins on boxes of features, batched and differentiable; ReLU and Sigmoid.

Backward substitution (CROWN, Zhang et al., NeurIPS 2018) with interval bounds of the hidden neurons. The bounds hold in
real arithmetic; float64 rounding is not in them. They guide a repair; `engine.bounds` has rigorous ones of ReLU heads.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.images.head import Head

Lines = tuple[Tensor, Tensor, Tensor, Tensor]  # slope and intercept of the line below, and of that above


class HeadBounds:
    """A head with fixed weights, and what follows of its margins: score of the label less score of each other class."""

    def __init__(self, head: Head, *, device: torch.device | str = "cpu"):
        self._layers = [
            (torch.from_numpy(layer.weight).to(device), torch.from_numpy(layer.bias).to(device), layer.activation)
            for layer in head.layers
        ]
        self.classes = len(head.layers[-1].bias)

    def scores(self, h: Tensor) -> Tensor:
        """The scores [n, classes] of features h [n, features], float64."""
        for weight, bias, activation in self._layers:
            h = _activate(h @ weight.T + bias, activation)
        return h

    def margins(self, h: Tensor, labels: Tensor) -> Tensor:
        """The margin over each class [n, classes]; inf at the label's own place."""
        scores = self.scores(h)
        return _without_own(scores.gather(1, labels[:, None]) - scores, labels)

    def lower(self, low: Tensor, high: Tensor, labels: Tensor) -> Tensor:
        """Numbers [n, classes] that no margin falls below where low <= h <= high; inf at the label's own place.

        They are the least margins exactly where the head is one layer.
        """
        lines = self._lines(low, high)
        unit = torch.eye(self.classes, dtype=low.dtype, device=low.device)
        rows = unit[labels][:, None] - unit
        constant = rows.new_zeros(rows.shape[:2])
        for k in range(len(self._layers) - 1, -1, -1):
            weight, bias, _ = self._layers[k]
            if k < len(lines):
                below, below_at_0, above, above_at_0 = (part[:, None] for part in lines[k])
                up, down = rows.clamp(min=0), rows.clamp(max=0)
                constant = constant + (up * below_at_0 + down * above_at_0).sum(2)
                rows = up * below + down * above
            constant = constant + rows @ bias
            rows = rows @ weight
        centre, radius = ((high + low) / 2).unsqueeze(2), ((high - low) / 2).unsqueeze(2)
        least = (rows @ centre - rows.abs() @ radius).squeeze(2) + constant
        return _without_own(least, labels)

    def sensitivity(self) -> Tensor:
        """A bound [features] of the change of any margin by one unit of each feature: products of absolute weights."""
        weight = self._layers[-1][0]
        rows = (weight[:, None] - weight).abs().flatten(0, 1)
        for weight, _, activation in reversed(self._layers[:-1]):
            rows = rows @ weight.abs() * (0.25 if activation == "Sigmoid" else 1.0)
        return rows.amax(0)

    def _lines(self, low: Tensor, high: Tensor) -> list[Lines]:
        """The lines of each hidden layer, on its neurons' interval bounds."""
        found = []
        for weight, bias, activation in self._layers[:-1]:
            centre, radius = (low + high) / 2 @ weight.T + bias, (high - low) / 2 @ weight.abs().T
            low, high = centre - radius, centre + radius
            found.append(LINES[activation](low, high))
            low, high = _activate(low, activation), _activate(high, activation)
        return found


def _without_own(margins: Tensor, labels: Tensor) -> Tensor:
    own = torch.nn.functional.one_hot(labels, margins.shape[1]).bool()
    return margins.masked_fill(own, torch.inf)


def _activate(z: Tensor, activation: str | None) -> Tensor:
    if activation is None:
        return z
    return z.clamp(min=0) if activation == "Relu" else torch.sigmoid(z)


def relu_lines(low: Tensor, high: Tensor) -> Lines:
    """The chord above; below it z or 0, whichever leaves less room."""
    open_ = (low < 0) & (high > 0)
    on = (low >= 0).to(low.dtype)
    chord = torch.where(open_, high / torch.where(open_, high - low, 1.0), on)
    below = torch.where(open_, (high > -low).to(low.dtype), on)
    return below, torch.zeros_like(low), chord, torch.where(open_, -chord * low, 0.0)


def sigmoid_lines(low: Tensor, high: Tensor) -> Lines:
    """Lines through the ends with the least slope between them, or the chord where the curve bends away from it.

    The slope of a sigmoid rises up to 0 and falls from there: its least value lies at one of the ends.
    """
    at_low, at_high = torch.sigmoid(low), torch.sigmoid(high)
    least = torch.minimum(at_low * (1 - at_low), at_high * (1 - at_high))
    wide = high - low > 1e-6
    chord = torch.where(wide, (at_high - at_low) / torch.where(wide, high - low, 1.0), least)
    below = torch.where(low >= 0, chord, least)
    above = torch.where(high <= 0, chord, least)
    return below, at_low - below * low, above, at_high - above * high


LINES: dict[str | None, Callable[[Tensor, Tensor], Lines]] = {
    "Relu": relu_lines,
    "Sigmoid": sigmoid_lines,
    None: lambda low, high: (
        torch.ones_like(low),
        torch.zeros_like(low),
        torch.ones_like(low),
        torch.zeros_like(low),
    ),
}
