"""New features of the input that a linear program can choose, and the networks that have them.

A feature z is added to the scores in some direction. It is linear in the weights sought wherever it is above 0:

- *monotone shift*: z is a combination, with coefficients >= 0, of what the last layer reads.
- *rewritten neuron*: z is the output of a neuron of the last hidden layer that never fires, or that no advisory
  depends on. Its incoming weights are free, its outgoing ones are the direction. As it has a ReLU, z is zero wherever
  its row is negative, so that a program need only bound it from above there.
- *extended neuron*: where there is none, one that hardly ever fires keeps its outgoing weights and gets a large one
  in the direction; where it fired already it has to go on doing so.
- *relayed neuron*: the rewritten neuron is one of an earlier layer, and neurons that never fire hand its output on,
  unchanged, from layer to layer. It costs many weights, but can tell apart what looks alike to the last layers.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.evaluation import values
from engine.network import Network
from engine.repair.edit import edited, free_bias, free_weight, single
from engine.repair.milp import settings
from engine.repair.milp.programs.program import largest
from engine.repair.samples import Samples
from engine.repair.scores.change import size

STRATEGIES = ("rewritten", "shift", "extended", "relayed")
#: An extended neuron's new outgoing weight, as a multiple of its largest one so far.
STRENGTH = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A feature z at n samples.

    chain: (layer, neuron) of those rewritten: the first computes z, the others hand it on; empty for a shift.
    y [n, outputs]: scores without z; out [outputs]: what z adds to each score beside the direction; strength: what the
    direction is multiplied with; inputs [n, width]: what z reads; base [width + 1]: its weights and bias now;
    lower: the least weight allowed; largest [width]: each input's largest absolute value; bias: True iff the file can
    hold another bias.
    """

    name: str
    chain: tuple[tuple[int, int], ...]
    y: np.ndarray
    out: np.ndarray
    strength: float
    inputs: np.ndarray
    base: np.ndarray
    lower: float
    largest: np.ndarray
    bias: bool = True

    def along(self, v: np.ndarray) -> np.ndarray:
        """The multiple of z that each score gets [outputs], if scores are to move in direction v."""
        return self.out + self.strength * v

    def prices(self, v: np.ndarray) -> tuple[float, float]:
        """The price of the largest z at any sample, and of the mean, by how much scores change in direction v.

        A shift is nowhere local.
        """
        change = np.abs(self.along(v))
        peak, local = (settings.PEAK, settings.LOCAL) if self.chain else (1.0, 1.0)
        return peak * size(float(change.max()), 0.0), local * size(0.0, float(change.mean()))

    def value(self, weights: np.ndarray) -> np.ndarray:
        """z at the samples [n], with these weights and this bias [width + 1]."""
        z = self.inputs @ weights[:-1].astype(np.float32) + np.float32(weights[-1])
        return z.clip(min=0) if self.chain else z

    def scores(self, v: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The scores at the samples [n, outputs], with z of these weights added in direction v."""
        found: np.ndarray = self.y + np.outer(self.value(weights), self.along(v).astype(np.float32))
        return found

    def network(self, network: Network, v: np.ndarray, weights: np.ndarray) -> Network:
        """The network with z, of these weights, added to its scores in direction v."""
        last = len(network.layers) - 1
        layers = {k: (a.weight.copy(), a.bias.copy()) for k, a in enumerate(network.layers)}
        along = self.along(v)
        if not self.chain:
            weight, bias = layers[last]
            return edited(network, {last: (weight + np.outer(along, weights[:-1]), bias + along * weights[-1])})
        before = None
        for k, neuron in self.chain:
            weight, bias = layers[k]
            weight[neuron], bias[neuron] = (weights[:-1], weights[-1]) if before is None else (0.0, 0.0)
            if before is not None:
                weight[neuron, before] = 1.0
            before = neuron
            layers[k + 1][0][:, neuron] = along if k + 1 == last else 0.0
        return edited(network, {k: layers[k] for k in range(self.chain[0][0], last + 1)})


class Features:
    """The features that a network can have, by strategy and place: the best place is 0."""

    def __init__(self, network: Network, samples: Samples, *, tolerance: float = np.inf):
        """tolerance: of outputs, where these are to stay, and not advisories."""
        self._tolerance = tolerance
        hidden = len(network.layers) - 1
        self._network, self._relus = network, all(layer.relu for layer in network.layers[:hidden])
        self._samples = samples

    def at(self, samples: Samples, strategy: str, place: int, *, known: bool = False) -> Feature | None:
        """The feature at these samples; None where the network has none there, or its file cannot hold it.

        known: True where other samples said that the network has it.
        """
        if not free_weight(self._network, -1):
            return None
        if strategy == "shift":
            return self._shift(samples) if place == 0 else None
        if not self._relus or len(self._network.layers) < 2:
            return None
        if strategy == "relayed":
            return self._relayed(samples, place)
        return self._last_hidden(samples, place, extended=strategy == "extended", known=known)

    def _shift(self, samples: Samples) -> Feature:
        width, outputs = samples.last.shape[1], samples.y.shape[1]
        return Feature(
            "monotone shift",
            (),
            samples.y,
            np.zeros(outputs),
            1.0,
            samples.last,
            np.zeros(width + 1),
            0.0,
            largest(samples.last),
            free_bias(self._network, -1),
        )

    def _last_hidden(self, samples: Samples, place: int, *, extended: bool, known: bool) -> Feature | None:
        neurons = self._neurons[extended]
        if place >= len(neurons) or not free_weight(self._network, -2):
            return None
        hidden, last = self._network.layers[-2:]
        neuron, k = neurons[place], len(self._network.layers) - 2
        out, y = last.weight[:, neuron], self._without(samples, neuron)
        if not known and _needed(samples, y, self._tolerance) != extended:
            return None
        strength = float(single(STRENGTH * max(np.abs(out).max(), 1e-3))) if extended else 1.0
        return Feature(
            f"neuron {neuron} of layer {k + 1} {'extended' if extended else 'rewritten'}",
            ((k, neuron),),
            y,
            out if extended else np.zeros_like(out),
            strength,
            samples.inner,
            np.append(hidden.weight[neuron], hidden.bias[neuron]),
            -np.inf,
            largest(samples.inner),
            free_bias(self._network, -2),
        )

    def _relayed(self, samples: Samples, place: int) -> Feature | None:
        """Rewrites a neuron of the layer before the last hidden one, or `place` layers before that."""
        hidden = len(self._network.layers) - 1
        first = hidden - 2 - place
        if first < 0 or any(self._highest[k].min() >= 0 for k in range(first, hidden)):
            return None
        if not all(free_weight(self._network, k) and free_bias(self._network, k) for k in range(first, hidden)):
            return None
        chain = tuple((k, int(self._highest[k].argmin())) for k in range(first, hidden))
        layer, neuron = self._network.layers[first], chain[0][1]
        base = np.append(layer.weight[neuron], layer.bias[neuron])
        inputs = values(self._network, samples.x, layer=first)
        return Feature(
            f"neuron {neuron} of layer {first + 1} rewritten and relayed",
            chain,
            samples.y,
            np.zeros(samples.y.shape[1]),
            1.0,
            inputs,
            base,
            -np.inf,
            largest(inputs),
        )

    @cached_property
    def _neurons(self) -> tuple[list[int], list[int]]:
        """Neurons of the last hidden layer that nothing depends on, and others; those first without which scores change
        least: LOOKED_AT of them, and further ones up to one that nothing depends on."""
        samples, reach = self._samples, np.abs(self._network.layers[-1].weight).max(0)
        change = zip(reach * samples.last.max(0), reach * samples.last.mean(0))
        order = np.argsort([size(float(most), float(mean)) for most, mean in change], kind="stable")
        found: tuple[list[int], list[int]] = [], []
        for i, neuron in enumerate(order.tolist()):
            if i >= settings.LOOKED_AT and found[False]:
                break
            found[_needed(samples, self._without(samples, neuron), self._tolerance)].append(neuron)
        return found

    def _without(self, samples: Samples, neuron: int) -> np.ndarray:
        """Scores at the samples [n, outputs] without a neuron of the last hidden layer."""
        out = self._network.layers[-1].weight[:, neuron].astype(np.float32)
        without: np.ndarray = samples.y - np.outer(samples.last[:, neuron], out)
        return without

    @cached_property
    def _highest(self) -> list[np.ndarray]:
        """The highest input of each neuron's ReLU at the samples, [width] for each hidden layer."""
        h, highest = self._samples.x, []
        for layer in self._network.layers[:-1]:
            before = h @ layer.weight.T.astype(np.float32) + layer.bias.astype(np.float32)
            highest.append(before.max(0))
            h = before.clip(min=0)
        return highest


def _needed(samples: Samples, y: np.ndarray, tolerance: float) -> bool:
    """True iff some advisory that must stay, or an output by more than the tolerance, changes without a neuron, where
    scores are y."""
    if tolerance < np.inf:
        return bool((np.abs(y - samples.y).max(1) > tolerance).any())
    return bool(((y.argmin(1) != samples.lowest) & ~samples.free).any())
