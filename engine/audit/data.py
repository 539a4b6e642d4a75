"""The records that the checker's parts hand to each other."""

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.audit.curves.curve import Curve
from engine.audit.sparse import Matrix

FilePath: TypeAlias = "str | os.PathLike[str]"
Floats: TypeAlias = npt.NDArray[np.float64]
Singles: TypeAlias = npt.NDArray[np.float32]  # the bounds l and u of neurons
Integers: TypeAlias = npt.NDArray[np.integer[Any]]
Truths: TypeAlias = npt.NDArray[np.bool_]
Array: TypeAlias = npt.NDArray[Any]  # of numbers of the type that a file says
Objects: TypeAlias = npt.NDArray[np.object_]  # of Python's integers or Fractions


# --- networks (section 3) -------------------------------------------------------------------------


class Layer(NamedTuple):
    """z = weight @ h + bias, then max(z, 0) where `relu`: of all neurons or none, or of some.

    weight is float64 [outputs, inputs], bias float64 [outputs]: the file's exact numbers. A `curve`
    stands in place of the ReLU of all of these neurons, which then are hidden ones as with a ReLU.
    """

    weight: Matrix
    bias: Floats
    relu: bool | Truths
    curve: Curve | None = None

    @property
    def has_relu(self) -> Truths:
        """Of each neuron [outputs]."""
        return np.broadcast_to(self.relu, self.bias.shape)


class Block(NamedTuple):
    """Layers in order, and the inputs that the first of them reads, each once (section 10).

    rounded: True iff some numbers are not the file's own, but the float64 numbers nearest to those.
    ending: "Softmax" or "LogSoftmax" where that makes the file's outputs of those of the layers.
    """

    layers: tuple[Layer, ...]
    inputs: slice | Integers
    rounded: bool
    ending: str = ""


class Blocks(Protocol):
    """Blocks side by side, whose outputs together are y. A Network is one alone."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """In the order of their outputs and hidden neurons."""

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of blocks that are bounded together (section 11)."""

    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...

    @property
    def obstacle(self) -> str:
        """Why they have no float32 semantics; "" where they have."""

    @property
    def width(self) -> int:
        """n of sections 3 and 8, or of section 10."""


class End(NamedTuple):
    """The input or the output of a file: its name there, and its shape at batch size 1."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """Layers in order, and the SHA-256 of the (decompressed) file.

    obstacle: why the network has no float32 semantics; "" where it has.
    rounded, ending: as of a Block.
    ends: the file's input and output; None where there is no file.
    graph: of an ONNX file, what it shares with those that are isomorphic to it.
    """

    layers: tuple[Layer, ...]
    sha256: str
    obstacle: str = ""
    rounded: bool = False
    ends: tuple[End, End] | None = None
    graph: object = None
    pairs: tuple[()] = ()
    ending: str = ""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The network as the only block, which reads all inputs."""
        return (Block(self.layers, slice(0, self.n_inputs), self.rounded, self.ending),)

    @property
    def n_inputs(self) -> int:
        return int(self.layers[0].weight.shape[1])

    @property
    def n_outputs(self) -> int:
        return len(self.layers[-1].bias)

    @property
    def width(self) -> int:
        """n of section 3: the largest number of inputs or outputs of any layer."""
        return int(max(max(layer.weight.shape) for layer in self.layers))


# --- properties and claims (section 2) ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """sum inputs[i] x_i + sum outputs[j] y_j + constant <= 0 (< 0 where strict).

    No coefficient is 0.
    """

    inputs: dict[int, Fraction]
    outputs: dict[int, Fraction]
    constant: Fraction
    strict: bool


Polytope: TypeAlias = tuple[Row, ...]


@dataclass(frozen=True)
class Specification:
    """The unsafe set of a VNN-LIB file: all of `base` hold, and all of one of the `disjuncts`."""

    n_inputs: int
    n_outputs: int
    base: Polytope
    disjuncts: tuple[Polytope, ...]
    sha256: str


class Tie(NamedTuple):
    """Section 10: the value of an input, sum inputs[i] u_i + constant. No coefficient is 0."""

    inputs: dict[int, Fraction]
    constant: Fraction


class Case(NamedTuple):
    """A closed box of inputs, and the polytopes that are claimed not to be reached on it."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    unsafe: tuple[Polytope, ...]


# --- certificates ---------------------------------------------------------------------------------


class Tree(NamedTuple):
    """The arrays of section 4, by their names there, as they are in the file: int32 and float64."""

    split: Integers
    cut: Floats
    node: Integers
    polytope: Integers
    rows: Integers
    slopes: Integers
    multipliers: Integers
    row: Integers
    row_weight: Integers
    slope: Integers
    slope_value: Integers
    multiplier: Integers
    multiplier_value: Floats


class Witness(NamedTuple):
    """Section 7: a point, the network's exact outputs there, and the exact value of each row."""

    point: tuple[Fraction, ...]
    outputs: tuple[Fraction, ...]
    margins: tuple[Fraction, ...]


class Declared(NamedTuple):
    """A network that a certificate names: by its name in the query, "" in version 1, and hash."""

    name: str
    sha256: str


class Certificate(NamedTuple):
    """A certificate's content. A proof has cases and a Tree.

    A witness has a Witness and one case with one polytope. `kind`, `semantics` and the hashes are
    strings of the manifest; it is there as a whole too.

    networks: the one that it is about; from version 2 on, all that its query declares, in order.
    ties: from version 2 on, of each network's inputs. pairs: of blocks, in version 3.
    outputs: how many outputs the network must have, for all that rows name.
    sha256: of the certificate's own file.
    """

    kind: str
    semantics: str
    networks: tuple[Declared, ...]
    ties: tuple[tuple[Tie, ...], ...]
    pairs: tuple[tuple[int, int], ...]
    property_sha256: str
    cases: tuple[Case, ...]
    outputs: int
    tree: Tree | None
    witness: Witness | None
    manifest: dict[str, Any]
    sha256: str

    @property
    def version(self) -> int:
        """1, or 2 of a query in VNN-LIB 2.0, 3 with differences, 4 with cones, 5 with curves."""
        return int(self.manifest["version"])

    @property
    def has_cones(self) -> bool:
        """True iff each case is checked in its cone (section 12)."""
        return self.version == 4 or bool(self.manifest.get("cones"))

    @property
    def network_sha256(self) -> str:
        """The hash of the network, or of the first one."""
        return self.networks[0].sha256


class Change(NamedTuple):
    """Section 9: hashes of both networks, the claimed shares, and one case; as Certificate."""

    network_sha256: str
    changed_sha256: str
    open: Fraction
    unequal: Fraction
    cases: tuple[Case, ...]
    outputs: int
    tree: Tree
    manifest: dict[str, Any]
    sha256: str


class Band(NamedTuple):
    """Section 18: hashes of both networks, the gap, the claimed share, and one case.

    The rest is as of a Certificate.
    """

    network_sha256: str
    changed_sha256: str
    gap: Fraction
    open: Fraction
    cases: tuple[Case, ...]
    outputs: int
    tree: Tree
    manifest: dict[str, Any]
    sha256: str
