"""Networks back into the graph they were read from: only numbers change."""

import gzip
import hashlib
import os
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper

from engine.errors import InputError
from engine.files import write_bytes
from engine.network import Affine, Network
from engine.onnx_file.constant import LITERAL, Constant, type_name, write_tensor
from engine.onnx_file.graph import Graph
from engine.onnx_file.provenance import mark
from engine.onnx_file.reader import parse_network, read_graph_of

_OTHER_LAYER = "change another layer, or export the network with this one written out"
FACTOR_BITS = 29  # of a factor whose product with any float32 number float64 holds exactly


def save_network(network: Network, path: str | PathLike, *, force: bool = False) -> Network:
    """Writes `rewritten(network)` to an `.onnx` or `.onnx.gz` file and returns it, under that file's SHA-256.

    All data are in this one file, wherever they were. It appears whole or not at all. One that exists is replaced only
    where `force`.
    """
    path = Path(path)
    if os.path.lexists(path) and not force:
        raise InputError("this file exists", where=str(path), advice="choose another name or force it")
    result = rewritten(network)
    digest = hashlib.sha256(result.onnx_bytes).hexdigest()
    result = result if digest == result.sha256 else replace(result, sha256=digest)
    packed = path.name.endswith(".gz")
    data = gzip.compress(result.onnx_bytes, mtime=0) if packed else result.onnx_bytes
    try:
        write_bytes(path, data)
    except OSError as error:
        what = f"it cannot be written ({error.strerror})"
        raise InputError(what, where=str(path), advice="check the folder") from None
    return result


def rewritten(network: Network) -> Network:
    """The same layers, with `onnx_bytes` that hold them: the original graph with other initializers.

    Names, shapes, types, operators and the tensors of unchanged layers stay as they are; the file's metadata say what
    it was made from. Where no number changes, neither does the file. InputError where a number cannot stand in the
    file: one that its type must round, or one that is not the layer's own there (an initializer that is shared or
    folded, or none at all).
    """
    where = network.name or "network"
    model, graph = read_graph_of(network.onnx_bytes, where=where)
    changes = _changes(network.layers, graph, where)
    if not changes:
        return network
    for place, constant, values in changes:
        _store(place, constant, values, graph.homes[constant.names[0]])
    mark(model, network.onnx_bytes)
    data = model.SerializeToString()
    written = parse_network(data, where=where)
    _check_same(written, network, where)
    return replace(written, name=network.name, layers=network.layers)


@dataclass(frozen=True, slots=True, eq=False)
class Storable:
    """What a layer's weight or bias can be in the file: scale * x, entry by entry, for float32 numbers x.

    values: what it is; fixed: why it can be nothing else, or nothing.
    """

    values: np.ndarray
    scale: float = 1.0
    fixed: str = ""

    def nearest(self, wanted: np.ndarray) -> np.ndarray:
        """The nearest of these numbers, as float64; what float32 cannot tell from the present number stays that."""
        with np.errstate(over="ignore"):  # infinite ones are refused when they are written
            single, before = np.asarray(wanted, np.float32), self.values.astype(np.float32)
            stored = single if self.scale == 1.0 else (np.asarray(wanted, np.float64) / self.scale).astype(np.float32)
        return np.where(single == before, self.values, self.scale * stored.astype(np.float64))


def storable(network: Network) -> tuple[tuple[Storable, Storable], ...]:
    """Of each layer's weight and bias, what other numbers `rewritten` can write for them.

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


def _of(values: np.ndarray, constant: Constant | None, uses: Counter) -> Storable:
    fixed, scale = _not_own(constant, uses), 1.0 if constant is None else constant.scale
    if not fixed and (constant.index == LITERAL).any():
        fixed = "off its diagonal it has no numbers in the file"
    if not fixed and len(np.unique(constant.index)) < constant.index.size:
        fixed = f"one number of {constant.names[0]!r} stands for several in it"
    if not fixed and (scale == 0.0 or _bits(scale) > FACTOR_BITS):
        fixed = f"it is {constant.names[0]!r} times {scale!r}"
    return Storable(values, 1.0 if fixed else scale, fixed)


def _bits(value: float) -> int:
    """How many significant bits it has."""
    numerator = abs(Fraction(value).numerator)
    return (numerator // (numerator & -numerator)).bit_length()


def _changes(layers: tuple[Affine, ...], graph: Graph, where: str) -> list[tuple[str, Constant, np.ndarray]]:
    """What must be written: each changed weight or bias with where it stands."""
    changes = []
    if len(layers) != len(graph.pieces):
        raise _other_shape(where)
    for number, (layer, piece) in enumerate(zip(layers, graph.pieces), start=1):
        old = piece.affine()
        parts = [("weight", piece.weight), ("bias", piece.bias)]
        for (name, constant), new, now in zip(parts, (layer.weight, layer.bias), (old.weight, old.bias)):
            if new.shape != now.shape or (layer.relu, layer.rounded) != (old.relu, old.rounded):
                raise _other_shape(where)
            if not np.array_equal(new, now):
                place = f"{where}: {name} of layer {number}"
                _check_own(place, constant, graph.uses)
                changes.append((place, constant, new))
    return changes


def _check_own(place: str, constant: Constant | None, uses: Counter) -> None:
    """Whether the numbers stand in one tensor of the file that serves nothing else."""
    why = _not_own(constant, uses)
    if why:
        raise InputError(why, where=place, advice=_OTHER_LAYER)


def _not_own(constant: Constant | None, uses: Counter) -> str:
    """Why not, or nothing."""
    if constant is None or not constant.names:
        return "it has no initializer in the file"
    if constant.index is None:
        return f"it is folded from {', '.join(repr(name) for name in constant.names)}"
    if uses[constant.names[0]] > 1:
        return f"its initializer {constant.names[0]!r} is shared"
    return ""


def _store(place: str, constant: Constant, values: np.ndarray, home: TensorProto) -> None:
    """Writes the changed entries of scale * home[index] = values, exactly or not at all."""
    stored = numpy_helper.to_array(home).copy().ravel()
    changed = values != constant.values
    wanted, index = values[changed], constant.index[changed]
    if (index == LITERAL).any():
        raise InputError("off its diagonal it has no numbers in the file", where=place, advice=_OTHER_LAYER)
    with np.errstate(all="ignore"):
        numbers = (wanted / constant.scale).astype(stored.dtype)
    for number, value in zip(numbers.astype(np.float64), wanted):
        if not _is_product(value, constant.scale, number):
            raise InputError(
                f"{float(value)!r} is no {type_name(home.data_type)} number for {constant.names[0]!r}",
                where=place,
                advice="round it to one that is",
            )
    stored[index] = numbers
    write_tensor(home, stored.reshape(tuple(home.dims)))


def _is_product(value: float, scale: float, number: float) -> bool:
    """value == scale * number, exactly and finitely."""
    finite = np.isfinite(value) and np.isfinite(number)
    return finite and Fraction(float(value)) == Fraction(scale) * Fraction(float(number))


def _check_same(written: Network, network: Network, where: str) -> None:
    """The last word: reading back what was written gives the same layers."""
    if written.shape != network.shape:
        what = "a layer that only adds its bias adds nothing but zeros, and would be lost on reading"
        raise InputError(what, where=where, advice="keep one of them nonzero")
    for number, (a, b) in enumerate(zip(written.layers, network.layers), start=1):
        if not (np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)):
            raise InputError(
                "one number in the file stands for several different ones here",
                where=f"{where}: layer {number}",
                advice="change them alike, or export the network with this layer written out",
            )


def _other_shape(where: str) -> InputError:
    return InputError(
        "the layers do not have the shape of the ONNX graph they came from",
        where=where,
        advice="keep each layer's shape and ReLU",
    )
