"""The numbers that can be stored for a layer in its ONNX file."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from engine.network import Network
from engine.onnx_file.constant import LITERAL, Constant
from engine.onnx_file.reader import read_graph_of
from engine.onnx_file.sparse import Sparse

FACTOR_BITS = 29  # of a factor whose product with any float32 number float64 holds exactly
ZEROS = "some of its zeros have no numbers in the file"
NO_INITIALIZER = "it has no initializer in the file"


@dataclass(frozen=True, slots=True, eq=False)
class Storable:
    """The numbers that a layer's weight or bias can be in the file: scale * x, entry by entry, for float32 numbers x.

    values: what it is now; fixed: why it can be nothing else, or empty.
    """

    values: np.ndarray
    scale: float = 1.0
    fixed: str = ""

    def nearest(self, wanted: np.ndarray) -> np.ndarray:
        """Returns the nearest of these numbers as float64: the present one if float32 cannot tell it from `wanted`."""
        with np.errstate(over="ignore"):  # infinite ones are refused when they are written
            single, before = np.asarray(wanted, np.float32), self.values.astype(np.float32)
            stored = single if self.scale == 1.0 else (np.asarray(wanted, np.float64) / self.scale).astype(np.float32)
        return np.where(single == before, self.values, self.scale * stored.astype(np.float64))


def storable(network: Network) -> tuple[tuple[Storable, Storable], ...]:
    """Returns, for each layer's weight and bias, the numbers that `rewritten` can write.

    A Gemm's factor alpha makes the network's numbers multiples of the file's: not every float32 number is one.
    """
    if not network.onnx_bytes:
        return tuple((Storable(layer.weight), Storable(layer.bias)) for layer in network.layers)
    return _storable(network.onnx_bytes)


@lru_cache(maxsize=4)  # a repair asks for each of its candidates, and has one original
def _storable(data: bytes) -> tuple[tuple[Storable, Storable], ...]:
    graph = read_graph_of(data, where="network")[1]
    layers = [piece.affine() for piece in graph.pieces]
    return tuple(
        (_of(layer.weight, piece.weight, graph.uses), _of(layer.bias, piece.bias, graph.uses))
        for layer, piece in zip(layers, graph.pieces)
    )


def _of(values: np.ndarray, constant: Constant | Sparse | None, uses: Counter[str]) -> Storable:
    if isinstance(constant, Sparse):
        return Storable(values, fixed=why_not_own(constant.numbers, uses) or ZEROS)
    if constant is None or (fixed := why_not_own(constant, uses) or _why_fixed(constant)):
        return Storable(values, fixed=NO_INITIALIZER if constant is None else fixed)
    return Storable(values, constant.scale)


def _why_fixed(constant: Constant) -> str:
    """Returns why not every number can be stored in a tensor that is the layer's own; empty if every one can."""
    assert constant.index is not None
    if (constant.index == LITERAL).any():
        return ZEROS
    if len(np.unique(constant.index)) < constant.index.size:
        return f"one number of {constant.names[0]!r} stands for several in it"
    if constant.scale == 0.0 or _bits(constant.scale) > FACTOR_BITS:
        return f"it is {constant.names[0]!r} times {constant.scale!r}"
    return ""


def _bits(value: float) -> int:
    """Returns how many significant bits a number has."""
    numerator = abs(Fraction(value).numerator)
    return (numerator // (numerator & -numerator)).bit_length()


def why_not_own(constant: Constant, uses: Counter[str]) -> str:
    """Returns why the numbers do not stand in one tensor that serves nothing else; empty if they do."""
    if not constant.names:
        return NO_INITIALIZER
    if constant.index is None:
        return f"it is folded from {', '.join(repr(name) for name in constant.names)}"
    if uses[constant.names[0]] > 1:
        return f"its initializer {constant.names[0]!r} is shared"
    return ""
