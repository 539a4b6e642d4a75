"""Least squares in all weights of a small network: rows of residuals, and the damped Gauss-Newton step for them.

Levenberg, "A method for the solution of certain non-linear problems in least squares" (1944); Marquardt (1963).
"""

from dataclasses import dataclass, field

import torch

from engine.network import Network

Layers = tuple[tuple[torch.Tensor, torch.Tensor], ...]  # weight [out, in] and bias [out], a ReLU after all but the last

LEAST_DAMPING, FIRST_DAMPING, MOST_DAMPING = 1e-7, 1.0, 1e3
EASIER, HARDER = 1 / 3, 4.0  # what the damping is multiplied with after a step that helps, and after one that does not
TRIES = 6  # dampings for one step
LEAST_CURVATURE = 1e-4  # of the mean: the damping of weights on which hardly any row depends


def layers_of(network: Network) -> Layers:
    """Its layers, in float32."""
    return tuple((_single(layer.weight), _single(layer.bias)) for layer in network.layers)


def _single(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def read(layers: Layers, x: torch.Tensor) -> list[torch.Tensor]:
    """What each layer reads at points x [n, inputs], and the outputs at the end."""
    found = [x]
    for k, (weight, bias) in enumerate(layers, 1):
        z = torch.addmm(bias, found[-1], weight.T)
        found.append(z.clamp(min=0) if k < len(layers) else z)
    return found


def jacobian(layers: Layers, h: list[torch.Tensor], slopes: torch.Tensor) -> torch.Tensor:
    """The derivatives [n, weights] of slopes [n, outputs] . outputs, where the layers read h."""
    parts, back = list[torch.Tensor](), slopes
    for k in range(len(layers) - 1, -1, -1):
        parts = [(back[:, :, None] * h[k][:, None, :]).flatten(1), back, *parts]
        back = (back @ layers[k][0]) * (h[k] > 0)
    return torch.cat(parts, 1)


def moved(layers: Layers, step: torch.Tensor) -> Layers:
    """The layers after a step [weights], in the order of the jacobian."""
    found, rest = [], step
    for weight, bias in layers:
        n = weight.numel()
        found.append((weight + rest[:n].view_as(weight), bias + rest[n : n + len(bias)]))
        rest = rest[n + len(bias) :]
    return tuple(found)


@dataclass(slots=True)
class NormalEquations:
    """The sum over rows of weight * (residual + derivatives . step)^2, as a function of the step.

    units [weights]: in which steps are measured where they are damped, so that inputs may be of any size.
    """

    units: torch.Tensor
    matrix: torch.Tensor
    vector: torch.Tensor

    @classmethod
    def of(cls, units: torch.Tensor) -> "NormalEquations":
        """Without rows yet."""
        return cls(units, torch.zeros(len(units), len(units)), torch.zeros(len(units)))

    def add(self, derivatives: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor) -> None:
        """Adds rows: [n, weights], [n], [n]."""
        derivatives = derivatives * self.units
        weighted = derivatives * weight[:, None]
        self.matrix += derivatives.T @ weighted
        self.vector += weighted.T @ residual

    def step(self, damping: float) -> torch.Tensor:
        """The minimum, kept near 0 in proportion to each weight's curvature."""
        matrix = self.matrix.double()
        curvature = matrix.diagonal()
        held = torch.maximum(curvature, LEAST_CURVATURE * curvature.mean())
        found: torch.Tensor = -torch.linalg.solve(matrix + damping * torch.diag(held), self.vector.double())
        return found.float() * self.units


@dataclass(slots=True)
class Damping:
    """How near to 0 steps are kept: less after each that helps."""

    value: float = field(default=FIRST_DAMPING)

    def better(self) -> None:
        self.value = max(LEAST_DAMPING, EASIER * self.value)

    def worse(self) -> None:
        self.value = min(MOST_DAMPING, HARDER * self.value)
