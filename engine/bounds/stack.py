"""Networks of one shape, stacked, so that one batch may mix boxes of many of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from engine.bounds.curves import Curve, curve_on
from engine.bounds.products import MAX_COPIED, Dense, Products, Segments, shared
from engine.bounds.rounding import UNDERFLOW, floor, unit
from engine.deadline import NEVER, Deadline
from engine.errors import InputError
from engine.network import Affine, Network

MAX_REACH = 1e300  # products with it stay finite


@dataclass(frozen=True, slots=True)
class StackedLayer:
    """One layer of every network: its weights and biases, as `products`; bias [networks, out].

    relu: True where some neuron has a ReLU; mixed: the neurons that have one, ascending, where not all have, else None.
    curve: what these neurons have in place of a ReLU, if it is that.
    radius [networks, out] is how far the true biases may be from `bias`, None where they are all the same.
    """

    products: Products
    bias: torch.Tensor
    relu: bool
    mixed: torch.Tensor | None = None
    radius: torch.Tensor | None = None
    curve: Curve | None = None

    @property
    def weight(self) -> torch.Tensor:
        """Its weights [networks, out, in]."""
        return self.products.weight

    @property
    def n_hidden(self) -> int:
        """The number of its neurons with a ReLU."""
        return 0 if not self.relu else self.bias.shape[1] if self.mixed is None else len(self.mixed)

    def of_relus(self, columns: torch.Tensor) -> torch.Tensor:
        """Of columns [n, out] of a layer with a ReLU those of its neurons with one: [n, hidden]."""
        return columns if self.mixed is None else columns.index_select(1, self.mixed)

    def passes(self, z: torch.Tensor) -> torch.Tensor | None:
        """The derivative of the outputs: 1 where values z [n, out] pass on as they are, else 0, with a curve between
        both; None where all pass on."""
        if not self.relu:
            return None
        positive = (z > 0).double() if self.curve is None else self.curve.derivative(z)
        if self.mixed is None:
            return positive
        return torch.ones_like(positive).index_copy_(1, self.mixed, self.of_relus(positive))

    def rectify(self, z: torch.Tensor) -> torch.Tensor:
        """The outputs for values z [n, out], in place."""
        if not self.relu:
            return z
        if self.curve is not None:
            return self.with_hidden(z, self.curve.value(self.of_relus(z)))
        return z.clamp_(min=0) if self.mixed is None else z.index_copy_(1, self.mixed, self.of_relus(z).clamp_(min=0))

    def with_hidden(self, columns: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """The columns [n, out], in place, with these of the neurons with a ReLU, [n, hidden]."""
        return columns.copy_(hidden) if self.mixed is None else columns.index_copy_(1, self.mixed, hidden)

    def radii(self, network: torch.Tensor) -> torch.Tensor | None:
        """The radii of the biases of these networks [n]: [n, out], if there are any."""
        return None if self.radius is None else self.radius[network]


class Layered(Protocol):
    """What costs and rounding are told by of a stack of networks, or of joints (blocks.py)."""

    device: torch.device
    width: int

    @property
    def layers(self) -> Sequence[StackedLayer]: ...

    def lost(self, magnitude: torch.Tensor) -> torch.Tensor: ...


class Stack:
    """The layers of several networks of one shape, float64, on one device, under one semantics."""

    def __init__(
        self,
        networks: list[Network],
        *,
        device: torch.device | str = "cpu",
        semantics: str = "real",
        deadline: Deadline = NEVER,
        extent: tuple[int, int] = (0, 0),
        ratio: float = 1.0,
    ):
        """extent: a width and a depth that rounding is counted for, where they are larger than the networks' own.

        ratio: of u to -l, from which on a ReLU's lower line has slope 1.

        Raises OutOfTime soon after the deadline: millions of weights take seconds.
        """
        self.networks, self.ratio = networks, ratio
        self.device = torch.device(device)
        self.semantics = semantics
        self.layers: Sequence[StackedLayer] = [self._layer(k, deadline) for k in range(len(networks[0].layers))]
        widths = [layer.n_hidden for layer in self.layers]
        starts = [sum(widths[:k]) for k in range(len(widths) + 1)]
        #: the place of each layer's ReLUs among all hidden neurons (empty where it has none)
        self.slices = [slice(a, b) for a, b in zip(starts, starts[1:])]
        self.n_hidden, self.n_differences = starts[-1], 0
        #: True for hidden neurons that have a curve: [hidden]
        self.curved = torch.zeros(self.n_hidden, dtype=torch.bool, device=self.device)
        for layer, part in zip(self.layers, self.slices):
            self.curved[part] = layer.curve is not None
        self.n_inputs = networks[0].n_inputs
        self.n_outputs = networks[0].n_outputs
        self.width = max(max(layer.products.shape) for layer in self.layers)
        self.depth = len(self.layers)
        wide, deep = max(self.width, extent[0]), max(self.depth, extent[1])
        #: the change of all neurons of the first layer with a ReLU, taken together, by one unit of each input
        self.reach = torch.stack([_reach(network) for network in networks]).to(self.device)
        self._unit = unit(wide, deep, semantics)
        self._rounding = unit(wide, deep, "real")
        self._floor = UNDERFLOW + floor(wide, semantics)
        if semantics == "float32":
            self._demand_float32()

    def _demand_float32(self) -> None:
        """Raises InputError where float32 semantics says nothing of one of the networks."""
        for network in self.networks:
            network.demand_relus("a proof of float32 semantics")
            if network.float32_obstacle:
                raise InputError(
                    f"it has no float32 semantics: {network.float32_obstacle}",
                    where=network.name or "network",
                    advice="fold that into the weights when exporting it, or use --semantics real "
                    "(in VNN-LIB 2.0: type real)",
                )
        if not all(_is_float32(layer) for network in self.networks for layer in network.layers):
            raise InputError(
                "not all weights are float32 numbers: it is not executed in float32",
                where=self.networks[0].name,
                advice="use --semantics real (in VNN-LIB 2.0: type real)",
            )

    def _layer(self, k: int, deadline: Deadline) -> StackedLayer:
        affine = [network.layers[k] for network in self.networks]
        bias = _stacked([layer.bias for layer in affine]).to(self.device)
        mixed = torch.from_numpy(affine[0].relus).to(self.device) if affine[0].is_mixed else None
        radius = _radii(affine)
        radius = None if radius is None else radius.to(self.device)
        products = (
            shared(affine[0].matrix, bias, self.device) if _share(affine) else self._dense(affine, bias, deadline)
        )
        curve = curve_on(affine[0].curve, self.device) if affine[0].curve else None
        return StackedLayer(products, bias, mixed is not None or bool(affine[0].relu), mixed, radius, curve)

    def _dense(self, affine: list[Affine], bias: torch.Tensor, deadline: Deadline) -> Dense:
        weight = _stacked([layer.weight for layer in affine])
        n, out, inputs = weight.shape
        deadline.check()
        # laid out by columns, which is the faster way to multiply narrow rows with it
        backward = torch.zeros(n, inputs + 1, out + 1, dtype=torch.float64).mT
        step = max(1, MAX_COPIED // (n * inputs))
        for i in range(0, out, step):
            deadline.check()
            backward[:, i : min(i + step, out), :inputs] = weight[:, i : i + step]
        backward[:, :out, inputs] = bias.cpu()
        backward[:, out, inputs] = 1.0
        return Dense(weight.to(self.device), bias, backward.to(self.device))

    def noise(self, magnitude: torch.Tensor, radii: torch.Tensor | None = None) -> torch.Tensor:
        """A bound of the change by rounding of a layer's output made of terms of this total magnitude (rounding.py),
        and of that by the radii of its biases, if they have any."""
        noise = magnitude * self._unit + self._floor
        return noise if radii is None else noise + radii

    def lost(self, magnitude: torch.Tensor) -> torch.Tensor:
        """A bound of the loss in computing a bound itself, of terms of this total magnitude."""
        return magnitude * self._rounding + UNDERFLOW

    @staticmethod
    def segments(network: torch.Tensor) -> Segments:
        """The runs of equal values in a sorted vector."""
        values, counts = torch.unique_consecutive(network, return_counts=True)
        stops = counts.cumsum(0).tolist()
        return Segments(zip(values.tolist(), [0, *stops[:-1]], stops), device=network.device)

    def evaluate(self, points: torch.Tensor, network: torch.Tensor) -> torch.Tensor:
        """Outputs [n, outputs] in float64 (not rigorous) at points [n, inputs]; network: [n], sorted."""
        runs = self.segments(network)
        h = points
        for layer in self.layers:
            h = layer.rectify(layer.products.evaluate(h, network, runs))
        return h


def hidden(parts: list[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    """The parts [n, neurons] of all ReLU layers side by side, of which there may be none: [n, hidden]."""
    return torch.cat([like.new_zeros(len(like), 0), *parts], 1)


def _stacked(arrays: list[np.ndarray]) -> torch.Tensor:
    """Side by side, in float64; a single one is not copied."""
    tensors = [torch.from_numpy(np.require(array, np.float64, "W")) for array in arrays]
    return torch.stack(tensors) if len(tensors) > 1 else tensors[0].unsqueeze(0)


def _share(layers: list[Affine]) -> bool:
    """True for layers whose rows are multiplied together: of sparse ones, and of cones of one part of a network."""
    first = layers[0]
    return all(layer.matrix is first.matrix for layer in layers) and (first.is_sparse or first.radius is not None)


def _radii(layers: list[Affine]) -> torch.Tensor | None:
    """The radii [networks, out] of their biases; None where there are none."""
    if all(layer.radius is None for layer in layers):
        return None
    return _stacked([np.zeros(len(layer.bias)) if layer.radius is None else layer.radius for layer in layers])


def _reach(network: Network) -> torch.Tensor:
    """The L1 norm of each input's column in the layers up to the first with a ReLU, as one: [inputs]."""
    first = next((k for k, layer in enumerate(network.layers) if len(layer.relus)), len(network.layers) - 1)
    weight = network.layers[first].matrix
    for layer in reversed(network.layers[:first]):
        weight = weight @ layer.matrix
    return torch.tensor(abs(weight).sum(0), dtype=torch.float64).clamp(max=MAX_REACH)


def _is_float32(layer: Affine) -> bool:
    numbers = layer.matrix if isinstance(layer.matrix, np.ndarray) else layer.matrix.data
    with np.errstate(over="ignore"):
        return all(np.array_equal(part.astype(np.float32), part) for part in (numbers, layer.bias))
