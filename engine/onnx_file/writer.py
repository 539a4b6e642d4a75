"""Networks back into the graph they were read from: only numbers change."""

import gzip
import hashlib
import os
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from os import PathLike
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper

from engine.errors import InputError
from engine.network import Affine, Network
from engine.onnx_file.constant import Constant, type_name, write_tensor
from engine.onnx_file.graph import Graph
from engine.onnx_file.provenance import mark
from engine.onnx_file.reader import parse_network, read_graph_of


def save_network(network: Network, path: str | PathLike, *, force: bool = False) -> Network:
    """Writes `rewritten(network)` to an `.onnx` or `.onnx.gz` file and returns it.

    The file appears whole or not at all. One that exists is replaced only where `force`.
    """
    path = Path(path)
    if path.exists() and not force:
        raise InputError("this file exists", where=str(path), advice="choose another name or force it")
    result = rewritten(network)
    packed = path.suffix == ".gz"
    data = gzip.compress(result.onnx_bytes, mtime=0) if packed else result.onnx_bytes
    try:
        _write_whole(path, data)
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
    _check_same(parse_network(data, where=where), network, where)
    return replace(network, sha256=hashlib.sha256(data).hexdigest(), onnx_bytes=data)


def _changes(layers: tuple[Affine, ...], graph: Graph, where: str) -> list[tuple[str, Constant, np.ndarray]]:
    """What must be written: each changed weight or bias with where it stands."""
    changes = []
    if len(layers) != len(graph.pieces):
        raise _other_shape(where)
    for number, (layer, piece) in enumerate(zip(layers, graph.pieces), start=1):
        old = piece.affine()
        parts = [("weight", piece.weight), ("bias", piece.bias)]
        for (name, constant), new, now in zip(parts, (layer.weight, layer.bias), (old.weight, old.bias)):
            if new.shape != now.shape or layer.relu != old.relu:
                raise _other_shape(where)
            if not np.array_equal(new, now):
                place = f"{where}: {name} of layer {number}"
                _check_own(place, constant, graph.uses)
                changes.append((place, constant, new))
    return changes


def _check_own(place: str, constant: Constant | None, uses: Counter) -> None:
    """Whether the numbers stand in one tensor of the file that serves nothing else."""
    advice = "change another layer, or export the network with this one written out"
    if constant is None or not constant.names:
        raise InputError("it has no initializer in the file", where=place, advice=advice)
    if constant.index is None:
        names = ", ".join(repr(name) for name in constant.names)
        raise InputError(f"it is folded from {names}", where=place, advice=advice)
    if uses[constant.names[0]] > 1:
        raise InputError(f"its initializer {constant.names[0]!r} is shared", where=place, advice=advice)


def _store(place: str, constant: Constant, values: np.ndarray, home: TensorProto) -> None:
    """Writes the changed entries of scale * home[index] = values, exactly or not at all."""
    stored = numpy_helper.to_array(home).copy().ravel()
    changed = values != constant.values
    wanted, index = values[changed], constant.index[changed]
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


def _write_whole(path: Path, data: bytes) -> None:
    """Writes a file through a temporary neighbour, so that it is never seen half-written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
