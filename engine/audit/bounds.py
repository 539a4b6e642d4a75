"""The bounds that both arithmetics share: of neurons at the nodes of a tree (sections 5 and 11).

arithmetic.py computes them in float64, of many nodes at once, and exact.py without rounding.
"""

from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from engine.audit.curves.lines import steps
from engine.audit.curves.tables import tables
from engine.audit.data import Blocks, Floats, Integers, Objects, Singles, Truths
from engine.audit.failures import demand
from engine.audit.lines import rectified, relu_lines
from engine.audit.pairs import Ends, coupled, meet, widest
from engine.audit.places import (
    Box,
    Boxes,
    Group,
    Place,
    Target,
    curves_of,
    difference_parts,
    differences_of,
    groups_of,
    hidden_parts,
    neurons_of,
    places_of,
    relus_of,
    spread,
)

#: Floats, or Dyadic numbers, with which numpy computes likewise.
Numbers: TypeAlias = Any
LineT = TypeVar("LineT", bound="Line")  # the lines of one layer
LinesT = TypeVar("LinesT")  # those of all nodes and layers

LARGEST = 2.0**100  # what M_k and the ends of a root must stay below
LARGEST_UNIT = 2.0**-10


class Line(Protocol):
    """The lines of one layer, as far as both arithmetics know them. size: H of section 5."""

    @property
    def size(self) -> Numbers:
        """H_k of section 5."""


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


class Bounds(ABC, Generic[LineT, LinesT]):
    """Bounds of one network, or of several as blocks, under one semantics.

    Layers and hidden neurons are numbered through all blocks.

    Rejected where its layers are so wide that float64 would not do, in any arithmetic: what is
    accepted then does not depend on it.
    """

    layers: tuple[Any, ...]  # Layers, with numbers of this arithmetic
    floor: Numbers  # N(0)

    def __init__(self, network: Blocks, semantics: str, ratio: float = 1) -> None:
        """ratio: from which u / -l on a ReLU has the lower slope 1 (sections 5 and 17)."""
        self.parts, self.relus = hidden_parts(network), relus_of(network)
        #: the tables of each layer that has a curve
        self.curves = {k: tables(curve) for k, curve in curves_of(network).items()}
        self.places = places_of(network)
        self.groups = groups_of(network)
        #: of each layer, for its lines: section 11, "Bounds", step 6
        self.ratio = {
            k: ratio if len(group.blocks) == 1 else 2
            for group in self.groups
            for place in group.blocks
            for k in place.layers
        }
        self.n_inputs, self.n_outputs = network.n_inputs, network.n_outputs
        self.hidden = self.parts[-1].stop
        #: columns of l and u: those of differences, and all
        self.differences = difference_parts(self.groups, self.parts)
        self.columns = max([self.hidden, *(part.stop for part in self.differences.values())])
        n, depth = network.width, max(len(block.layers) for block in network.blocks)
        #: U of section 8, and U + g
        self.rounding = 8 * (depth + 4) * (n + 8) * 2.0**-53
        m = (n + 4) * 2.0**-24 if semantics == "float32" else 0.0
        self.unit: Numbers = self.rounding + m / (1 - m)
        demand(
            0 < self.unit <= LARGEST_UNIT,
            f"layers of width {n} are beyond the analysis of rounding",
        )

    # --- roots ------------------------------------------------------------------------------------

    def root(self, lower: Floats, upper: Floats) -> Singles:
        """l and u [hidden + differences] of a root, by interval arithmetic.

        Section 5, "Before a root", and sections 11 and 14, "Bounds".
        """
        bounds = np.zeros((2, self.columns), np.float32)
        for place in self.places:
            self._root_of_block(place, *place.box(Box(lower, upper)), bounds)
        for layers, part in self.differences.items():
            f, g = (Ends(*bounds[:, self.parts[k]]) for k in layers)
            bounds[:, part] = widest(f, g)
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
            has_relu = self.relus[k]
            bounds[:, part] = self.down(low[has_relu]), -self.down(-high[has_relu])
            if k in self.curves:
                low, high = self._curve(k, Box(low, high), Ends(*bounds[:, part]))
            else:
                low, high = rectified(low, has_relu), rectified(high, has_relu)

    def _curve(self, k: int, z: Box, known: Ends) -> Box:
        """Section 14, "Bounds": h of layer k, where z is within these ends.

        known: l and u of its hidden neurons, those with the curve.
        """
        curve, there = self.curves[k], self.relus[k]
        first, last = (spread(end, there, 0) for end in steps(*known))
        return Box(
            z.lower * ~there + curve.low(first) * there,
            z.upper * ~there + curve.high(last) * there,
        )

    # --- nodes ------------------------------------------------------------------------------------

    @abstractmethod
    def tighten(self, nodes: Boxes) -> LinesT:
        """Section 5, "At each node", and section 11: improves l and u in place; all lines."""

    @abstractmethod
    def margins(self, nodes: Boxes, lines: LinesT, claimed: Exclusions) -> Floats | Objects:
        """Section 6, "An exclusion": the least value of its row at its node, or less."""

    def _bound(self, nodes: Boxes) -> list[LineT]:
        """Improves l and u in place; the lines of each layer. nodes: as many as go at once."""
        lines: dict[int, LineT] = {}
        for group in self.groups:
            for number, step in enumerate(group.steps):
                if len(step) == 1:
                    ((i, k),) = step
                    self._bound_layer(group.blocks[i], k, nodes, lines)
                else:
                    self._bound_stage(group, number, nodes, lines)
        return [lines[k] for k in range(len(self.layers))]

    def _bound_layer(self, place: Place, k: int, nodes: Boxes, lines: dict[int, LineT]) -> None:
        """Section 5, "At each node", and section 14, "Bounds", of one layer."""
        z, size = self._ends(nodes, k), self._size(place, k, nodes, lines)
        target = neurons_of(place, k)
        chosen = z.l < z.u if k in self.curves else z.is_open()
        self.improve(z, chosen, target, nodes, lines, self.noise(size, k))
        self._keep(z, nodes, self.parts[k], self.relus[k])
        lines[k] = self.line(z, size, k)

    def _bound_stage(
        self, group: Group, number: int, nodes: Boxes, lines: dict[int, LineT]
    ) -> None:
        """Section 11, "Bounds", steps 2 to 6, of the stage that is this step of a pair."""
        (_, f), (_, g) = group.steps[number]
        first, second = group.blocks
        z_f, z_g, part = self._ends(nodes, f), self._ends(nodes, g), self.differences[f, g]
        d = Ends(*(spread(end[..., part], self.relus[f], 0) for end in (nodes.l, nodes.u)))
        size_f, size_g = self._size(first, f, nodes, lines), self._size(second, g, nodes, lines)
        noise_f, noise_g = self.noise(size_f, f), self.noise(size_g, g)
        self.improve(z_f, z_f.is_open(), neurons_of(first, f), nodes, lines, noise_f)
        self.improve(z_g, z_g.is_open(), neurons_of(second, g), nodes, lines, noise_g)
        is_open, target = z_f.is_open() | z_g.is_open(), differences_of(group, number)
        self.improve(d, is_open, target, nodes, lines, noise_f + noise_g)
        meet(z_f, z_g, d)
        for ends, kept in ((z_f, self.parts[f]), (z_g, self.parts[g]), (d, part)):
            self._keep(ends, nodes, kept, self.relus[f])
        is_coupled = coupled(z_f, z_g, d)
        _, c, t = relu_lines(*d)
        give = t + (noise_f + self.noise(size_g + t, g))  # t + s
        lines[f] = self.line(z_f, size_f, f)
        lines[g] = self.couple(self.line(z_g, size_g, g), is_coupled, c, give)

    def _ends(self, nodes: Boxes, k: int) -> Ends:
        """l and u of layer k's neurons, a copy.

        Both are 1 of a neuron that is not hidden: there a ReLU has the same lines as none.
        """
        part, has_relu = self.parts[k], self.relus[k]
        return Ends(*(spread(end[..., part], has_relu, 1) for end in (nodes.l, nodes.u)))

    def _keep(self, ends: Ends, nodes: Boxes, part: slice, has_relu: Truths) -> None:
        """Makes them this part of l and u, but for neurons without a ReLU."""
        nodes.l[..., part], nodes.u[..., part] = ends.l[..., has_relu], ends.u[..., has_relu]

    def _size(self, place: Place, k: int, nodes: Boxes, lines: dict[int, LineT]) -> Numbers:
        """M_k of section 5."""
        if k > place.layers.start:
            return self.size(lines[k - 1].size, k)
        box = place.box(nodes)
        return self.size(np.maximum(np.abs(box.lower), np.abs(box.upper)), k)  # H_0

    @abstractmethod
    def size(self, h: Numbers, k: int) -> Numbers:
        """M_k of section 5, h being H_{k-1}."""

    @abstractmethod
    def improve(
        self,
        ends: Ends,
        chosen: Truths,
        target: Target,
        nodes: Boxes,
        lines: dict[int, LineT],
        noise: Numbers,
    ) -> None:
        """Section 6: improves the chosen ends of a target, in place, by substitution of rows."""

    @abstractmethod
    def line(self, z: Ends, size: Numbers, k: int) -> LineT:
        """Section 5, the table, and section 14, "Bounds": the lines of layer k."""

    @abstractmethod
    def couple(self, line: LineT, is_coupled: Truths, c: Floats, give: Numbers) -> LineT:
        """Section 11, "Bounds", step 6: the lines of g's layer with those of differences.

        (1 - c) d - give <= delta <= c d + give where they are coupled.
        """

    def noise(self, size: Numbers, k: int) -> Numbers:
        """N(size) of section 5, of values of layer k."""
        return self.unit * size + self.floor

    @abstractmethod
    def down(self, values: Numbers) -> Singles:
        """`down` of section 5, of numbers of this arithmetic."""
