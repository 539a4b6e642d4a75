"""Writes networks back into the graph that they were read from: only numbers change."""

import hashlib
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from os import PathLike
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper

from engine.errors import InputError
from engine.files import demand_new, write_new
from engine.network import Affine, Network, same_numbers
from engine.onnx_file.constant import LITERAL, Constant, type_name, write_tensor
from engine.onnx_file.graph import Graph
from engine.onnx_file.provenance import mark
from engine.onnx_file.reader import parse_network, read_graph_of
from engine.onnx_file.sparse import Sparse
from engine.onnx_file.storage import NO_INITIALIZER, why_not_own

_OTHER_LAYER = "change another layer, or export the network with this one written out"


def save_network(network: Network, path: str | PathLike[str], *, force: bool = False) -> Network:
    """Writes `rewritten(network)` to an `.onnx` or `.onnx.gz` file and returns it, under that file's SHA-256.

    All data are in this one file, wherever they were before. It appears whole or not at all. A file that exists is
    replaced only if `force`. InputError where `rewritten` raises it, or the file cannot be written.
    """
    path = Path(path)
    demand_new(path, force=force)
    result = rewritten(network)
    digest = hashlib.sha256(result.onnx_bytes).hexdigest()
    write_new(path, result.onnx_bytes, force=force)
    return result if digest == result.sha256 else replace(result, sha256=digest)


def rewritten(network: Network) -> Network:
    """Returns the same layers, with `onnx_bytes` that hold them: the original graph with other initializers.

    Names, shapes, types, operators and the tensors of unchanged layers stay as they are; the file's metadata name its
    original. If no number changes, the file stays as it is. InputError where a number cannot stand in the file: its
    type must round it, or it is not the layer's own there (its initializer is shared or folded, or there is none).
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


def _changes(layers: tuple[Affine, ...], graph: Graph, where: str) -> list[tuple[str, Constant, np.ndarray]]:
    """Returns each changed weight or bias: its place in words, its place in the file, its new numbers."""
    changes: list[tuple[str, Constant, np.ndarray]] = []
    if len(layers) != len(graph.pieces):
        raise _other_shape(where)
    for number, (layer, piece) in enumerate(zip(layers, graph.pieces), start=1):
        old = piece.affine()
        parts = [("weight", piece.weight), ("bias", piece.bias)]
        for (name, constant), new, now in zip(parts, (layer.matrix, layer.bias), (old.matrix, old.bias)):
            if new.shape != now.shape or (layer.form, layer.rounded) != (old.form, old.rounded):
                raise _other_shape(where)
            if not same_numbers(new, now):
                place = f"{where}: {name} of layer {number}"
                values = layer.weight if name == "weight" else layer.bias
                changes.append((place, _own(place, constant, graph.uses), values))
    return changes


def _own(place: str, constant: Constant | Sparse | None, uses: Counter[str]) -> Constant:
    """Returns a constant whose tensor in the file serves nothing else. InputError where it does."""
    constant = constant.written_out() if isinstance(constant, Sparse) else constant
    why = NO_INITIALIZER if constant is None else why_not_own(constant, uses)
    if constant is None or why:
        raise InputError(why, where=place, advice=_OTHER_LAYER)
    return constant


def _store(place: str, constant: Constant, values: np.ndarray, home: TensorProto) -> None:
    """Writes the changed entries of scale * home[index] = values, exactly or not at all."""
    assert constant.index is not None
    stored = numpy_helper.to_array(home).copy().ravel()
    changed = values != constant.values
    wanted, index = values[changed], constant.index[changed]
    if (index == LITERAL).any():
        raise InputError("this zero has no number in the file", where=place, advice=_OTHER_LAYER)
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
    """True iff value == scale * number, exactly, and all are finite."""
    finite = np.isfinite(value) and np.isfinite(number)
    return bool(finite) and Fraction(float(value)) == Fraction(scale) * Fraction(float(number))


def _check_same(written: Network, network: Network, where: str) -> None:
    """Raises InputError unless reading back what was written gives the same layers."""
    if written.shape != network.shape:
        what = "a layer that only adds its bias adds nothing but zeros, and would be lost on reading"
        raise InputError(what, where=where, advice="keep one of them nonzero")
    for number, (a, b) in enumerate(zip(written.layers, network.layers), start=1):
        if not (same_numbers(a.matrix, b.matrix) and np.array_equal(a.bias, b.bias)):
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
