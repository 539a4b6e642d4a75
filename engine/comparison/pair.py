"""Two networks of one shape as one, and the boxes where their outputs are exactly equal.

Up to the first layer whose numbers differ both are the same; from there on the pair's layers hold the original's
neurons and then the changed network's, and its outputs are the original's scores followed by the changed ones.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.network import Affine, Network, same_numbers
from engine.property import Polytope, Row


def first_difference(original: Network, changed: Network) -> int:
    """The number of the first layer whose numbers differ; of the last layer where none does.

    InputError where the shapes differ.
    """
    if original.shape != changed.shape:
        raise InputError(
            "the networks have different shapes",
            where=changed.name or "the second network",
            advice="compare networks of the same architecture",
        )
    same = [
        same_numbers(a.matrix, b.matrix) and np.array_equal(a.bias, b.bias)
        for a, b in zip(original.layers, changed.layers)
    ]
    return same.index(False) if False in same else len(same) - 1


def paired(original: Network, changed: Network) -> Network:
    """The network x -> (original(x), changed(x)), in real arithmetic."""
    first, layers = first_difference(original, changed), []
    for k, (a, b) in enumerate(zip(original.layers, changed.layers)):
        if k < first:
            layers.append(a)
        else:
            weight = np.concatenate([a.weight, b.weight]) if k == first else _block_diagonal(a.weight, b.weight)
            layers.append(Affine(weight, np.concatenate([a.bias, b.bias]), a.relu))
    return Network(tuple(layers), changed.name)


def _block_diagonal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.block([[a, np.zeros((len(a), b.shape[1]))], [np.zeros((len(b), a.shape[1])), b]])


def lowest(inputs: int, outputs: int) -> tuple[Polytope, ...]:
    """The polytopes where each of the original's scores is lowest (one of equals included), then those of the changed
    network's."""

    def polytope(first: int, c: int) -> Polytope:
        rows = []
        for u in range(outputs):
            if u != c:
                row = [Fraction(0)] * (2 * outputs)
                row[first + c], row[first + u] = Fraction(1), Fraction(-1)
                rows.append(Row((Fraction(0),) * inputs, tuple(row), Fraction(0)))
        return Polytope(tuple(rows))

    return tuple(polytope(first, c) for first in (0, outputs) for c in range(outputs))


class Differences:
    """The outputs of the two networks that may differ on a box, and the neurons that are the reason.

    first, last: the first and the last layer whose numbers differ. With live inputs, those that may be
    above 0, a neuron's inputs agree where both its terms are 0, or weight and value are the same in both.
    """

    def __init__(self, original: Network, changed: Network, stack: Stack):
        self.first = first_difference(original, changed)
        self._layers: list[_Layer] = []
        self._slices, self.last = stack.slices, self.first
        for k, (a, b) in enumerate(zip(original.layers, changed.layers)):
            weights, differ = [a.weight != 0, b.weight != 0], a.weight != b.weight
            parts = (*(used & differ for used in weights), *weights, a.bias != b.bias)
            *matrices, bias = (torch.tensor(part, dtype=torch.float32, device=stack.device) for part in parts)
            self._layers.append(_Layer(torch.stack(matrices[:2]), torch.stack(matrices[2:]), bias > 0, bool(a.relu)))
            if differ.any() or (a.bias != b.bias).any():
                self.last = k

    def outputs(self, u: torch.Tensor) -> torch.Tensor:
        """False [boxes, outputs] where the two outputs are exactly equal on the whole box, in real arithmetic.

        u: [boxes, hidden], upper bounds of the inputs of the pair's ReLUs.
        """
        return self._differ(u)[1][1].any(0)

    def culprits(self, l: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One of the neurons that must become inactive so that no neuron of layer `last` differs, for each box.

        (layer, neuron of the pair's layer, True where that is hopeless), each [boxes]. It is the nearest to being
        inactive in the first layer with such neurons, else -1. Hopeless: there is none, or one of them is active on all
        of the box.
        """
        met, n = self._differ(u)[0], len(u)
        layer, neuron = torch.full((2, n), -1, device=u.device)
        active = self._layers[self.last].bias.any().expand(n)  # a bias differs whatever is inactive
        blamed = met[self.last - self.first].before
        for k in range(self.last, max(self.first, 1) - 1, -1):
            changed, used = self._layers[k].changed, self._layers[k].used
            live, differ = met[k - self.first].live, met[k - self.first].differ
            must = live & (blamed.float() @ changed > 0)
            blamed = (live & differ & ~must & (blamed.float() @ used > 0)).any(0)
            must = must.any(0) if k == self.first else must.transpose(0, 1).flatten(1)
            here, part = must.any(1), self._slices[k - 1]
            if not self._layers[k - 1].relu:  # without a ReLU nothing becomes inactive
                active = active | here
                continue
            nearest = (u[:, part] / (u[:, part] - l[:, part])).masked_fill(~must, torch.inf).argmin(1)
            layer[here], neuron[here] = k - 1, nearest[here]
            active = active | (must & (l[:, part] > 0)).any(1)
        return layer, neuron, active | (layer < 0)

    def _differ(self, u: torch.Tensor) -> tuple[list["_Met"], tuple[torch.Tensor, torch.Tensor]]:
        """The layers from `first` on, on boxes; and the outputs: those that are live, and that may differ,
        each [2, boxes, outputs]."""
        n, width = len(u), self._layers[self.first].changed.shape[2]
        live = torch.ones(2, n, width, dtype=torch.bool, device=u.device)
        if self.first and self._layers[self.first - 1].relu:
            live = ~(u[:, self._slices[self.first - 1]] <= 0).expand(2, -1, -1)
        differ, met = torch.zeros_like(live), []
        for layer, part in zip(self._layers[self.first :], self._slices[self.first :]):
            terms = live.float() @ layer.changed.mT + (live & differ).float() @ layer.used.mT
            before = layer.bias | (terms > 0).any(0)
            met.append(_Met(live, differ, before))
            live = torch.ones(2, *before.shape, dtype=torch.bool, device=u.device)
            if layer.relu:
                live = ~torch.unflatten(u[:, part] <= 0, 1, (2, -1)).transpose(0, 1)
            differ = (before & live.any(0)).expand(2, -1, -1)
        return met, (live, differ)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer of both networks. changed, used: [2, out, in], 1 for weights that are no zero and differ, and for all
    that are no zero; bias: [out], True where the two differ."""

    changed: torch.Tensor
    used: torch.Tensor
    bias: torch.Tensor
    relu: bool


@dataclass(frozen=True, slots=True)
class _Met:
    """A layer on boxes. live, differ: [2, boxes, in], inputs that may be above 0, and that may differ; before:
    [boxes, out], True where its values before the ReLU may differ."""

    live: torch.Tensor
    differ: torch.Tensor
    before: torch.Tensor
