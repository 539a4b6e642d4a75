"""Weights that are being tuned: few neurons' incoming ones, as torch sees them."""

import torch

from engine.network import Network
from engine.repair.edit import edited, free_bias
from engine.repair.gradient.certified import Weights


class Tuned:
    """Chosen neurons' incoming weights and biases, as changes [neurons, inputs + 1] in some units."""

    def __init__(self, network: Network, chosen: dict[int, list[int]], units: dict[int, torch.Tensor]):
        self.network, self.first = network, min(chosen)
        self.neurons = {k: torch.tensor(neurons, dtype=torch.long) for k, neurons in chosen.items()}
        self._layers = [
            (torch.tensor(a.weight, dtype=torch.float32), torch.tensor(a.bias, dtype=torch.float32), a.relu)
            for a in network.layers
        ]
        self._units = {k: units[k] for k in chosen}
        self._free = {k: torch.ones(len(units[k])) for k in chosen}
        for k in chosen:
            self._free[k][-1] = float(free_bias(network, k))
        self.change = {k: torch.zeros(len(neurons), len(units[k]), requires_grad=True) for k, neurons in chosen.items()}

    @torch.no_grad()
    def measure(self, units: dict[int, torch.Tensor]) -> None:
        """The same changes in other units."""
        for k, change in self.change.items():
            change *= self._units[k] / units[k]
            self._units[k] = units[k]

    def weights(self) -> Weights:
        """The tuned layers as they are now."""
        found = {}
        for k, change in self.change.items():
            weight, bias, _ = self._layers[k]
            change = change * self._units[k] * self._free[k]
            found[k] = (
                weight.index_add(0, self.neurons[k], change[:, :-1]),
                bias.index_add(0, self.neurons[k], change[:, -1]),
            )
        return found

    def scores(self, h: torch.Tensor) -> torch.Tensor:
        """Outputs where the first tuned layer reads h."""
        weights = self.weights()
        for k in range(self.first, len(self._layers)):
            weight, bias = weights.get(k, self._layers[k][:2])
            h = torch.addmm(bias, h, weight.T)
            h = h.clamp(min=0) if self._layers[k][2] else h
        return h

    @torch.no_grad()
    def edited(self) -> Network:
        return edited(self.network, {k: (w.numpy(), b.numpy()) for k, (w, b) in self.weights().items()})

    def count(self) -> int:
        """How many weights are changed."""
        return sum(int((change != 0).sum()) for change in self.change.values())
