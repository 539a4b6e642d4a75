"""What the checker's parts hand to each other."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


class Malformed(Exception):
    """A file cannot be read as what it should be: one line that says which, where and why."""


class Rejected(Exception):
    """All files are well formed, but the certificate does not prove its claim: one line that says why."""


@dataclass(frozen=True)
class Layer:
    """z = weight @ h + bias, then max(z, 0) where `relu`. weight: float64 [out, in]; the file's exact numbers."""

    weight: np.ndarray
    bias: np.ndarray
    relu: bool


@dataclass(frozen=True)
class Network:
    """Layers in order; `single`: whether all numbers are float32 ones; SHA-256 of the (decompressed) file."""

    layers: tuple[Layer, ...]
    single: bool
    sha256: str


@dataclass(frozen=True)
class Row:
    """sum inputs[i] x_i + sum outputs[j] y_j + constant <= 0 (< 0 where strict); no coefficient is 0."""

    inputs: dict[int, Fraction]
    outputs: dict[int, Fraction]
    constant: Fraction
    strict: bool


@dataclass(frozen=True)
class Specification:
    """The unsafe set of a VNN-LIB file: the union of `disjuncts`, each a conjunction of rows."""

    n_inputs: int
    n_outputs: int
    disjuncts: tuple[tuple[Row, ...], ...]
    sha256: str


@dataclass(frozen=True)
class Case:
    """A closed input box, exact, and the polytopes claimed not to be reached on it."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    unsafe: tuple[tuple[Row, ...], ...]


@dataclass(frozen=True)
class Tree:
    """The arrays of the format's section 4, by their names there (int64 and float64)."""

    split: np.ndarray
    cut: np.ndarray
    node: np.ndarray
    polytope: np.ndarray
    rows: np.ndarray
    slopes: np.ndarray
    multipliers: np.ndarray
    row: np.ndarray
    row_weight: np.ndarray
    slope: np.ndarray
    slope_value: np.ndarray
    multiplier: np.ndarray
    multiplier_value: np.ndarray


@dataclass(frozen=True)
class Witness:
    """A point, the network's exact outputs there, and the exact value of each row of the case's polytope."""

    point: tuple[Fraction, ...]
    outputs: tuple[Fraction, ...]
    margins: tuple[Fraction, ...]


@dataclass(frozen=True)
class Certificate:
    """A certificate's content. A proof has a tree, a witness has a witness and one case with one polytope.

    `manifest` is the parsed manifest, for reports; `sha256` that of the file itself.
    """

    kind: str
    semantics: str
    network_sha256: str
    property_sha256: str
    cases: tuple[Case, ...]
    tree: Tree | None
    witness: Witness | None
    manifest: dict
    sha256: str
