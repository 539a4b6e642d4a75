"""The bounds that both arithmetics share: of neurons at the nodes of a tree (section 5).

arithmetic.py computes them in float64, of many nodes at once, and exact.py without rounding.
"""

from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from engine.audit.data import Blocks, Floats, Integers, Objects, Singles, demand

#: Floats, or Dyadic numbers, with which numpy computes likewise.
Numbers: TypeAlias = Any
LinesT = TypeVar("LinesT")

LARGEST = 2.0**100  # what M_k and the ends of a root must stay below
LARGEST_UNIT = 2.0**-10


class Boxes(Protocol):
    """The part of nodes that bounds need: boxes [n, inputs], and l <= z <= u [n, hidden]."""

    @property
    def lower(self) -> Floats: ...
    @property
    def upper(self) -> Floats: ...
    @property
    def l(self) -> Singles: ...  # noqa: E743 (the format's letter)
    @property
    def u(self) -> Singles: ...


class Box(NamedTuple):
    """The boxes of nodes in the inputs that a block reads: lower, upper [n, inputs]."""

    lower: Floats
    upper: Floats


class Place(NamedTuple):
    """The place of a block among all: its layers, numbered through all blocks, inputs, outputs."""

    layers: range
    inputs: slice | Integers
    outputs: slice

    def box(self, nodes: "Boxes | Box") -> Box:
        """The boxes of nodes, in this block's inputs."""
        return Box(nodes.lower[..., self.inputs], nodes.upper[..., self.inputs])


class Exclusions(NamedTuple):
    """Exclusions at nodes of a batch.

    node: the place of each in the batch [m].
    rows: its weighted sum of rows in 1024ths, exact: [m, outputs + 1 + inputs], the constant
        between.
    slopes: lower slopes [m, hidden], NaN where none is given.
    multipliers: [m, hidden], negative where z <= 0 is assumed, 0 where none is given.
    """

    node: Integers
    rows: Objects
    slopes: Floats
    multipliers: Floats


class Bounds(ABC, Generic[LinesT]):
    """Bounds of one network, or of several as blocks, under one semantics.

    Layers and hidden neurons are numbered through all blocks.

    Rejected where its layers are so wide that float64 would not do, in any arithmetic: what is
    accepted then does not depend on it.
    """

    layers: tuple[Any, ...]  # Layers, with numbers of this arithmetic
    floor: Numbers  # N(0)

    def __init__(self, network: Blocks, semantics: str) -> None:
        self.parts, self.places = hidden_parts(network), _places(network)
        self.n_inputs, self.n_outputs = network.n_inputs, network.n_outputs
        n, depth = network.width, max(len(block.layers) for block in network.blocks)
        #: U of section 8, and U + g
        self.rounding = 8 * (depth + 4) * (n + 8) * 2.0**-53
        m = (n + 4) * 2.0**-24 if semantics == "float32" else 0.0
        self.unit: Numbers = self.rounding + m / (1 - m)
        demand(
            0 < self.unit <= LARGEST_UNIT,
            f"layers of width {n} are beyond the analysis of rounding",
        )

    def root(self, lower: Floats, upper: Floats) -> Singles:
        """l and u [hidden] of a root, by interval arithmetic (section 5, "Before a root")."""
        bounds = np.zeros((2, self.parts[-1].stop), np.float32)
        for place in self.places:
            self._root_of_block(place, *place.box(Box(lower, upper)), bounds)
        return bounds

    def _root_of_block(self, place: Place, low: Numbers, high: Numbers, bounds: Singles) -> None:
        """Of one block's neurons: its inputs are between low and high."""
        for k in place.layers:
            layer, part = self.layers[k], self.parts[k]
            h = np.maximum(np.abs(low), np.abs(high))
            size = np.abs(layer.weight) @ h + np.abs(layer.bias)
            small = (h < LARGEST).all() and (size < LARGEST).all()
            demand(small, f"numbers of layer {k + 1} may reach 2^100")
            rise, fall = np.maximum(layer.weight, 0), np.minimum(layer.weight, 0)
            noise = self.noise(size, k)
            low, high = (
                rise @ low + fall @ high + layer.bias - noise,
                rise @ high + fall @ low + layer.bias + noise,
            )
            if layer.relu:
                bounds[:, part] = self.down(low), -self.down(-high)
                low, high = np.maximum(low, 0), np.maximum(high, 0)

    @abstractmethod
    def tighten(self, nodes: Boxes) -> LinesT:
        """Section 5, "At each node": improves l and u in place; the lines of each layer."""

    @abstractmethod
    def margins(self, nodes: Boxes, lines: LinesT, claimed: Exclusions) -> Floats | Objects:
        """Section 6, "An exclusion": the least value of its row at its node, or less."""

    def noise(self, size: Numbers, k: int) -> Numbers:
        """N(size) of section 5, of values of layer k."""
        return self.unit * size + self.floor

    @abstractmethod
    def down(self, values: Numbers) -> Singles:
        """down(v) of section 5."""


def down(v: Floats) -> Singles:
    """A float32 number <= v, and <= every real number whose nearest float64 is v (section 5)."""
    return (v - 0.75 * np.abs(v) * 2.0**-23 - 2.0**-149).astype(np.float32)


def relu_lines(l: Singles, u: Singles) -> tuple[Floats, Floats, Floats]:
    """a, c, t of a ReLU on l <= z <= u (section 5, the table).

    They are exact, because l and u hold few bits.
    """
    low, high = np.minimum(l, 0, dtype=np.float64), np.maximum(u, 0, dtype=np.float64)
    c: Floats = np.rint(1024 * (high / np.maximum(high - low, 2.0**-149))) / 1024
    a = (u > -l).astype(np.float64)
    t: Floats = np.maximum(-c * low, (1 - c) * high)
    return a, c, t


def _places(network: Blocks) -> list[Place]:
    """The place of each block, in order."""
    found, layer, output = [], 0, 0
    for block in network.blocks:
        end, last = layer + len(block.layers), output + len(block.layers[-1].bias)
        found.append(Place(range(layer, end), block.inputs, slice(output, last)))
        layer, output = end, last
    return found


def hidden_parts(network: Blocks) -> list[slice]:
    """Returns each layer's slice of the hidden neurons (section 3); empty without a ReLU."""
    counts = [len(layer.bias) * layer.relu for block in network.blocks for layer in block.layers]
    ends = np.cumsum([0, *counts]).tolist()
    return [slice(*pair) for pair in zip(ends, ends[1:])]
