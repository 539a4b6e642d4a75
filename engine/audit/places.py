"""The places of blocks among all: layers, neurons, inputs and outputs (sections 10 and 11)."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from engine.audit.curves.curve import Curve
from engine.audit.data import Array, Blocks, Floats, Integers, Singles, Truths

#: Layers through which rows go at once, each with its block's number in a Group: one, or the two of
#: a stage.
Step: TypeAlias = tuple[tuple[int, int], ...]


class Boxes(Protocol):
    """The part of nodes that bounds need: boxes [n, inputs], and l and u [n, hidden + differences].

    l <= z <= u of hidden neurons, and then dl <= d <= du of the differences of pairs.
    """

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

    def box(self, nodes: Boxes | Box) -> Box:
        """The boxes of nodes, in this block's inputs."""
        return Box(nodes.lower[..., self.inputs], nodes.upper[..., self.inputs])


class Group(NamedTuple):
    """Blocks that are bounded together: one alone, or the two of a pair.

    steps: all their layers, in the order of section 11.
    """

    blocks: tuple[Place, ...]
    steps: tuple[Step, ...]


class Target(NamedTuple):
    """Something that is to be bounded: the sum of sign * z, z of one layer in each of some blocks.

    ends: (layer, sign) of each block.
    steps: what comes before these layers.
    """

    blocks: tuple[Place, ...]
    steps: tuple[Step, ...]
    ends: tuple[tuple[int, int], ...]


def neurons_of(place: Place, k: int) -> Target:
    """The neurons of layer k, which is in this block."""
    steps = tuple(((0, before),) for before in range(place.layers.start, k))
    return Target((place,), steps, ((k, 1),))


def differences_of(group: Group, number: int) -> Target:
    """The differences of a stage: this step of a pair."""
    (_, f), (_, g) = group.steps[number]
    return Target(group.blocks, group.steps[:number], ((f, -1), (g, 1)))


def curves_of(network: Blocks) -> dict[int, Curve]:
    """The layers that have a Sigmoid or a Tanh, and which (section 14)."""
    layers = [layer for block in network.blocks for layer in block.layers]
    return {k: layer.curve for k, layer in enumerate(layers) if layer.curve}


def are_curved(network: Blocks) -> Truths:
    """Which of the hidden neurons have a curve."""
    parts = hidden_parts(network)
    found = np.zeros(parts[-1].stop, bool)
    for k in curves_of(network):
        found[parts[k]] = True
    return found


def relus_of(network: Blocks) -> list[Truths]:
    """Which neurons of each layer have a ReLU or a curve, and so are hidden ones [neurons]."""
    return [layer.has_relu for block in network.blocks for layer in block.layers]


def hidden_parts(network: Blocks) -> list[slice]:
    """Returns each layer's slice of the hidden neurons (section 3); empty without a ReLU."""
    counts = [np.count_nonzero(has_relu) for has_relu in relus_of(network)]
    ends = np.cumsum([0, *counts]).tolist()
    return [slice(*pair) for pair in zip(ends, ends[1:])]


def spread(hidden: Array, has_relu: Truths, rest: float) -> Array:
    """A layer's hidden neurons [.., hidden] -> all its neurons [.., neurons], the others `rest`."""
    found = np.full((*hidden.shape[:-1], len(has_relu)), rest, hidden.dtype)
    found[..., has_relu] = hidden
    return found


def difference_parts(groups: list[Group], parts: list[slice]) -> dict[tuple[int, int], slice]:
    """The columns of differences in l and u, behind all hidden neurons: by a stage's two layers."""
    stages = [tuple(k for _, k in step) for group in groups for step in group.steps]
    pairs = [(stage[0], stage[1]) for stage in stages if len(stage) == 2]
    counts = [parts[f].stop - parts[f].start for f, _ in pairs]
    ends = np.cumsum([parts[-1].stop, *counts]).tolist()
    return {pair: slice(*part) for pair, part in zip(pairs, zip(ends, ends[1:]), strict=True)}


def places_of(network: Blocks) -> list[Place]:
    """The place of each block, in order."""
    found, layer, output = [], 0, 0
    for block in network.blocks:
        end, last = layer + len(block.layers), output + len(block.layers[-1].bias)
        found.append(Place(range(layer, end), block.inputs, slice(output, last)))
        layer, output = end, last
    return found


def groups_of(network: Blocks) -> list[Group]:
    """Each block that is in no pair, and each pair, in the order of their first blocks."""
    places, other = places_of(network), dict(network.pairs)
    relus = [bool(has_relu.any()) for has_relu in relus_of(network)]
    groups = []
    for number, place in enumerate(places):
        if number not in other.values():
            both = (place, places[other[number]]) if number in other else (place,)
            groups.append(Group(both, _steps(both, relus)))
    return groups


def _steps(blocks: Sequence[Place], relus: list[bool]) -> tuple[Step, ...]:
    """Section 11, "Bounds": layers without a ReLU by themselves, then those of the next stage."""
    layers = []
    for i, place in enumerate(blocks):
        stage = 0
        for k in place.layers:
            layers.append((stage, relus[k], i, k))
            stage += relus[k]
    steps: list[Step] = []
    for (_, is_stage), members in groupby(sorted(layers), key=itemgetter(0, 1)):
        own = [(i, k) for *_, i, k in members]
        steps += [tuple(own)] if is_stage else [(one,) for one in own]
    return tuple(steps)
