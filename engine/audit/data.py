"""What the checker's parts hand to each other."""

import gzip
import zlib
from collections import namedtuple
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np


#: The least and the largest number in these arrays; all are finite.
RANGES = {"row_weight": (1, 1024), "slope_value": (0, 1024), "multiplier_value": (0, np.inf), "cut": (-np.inf, np.inf)}


class Malformed(Exception):
    """A file cannot be read as what it should be: one line that says which, where and why."""


class Rejected(Exception):
    """All files are well formed, but the certificate does not prove its claim: one line that says why."""


def need(holds: bool, what: str) -> None:
    """Malformed(what), unless it holds."""
    if not holds:
        raise Malformed(what)


def demand(holds: bool, what: str) -> None:
    """Rejected(what), unless it holds."""
    if not holds:
        raise Rejected(what)


def read_bytes(path, limit: int) -> bytes:
    """A file's content, decompressed where its name ends in `.gz`; never more than `limit` bytes of it."""
    try:
        with gzip.open(path) if str(path).endswith(".gz") else open(path, "rb") as file:
            data = b"".join(islice(iter(lambda: file.read(1 << 20), b""), (limit >> 20) + 1))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Malformed(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    need(len(data) <= limit, f"{path}: holds more than {limit:,} bytes")
    return data


class Layer(namedtuple("Layer", "weight bias relu")):
    """z = weight @ h + bias, then max(z, 0) where `relu`. weight: float64 [out, in]; the file's exact numbers."""


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


class Case(namedtuple("Case", "lower upper unsafe")):
    """A closed input box, Fractions, and the polytopes, tuples of Rows, that are claimed not to be reached on it."""


class Tree(namedtuple("Tree", "split cut node polytope rows slopes multipliers "
                      "row row_weight slope slope_value multiplier multiplier_value")):
    """The arrays of the format's section 4, by their names there (int64 and float64)."""

    def check(self, cases: tuple[Case, ...]) -> None:
        """Section 4, as far as it speaks of the arrays alone: Malformed by their lengths, else Rejected."""
        exclusions, cuts = len(self.node), np.count_nonzero((0 <= self.split) & (self.split < len(cases[0].lower)))
        sums = [counts.sum() for counts in (self.rows, self.slopes, self.multipliers)]
        lengths = [len(self.split), cuts, *[exclusions] * 5, *np.repeat(sums, 2)]
        need(list(map(len, self)) == lengths, "its arrays' lengths do not belong together")
        for holds, rule in self._rules(cases):
            demand(np.all(holds), rule)

    def _rules(self, cases: tuple[Case, ...]):
        """Where each order and range holds, and a text; what comes later relies on what came before."""
        roots, splits = len(cases), np.flatnonzero(self.split >= 0)
        root = np.concatenate([np.arange(roots), np.repeat(splits, 2)])  # the parents at first
        yield self.split >= -1, "split: there are numbers below -1"
        yield len(root) == len(self.split), "split: there are not as many nodes as roots and children of nodes"
        yield root[roots:] < np.arange(roots, len(root)), "split: a node is its own child or descendant"
        while (root >= roots).any():
            root = root[root]
        yield (0 <= self.node) & (self.node < len(root)), "node: there is no such node"
        case, first = root[self.node], np.cumsum([0, *(len(case.unsafe) for case in cases)])
        yield (0 <= self.polytope) & (self.polytope < np.diff(first)[case]), "polytope: the case has no such polytope"
        yield _ascend(self.node, self.polytope), "node, polytope: not in ascending order"
        sizes = np.array([len(rows) for case in cases for rows in case.unsafe], np.int64)[first[case] + self.polytope]
        for name in ("row", "slope", "multiplier"):
            counts, entries = getattr(self, name + "s"), getattr(self, name)
            yield counts >= 0, f"{name}s: there are negative numbers"
            owner = np.repeat(np.arange(len(counts)), counts)
            yield (0 <= entries) & ((name != "row") | (entries < sizes[owner])), f"{name}: there is no such {name}"
            yield _ascend(owner, entries), f"{name}: not in ascending order within an exclusion"
        for name, (a, b) in RANGES.items():
            values = getattr(self, name)
            yield np.isfinite(values) & (a <= values) & (values <= b), f"{name}: a number is not between {a} and {b}"


def _ascend(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether each pair of non-negative 32-bit numbers is larger than the one before it."""
    return np.diff((groups << 32) + values) > 0


class Witness(namedtuple("Witness", "point outputs margins")):
    """A point, the network's exact outputs there, and the exact value of each row of the case's polytope: Fractions."""


class Certificate(namedtuple("Certificate", "kind semantics network_sha256 property_sha256 "
                             "cases tree witness manifest sha256")):
    """A certificate's content. A proof has cases and a Tree, a witness has a Witness and one case with one polytope.

    The first four are strings of the manifest; it is there as a whole too, for reports. sha256: of the file itself.
    """
