"""A network whose idle neurons are rewritten, and shut wherever a point lies outside the collar."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.network import Network
from engine.repair.idle.collar import THICKNESS, Distances
from engine.repair.task import Task

Tensors = list[tuple[torch.Tensor, torch.Tensor]]  # float32 weights [out, in] and biases [out] of each layer
Layers = list[tuple[np.ndarray, np.ndarray]]  # the same in float64


@dataclass(frozen=True, slots=True, eq=False)
class Graft:
    """A network whose idle neurons chain[k] of the layers k = 0, 1, .. are rewritten.

    Those of layer 0 measure the distances. Of each further layer the first one carries the switch, which is 1 on the
    box, and the others are features with weights of their own.
    """

    network: Network
    chain: list[np.ndarray]
    distances: Distances

    def start(self) -> Layers:
        """The layers with all idle neurons' old weights 0 and, on the box, the switch carried on."""
        layers = [(a.weight.copy(), a.bias.copy()) for a in self.network.layers]
        for k, taken in enumerate(self.chain):
            (weight, bias), (after, _) = layers[k : k + 2]
            weight[taken], bias[taken], after[:, taken] = 0.0, 0.0, 0.0
            if k == 0:
                weight[taken], bias[taken] = self.distances.weight, self.distances.bias
            else:
                bias[taken[0]] = 1.0
        return layers

    def free(self) -> Layers:
        """1 for each weight and bias that may be trained, else 0."""
        masks = [(np.zeros_like(a.weight), np.zeros_like(a.bias)) for a in self.network.layers]
        for k, taken in list(enumerate(self.chain))[1:]:
            masks[k + 1][0][:, taken] = 1.0
            masks[k][0][taken], masks[k][1][taken] = 1.0, 1.0
            masks[k][0][taken[0]], masks[k][1][taken[0]] = 0.0, 0.0
        masks[1][0][:, self.chain[0]] = 0.0
        return masks

    def gated(self, layers: Tensors, lower: np.ndarray, upper: np.ndarray) -> Tensors:
        """The layers with each rewritten neuron shut outside the collar.

        By interval bounds each is at most `highest` on the domain [lower, upper]. Outside the collar it loses twice
        that, through a distance above THICKNESS or through the switch, which is 0 instead of 1.
        """
        result = list(layers)
        low, high = (torch.tensor(side, dtype=torch.float32) for side in (lower, upper))
        for k, taken in enumerate(self.chain):
            weight, bias = layers[k]
            centre, radius = weight @ (low + high) / 2 + bias, weight.abs() @ (high - low) / 2
            low, high = (centre - radius).detach().clamp(min=0), (centre + radius).detach().clamp(min=0)
            if k:
                highest = high[taken].clamp(min=1)
                low[taken], high[taken] = 0.0, highest
                gate, shift = torch.zeros_like(weight), torch.zeros_like(bias)
                if k == 1:
                    gate[np.ix_(taken, self.chain[0])] = -2 / THICKNESS * highest[:, None]
                else:
                    gate[taken, self.chain[k - 1][0]], shift[taken] = 2 * highest, -2 * highest
                result[k] = weight + gate, bias + shift
        return result


def collar_of(task: Task, repaired: Network) -> tuple[np.ndarray, np.ndarray]:
    """A box (lower, upper) outside which a candidate of `idle` computes exactly what the original computes."""
    before, after = task.network.layers[0], repaired.layers[0]
    rows = (before.weight != after.weight).any(1) | (before.bias != after.bias)
    return Distances(after.weight[rows], after.bias[rows]).hull(task.lower, task.upper)
