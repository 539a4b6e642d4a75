"""What the checker's parts hand to each other."""

import errno
import gzip
import os
import stat
import zlib
from collections import namedtuple
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

#: The least and the largest number in these arrays; all are finite.
RANGES = {
    "row_weight": (1, 1024),
    "slope_value": (0, 1024),
    "multiplier_value": (0, np.inf),
    "cut": (-np.inf, np.inf),
}


LONGEST = 2_000  # characters of a line


def plain(text: str) -> str:
    """The text as one line that hides and forges nothing: what is not printable is written as Python escapes it."""
    if len(text) > LONGEST:  # its ends say most
        text = f"{text[: LONGEST // 2]}...{text[-(LONGEST // 2) :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _OneLine(Exception):
    """Whatever names and numbers of files are in it, str() is one plain line."""

    def __str__(self) -> str:
        return plain(super().__str__())


class Malformed(_OneLine):
    """A file cannot be read as what it should be: one line that says which, where and why."""


class Rejected(_OneLine):
    """All files are well formed, but the certificate does not prove its claim: one line that says why."""


def need(holds: bool, what: str) -> None:
    """Malformed(what), unless it holds."""
    if not holds:
        raise Malformed(what)


def demand(holds: bool, what: str) -> None:
    """Rejected(what), unless it holds."""
    if not holds:
        raise Rejected(what)


def read_bytes(path, limit: int, *, packed: bool | None = None) -> bytes:
    """A file's content, decompressed where `packed`, by default where its name ends in `.gz`; never more than `limit`
    bytes of it.
    """
    packed = str(path).endswith(".gz") if packed is None else packed
    try:
        with open(path, "rb", opener=_regular) as raw:
            with gzip.open(raw) if packed else raw as file:
                data = b"".join(islice(iter(lambda: file.read(1 << 20), b""), (limit >> 20) + 1))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Malformed(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from None
    need(len(data) <= limit, f"{path}: holds more than {limit:,} bytes")
    return data


def _regular(path, flags: int) -> int:
    """Opens a regular file; OSError for a pipe or a device, which may never end or wait for a writer."""
    file = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(file).st_mode
    if stat.S_ISREG(mode):
        return file
    os.close(file)
    raise OSError(
        errno.EINVAL,
        os.strerror(errno.EISDIR) if stat.S_ISDIR(mode) else "it is not a regular file",
    )


class Layer(namedtuple("Layer", "weight bias relu")):
    """z = weight @ h + bias, then max(z, 0) where `relu`. weight: float64 [out, in]; the file's exact numbers."""


@dataclass(frozen=True)
class Network:
    """Layers in order; SHA-256 of the (decompressed) file; `obstacle`: why there are no float32 semantics, "" where
    there are; `rounded`: whether some numbers are not the file's own, but the float64 numbers nearest to those.
    """

    layers: tuple[Layer, ...]
    sha256: str
    obstacle: str = ""
    rounded: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """sum inputs[i] x_i + sum outputs[j] y_j + constant <= 0 (< 0 where strict); no coefficient is 0."""

    inputs: dict[int, Fraction]
    outputs: dict[int, Fraction]
    constant: Fraction
    strict: bool


@dataclass(frozen=True)
class Specification:
    """The unsafe set of a VNN-LIB file: where all rows of `base` hold and all of one of the `disjuncts`."""

    n_inputs: int
    n_outputs: int
    base: tuple[Row, ...]
    disjuncts: tuple[tuple[Row, ...], ...]
    sha256: str


class Case(namedtuple("Case", "lower upper unsafe")):
    """A closed input box, Fractions, and the polytopes, tuples of Rows, that are claimed not to be reached on it."""


class Tree(
    namedtuple(
        "Tree",
        "split cut node polytope rows slopes multipliers "
        "row row_weight slope slope_value multiplier multiplier_value",
    )
):
    """The arrays of the format's section 4, by their names there, as they are in the file: int32 and float64."""

    def check(self, cases: tuple[Case, ...]) -> None:
        """Section 4, as far as it speaks of the arrays alone: Malformed by their lengths, else Rejected."""
        exclusions, cuts = (
            len(self.node),
            np.count_nonzero((0 <= self.split) & (self.split < len(cases[0].lower))),
        )
        sums = [counts.sum(dtype=np.int64) for counts in (self.rows, self.slopes, self.multipliers)]
        lengths = [len(self.split), cuts, *[exclusions] * 5, *np.repeat(sums, 2)]
        need(list(map(len, self)) == lengths, "its arrays' lengths do not belong together")
        for holds, rule in self._rules(cases):
            demand(np.all(holds), rule)

    def _rules(self, cases: tuple[Case, ...]):
        """Where each order and range holds, and a text; what comes later relies on what came before."""
        roots, splits = len(cases), np.flatnonzero(self.split >= 0)
        # the parents at first
        root = np.concatenate(
            [np.arange(roots, dtype=np.int32), np.repeat(splits.astype(np.int32), 2)]
        )
        yield self.split >= -1, "split: there are numbers below -1"
        yield (
            len(root) == len(self.split),
            "split: there are not as many nodes as roots and children of nodes",
        )
        yield (
            root[roots:] < np.arange(roots, len(root)),
            "split: a node is its own child or descendant",
        )
        while (root >= roots).any():
            root = root[root]
        yield (0 <= self.node) & (self.node < len(root)), "node: there is no such node"
        case, first = root[self.node], np.cumsum([0, *(len(case.unsafe) for case in cases)])
        yield (
            (0 <= self.polytope) & (self.polytope < np.diff(first)[case]),
            "polytope: the case has no such polytope",
        )
        new = self.node[1:] > self.node[:-1]
        more = (self.node[1:] == self.node[:-1]) & (self.polytope[1:] > self.polytope[:-1])
        yield new | more, "node, polytope: not in ascending order"
        sizes = np.array([len(rows) for case in cases for rows in case.unsafe], np.int32)[
            first[case] + self.polytope
        ]
        for name in ("row", "slope", "multiplier"):
            counts, entries = getattr(self, name + "s"), getattr(self, name)
            yield counts >= 0, f"{name}s: there are negative numbers"
            yield 0 <= entries, f"{name}: there is no such {name}"
            yield (
                name != "row" or entries < np.repeat(sizes, counts),
                f"{name}: there is no such {name}",
            )
            yield (
                _ascend(entries, begins(counts)),
                f"{name}: not in ascending order within an exclusion",
            )
        for name, (a, b) in RANGES.items():
            values = getattr(self, name)
            yield (
                np.isfinite(values) & (a <= values) & (values <= b),
                f"{name}: a number is not between {a} and {b}",
            )


def begins(counts: np.ndarray) -> np.ndarray:
    """Where each group of so many entries begins, and where the last one ends: int32, as no array is longer."""
    found = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=found[1:])
    return found


def _ascend(entries: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Whether each number is larger than the one before it, or begins a group."""
    starts = np.zeros(len(entries) + 1, bool)
    starts[begin] = True
    return starts[1:-1] | (entries[1:] > entries[:-1])


class Witness(namedtuple("Witness", "point outputs margins")):
    """A point, the network's exact outputs there, and the exact value of each row of the case's polytope: Fractions."""


class Certificate(
    namedtuple(
        "Certificate",
        "kind semantics network_sha256 property_sha256 cases outputs tree witness manifest sha256",
    )
):
    """A certificate's content. A proof has cases and a Tree, a witness has a Witness and one case with one polytope.

    The first four are strings of the manifest; it is there as a whole too. outputs: how many the network must have for
    all that rows name; sha256: of the file itself.
    """
