"""Several networks side by side, as one function of the free inputs (docs/certificate-format.md, section 10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from engine.errors import InputError
from engine.network import Affine, Network
from engine.property import Vector
from engine.query import Tie

SMALLEST = Fraction(1, 2**1022)  # below it float64 numbers are not relatively near to what they stand for


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One network, and the free inputs [n_inputs of network] that its inputs are.

    network: with the ties of its inputs as its first layer, unless these are free inputs, each once; own: the
    network as its file has it, of whose inputs ties tell the values.
    """

    network: Network
    inputs: tuple[int, ...]
    own: Network
    ties: tuple[Tie, ...]


@dataclass(frozen=True, eq=False)
class Joint:
    """The function u -> (outputs of every block, one after the other) of free inputs u [n_inputs].

    Its hidden neurons are those of its blocks, one after the other. It has the attributes of a network that searches
    use. pairs: blocks, by their numbers, of which differences are bounded, too (section 11).
    """

    blocks: tuple[Block, ...]
    n_inputs: int
    name: str = ""
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def n_outputs(self) -> int:
        return sum(block.network.n_outputs for block in self.blocks)

    @property
    def shape(self) -> tuple[object, ...]:
        """Joints of one shape can be stacked."""
        return (self.n_inputs, self.pairs, *((block.network.shape, block.inputs) for block in self.blocks))

    @property
    def rounded(self) -> bool:
        """True where the numbers of some block are not its own, but the nearest."""
        return any(block.network.rounded for block in self.blocks)

    @cached_property
    def number(self) -> type[np.floating]:
        """The type of numbers that all networks are given: the narrowest of theirs."""
        narrow = any(block.own.number == np.float32 for block in self.blocks)
        return np.float32 if narrow else np.float64

    @cached_property
    def width(self) -> int:
        """n of section 10, to which rounding is relative."""
        sizes = (size for block in self.blocks for layer in block.network.layers for size in layer.shape)
        return int(max(self.n_inputs, *sizes)) + len(self.blocks)

    @property
    def depth(self) -> int:
        """The largest number of layers of a block."""
        return max(len(block.network.layers) for block in self.blocks)

    def given(self, free: Vector) -> Vector:
        """What the networks are given at a point of the free inputs: the inputs of each block's own, in order."""
        return tuple(tie.value(free) for block in self.blocks for tie in block.ties)

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Outputs [..., n_outputs] in float64 (not rigorous) at points [..., n_inputs]."""
        points = np.asarray(points, dtype=np.float64)
        return np.concatenate([block.network.evaluate(points[..., list(block.inputs)]) for block in self.blocks], -1)


def make_joint(blocks: Sequence[tuple[Network, tuple[Tie, ...]]], *, n_inputs: int, name: str = "") -> Joint:
    """The joint of networks with the ties of their inputs, over `n_inputs` free inputs; neighbours alike are pairs.

    InputError where one has a Sigmoid or a Tanh.
    """
    for network, _ in blocks:
        network.demand_relus("a question about several networks, or in VNN-LIB 2.0,")
    made = tuple(_block(network, ties) for network, ties in blocks)
    return Joint(made, n_inputs, name, _pairs([block.network for block in made]))


def _pairs(networks: Sequence[Network]) -> tuple[tuple[int, int], ...]:
    """Networks, by their numbers, with as many ReLUs in each layer that has any as the next one, each in one pair."""
    stages = [_stages(network) for network in networks]
    found: list[tuple[int, int]] = []
    for i, j in zip(range(len(stages)), range(1, len(stages))):
        if stages[i] is not None and stages[i] == stages[j] and not (found and found[-1][1] == i):
            found.append((i, j))
    return tuple(found)


def _stages(network: Network) -> list[int] | None:
    """The numbers of ReLUs of all layers that have any; None where one has them on some neurons only, since
    differences are not bounded there."""
    if any(layer.is_mixed for layer in network.layers):
        return None
    return [len(layer.bias) for layer in network.layers if layer.relu]


def _block(network: Network, ties: tuple[Tie, ...]) -> Block:
    if len(ties) != network.n_inputs:
        what = f"{len(ties)} inputs are declared for a network of {network.n_inputs}"
        raise InputError(what, where=network.name, advice="declare its input with the network's own shape")
    plain = all(len(tie.coefficients) == 1 and tie.coefficients[0][1] == 1 and not tie.constant for tie in ties)
    places = tuple(tie.coefficients[0][0] for tie in ties) if plain else ()
    if plain and len(set(places)) == len(places):
        return Block(network, places, network, ties)
    inputs = tuple(sorted({i for tie in ties for i, _ in tie.coefficients}))
    return Block(_with_ties(network, ties, inputs), inputs, network, ties)


def _with_ties(network: Network, ties: tuple[Tie, ...], inputs: tuple[int, ...]) -> Network:
    """The network with x = T u + t as its first layer: `rounded` where float64 does not hold all of T and t."""
    place = {i: k for k, i in enumerate(inputs)}
    weight, bias = np.zeros((len(ties), len(inputs))), np.zeros(len(ties))
    exact = True
    for j, tie in enumerate(ties):
        bias[j], held = _nearest(tie.constant, network.name)
        exact &= held
        for i, coefficient in tie.coefficients:
            weight[j, place[i]], held = _nearest(coefficient, network.name)
            exact &= held
    layer = Affine(weight, bias, relu=False, rounded=not exact)
    obstacle = "" if exact else "float64 does not hold the equations of its inputs"
    return Network(
        (layer, *network.layers), network.name, network.sha256, number=network.number,
        float32_obstacle=network.float32_obstacle or obstacle,
    )  # fmt: skip


def _nearest(value: Fraction, name: str) -> tuple[float, bool]:
    """The float64 nearest to a number, and True where it is that number."""
    if value and not SMALLEST <= abs(value) < 2**100:
        raise InputError("a number in an equation of its inputs is too small or too large", where=name)
    return float(value), Fraction(float(value)) == value


Model = Network | Joint


def given_at(model: Model, point: Vector) -> Vector:
    """What is given to the networks at a point of the model's inputs."""
    return model.given(point) if isinstance(model, Joint) else point


def blocks_of(model: Model) -> tuple[Block, ...]:
    """The blocks of a joint; a network is one block, which reads all inputs as they are."""
    if isinstance(model, Joint):
        return model.blocks
    return (Block(model, tuple(range(model.n_inputs)), model, ()),)
