"""`.nnet` files to networks."""

import hashlib
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.network import Affine, Network
from engine.nnet.reader import Content, content_of
from engine.nnet.units import Layer
from engine.onnx_file import read_bytes
from engine.onnx_file.fresh import chain_model
from engine.onnx_file.provenance import mark

UNITS = NORMALIZED, RAW = "normalized", "raw"
_OBSTACLE = "a .nnet file does not say how it is executed, as the ONNX file does that `acasxu convert` makes of it"


def is_nnet(path: str | PathLike[str]) -> bool:
    """True iff the name is that of a `.nnet` or `.nnet.gz` file."""
    return Path(path).name.removesuffix(".gz").endswith(".nnet")


def load(path: str | PathLike[str], *, units: str = NORMALIZED) -> Network:
    """Returns the network in a `.nnet` or `.nnet.gz` file, named like the file. InputError where there is none.

    units: one of UNITS, as the package's docstring has them. Layers are rounded where float64 does not hold all their
    numbers.
    """
    name = Path(path).name.removesuffix(".gz").removesuffix(".nnet")
    return parse(read_bytes(path), name=name, where=str(path), units=units)


def parse(data: bytes, *, name: str = "", where: str = "<bytes>", units: str = NORMALIZED) -> Network:
    """Returns the network in the bytes of an uncompressed file. InputErrors name it `where`.

    Its ONNX file, which is replayed, holds the nearest float32 numbers; or the numbers themselves, where these are
    float64 and not all float32 ones. It has no float32 semantics.
    """
    content = content_of(data, where=where)
    try:
        layers = in_units(content, units)
        number = _number(layers)
        numbers = [stored(layer, number) for layer in layers]
    except InputError as error:
        raise InputError(error.what, where=where, advice=error.advice) from None
    model = chain_model(numbers)
    mark(model, data)
    digest = hashlib.sha256(data).hexdigest()
    return Network(
        tuple(_affine(layer) for layer in layers),
        name,
        sha256_in(digest, units),
        model.SerializeToString(),
        _OBSTACLE,
        number,
    )


def sha256_in(digest: str, units: str) -> str:
    """Returns the SHA-256 by which a reading goes: that of the file, and in raw units, as another network, another."""
    return digest if units == NORMALIZED else hashlib.sha256(f"{digest}  {units} units\n".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Changes:
    """What an ONNX file changes: how many of the numbers it holds are not the decimals; none is further off."""

    numbers: int
    changed: int
    largest: float


def changes(content: Content, network: Network) -> Changes:
    """Returns how far a network's ONNX file is from the decimals, number by number. network: of this content."""
    units = NORMALIZED if len(network.layers) == len(content.layers) else RAW
    numbers, changed, largest = 0, 0, 0.0
    for layer in in_units(content, units):
        weight, bias, _ = stored(layer, network.number)
        for part, held in ((layer.weight, weight), (layer.bias, bias)):
            off = np.abs(held.astype(np.float64) - part.values) + 2.0**-53 * np.abs(part.values) * (part.sides != 0)
            numbers, changed = numbers + off.size, changed + int(np.count_nonzero(off))
            largest = max(largest, float(np.nextafter(off.max(), np.inf)))
    return Changes(numbers, changed, largest if changed else 0.0)


def in_units(content: Content, units: str) -> tuple[Layer, ...]:
    """Returns the layers of one of the two readings."""
    if units not in UNITS:
        raise InputError(f"there are no units {units!r}", advice=f"use one of {', '.join(UNITS)}")
    if units == NORMALIZED:
        return content.layers
    normalization = content.normalization
    return (*normalization.before(), *content.layers, normalization.after(content.widths[-1]))


def stored(layer: Layer, number: type[np.floating]) -> tuple[np.ndarray, np.ndarray, bool]:
    """Returns the layer with the nearest numbers of that type. InputError beyond its range."""
    weight, bias = (part.singles() if number is np.float32 else part.values for part in (layer.weight, layer.bias))
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise InputError("a number is beyond the range of float32", advice="scale the network's layers")
    return weight, bias, layer.relu


def _number(layers: tuple[Layer, ...]) -> type[np.floating]:
    parts = [part for layer in layers for part in (layer.weight, layer.bias)]
    is_double = all(part.exact for part in parts) and any((part.singles() != part.values).any() for part in parts)
    return np.float64 if is_double else np.float32


def _affine(layer: Layer) -> Affine:
    rounded = not (layer.weight.exact and layer.bias.exact)
    return Affine(layer.weight.values, layer.bias.values, layer.relu, rounded)
