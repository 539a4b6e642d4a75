"""Several networks as blocks side by side, over free inputs (sections 10 and 11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.audit.data import Block, Floats, Layer, Network, Tie
from engine.audit.failures import demand

LEAST = Fraction(1, 2**1022)  # from here on, the nearest float64 is within 2^-53, relatively


@dataclass(frozen=True)
class Joint:
    """Blocks over free inputs, in the order of their outputs.

    obstacle: why they have no float32 semantics; "" where they have.
    pairs: of blocks that are bounded together (section 11).
    """

    blocks: tuple[Block, ...]
    n_inputs: int
    obstacle: str
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def n_outputs(self) -> int:
        """The outputs of all blocks."""
        return sum(len(block.layers[-1].bias) for block in self.blocks)

    @property
    def width(self) -> int:
        """n of section 10."""
        shapes = [layer.weight.shape for block in self.blocks for layer in block.layers]
        return int(max(self.n_inputs, *map(max, shapes))) + len(self.blocks)


def joint(
    networks: Sequence[tuple[Network, Sequence[Tie]]],
    n_inputs: int,
    pairs: tuple[tuple[int, int], ...] = (),
) -> Joint:
    """The blocks that these networks are, each with the ties of its inputs.

    Rejected where a number of a tie is too large or too small for a layer, or a pair does not fit.
    """
    blocks = tuple(_block(network, ties) for network, ties in networks)
    obstacles = [network.obstacle for network, _ in networks if network.obstacle]
    if any(block.rounded for block in blocks):
        obstacles.append("numbers of a network or a tie are only the nearest ones")
    _check_pairs(blocks, pairs)
    return Joint(blocks, n_inputs, obstacles[0] if obstacles else "", pairs)


def _check_pairs(blocks: tuple[Block, ...], pairs: tuple[tuple[int, int], ...]) -> None:
    """Section 11, "The manifest": the blocks of a pair are there, and have the same stages."""
    for f, g in pairs:
        demand(g < len(blocks), f"there are no blocks {f} and {g} to be a pair")
        demand(
            _stages(blocks[f]) == _stages(blocks[g]),
            f"blocks {f} and {g} are no pair: they have other layers with a ReLU",
        )


def _stages(block: Block) -> list[list[bool]]:
    """Of each layer with a ReLU, which of its neurons have it."""
    return [layer.has_relu.tolist() for layer in block.layers if layer.has_relu.any()]


def _block(network: Network, ties: Sequence[Tie]) -> Block:
    """A network behind its ties: they are a layer, unless each input is a free one, once."""
    places = np.array([next(iter(tie.inputs), -1) for tie in ties])
    is_free = all(tie == Tie({int(i): Fraction(1)}, Fraction(0)) for i, tie in zip(places, ties))
    if is_free and len(set(places.tolist())) == len(places):
        return Block(network.layers, places, network.rounded, network.ending)
    read = sorted({i for tie in ties for i in tie.inputs})
    weight, bias, exact = _tie_layer(ties, read)
    layers = (Layer(weight, bias, relu=False), *network.layers)
    inputs, rounded = np.array(read, dtype=int), network.rounded or not exact
    return Block(layers, inputs, rounded, network.ending)


def _tie_layer(ties: Sequence[Tie], read: list[int]) -> tuple[Floats, Floats, bool]:
    """T and t over the free inputs that are read, as float64 numbers; True iff these are exact."""
    numbers = [[tie.inputs.get(i, Fraction(0)) for i in read] + [tie.constant] for tie in ties]
    nearest = np.array([[_nearest(value) for value in row] for row in numbers])
    exact = all(
        Fraction(float(found)) == value
        for row, values in zip(nearest, numbers, strict=True)
        for found, value in zip(row, values, strict=True)
    )
    return np.ascontiguousarray(nearest[:, :-1]), nearest[:, -1], exact


def _nearest(value: Fraction) -> float:
    """The float64 number nearest to it, which is within 2^-53 of it, relatively, or exact."""
    in_range = not value or LEAST <= abs(value) < 2**100
    demand(in_range, "a number of a tie is too small or too large")
    return float(value)
