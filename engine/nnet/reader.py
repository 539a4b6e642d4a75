"""The content of a `.nnet` file (sisl/NNet, README.md), read strictly.

Lines that begin with `//` come first. Then, each line being numbers with commas between, and one behind the last or
none: how many layers, inputs and outputs, and the largest layer; the width of the input and of each layer; a flag that
early readers took to mean that psi may be mirrored, and must be 0; minima, maxima, means and ranges; and for each layer
a line for each row of its weights, then one for each number of its bias.

Published files have more minima than inputs, and more means and ranges than inputs and one: the input that their
networks do not have, tau and the previous advisory, stand between. The first ones are the inputs' own; the last mean
and range are the outputs', as in the format's own readers in Python and Julia. (Its reader in C++ takes the one after
the inputs', which in these files is another's.)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.nnet.decimals import Decimals, decimals, fraction
from engine.nnet.units import Layer, Normalization, demand_order
from engine.property import Vector

_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_WRITTEN = "check how the file was written"


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """layers: without normalization, a ReLU after each but the last."""

    layers: tuple[Layer, ...]
    normalization: Normalization

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.layers[0].weight.values.shape[1], *(len(layer.bias.values) for layer in self.layers))


def content_of(data: bytes, *, where: str = "<bytes>") -> Content:
    """Returns what the bytes of a file hold. InputErrors name it `where`, and the line."""
    lines = _Lines(data)
    try:
        widths = _widths(lines)
        normalization = _normalization(lines, widths[0])
        layers = tuple(
            _layer(lines, *pair, last=k == len(widths) - 2) for k, pair in enumerate(zip(widths, widths[1:]))
        )
        lines.demand_end()
    except InputError as error:
        raise InputError(error.what, where=f"{where}: line {lines.number}", advice=error.advice) from None
    return Content(layers, normalization)


class _Lines:
    """The lines after the header, one after the other. number: of the last one taken, counted from 1."""

    def __init__(self, data: bytes):
        text = data.rstrip(b" \t\r\n")
        lines = text.split(b"\n") if text else []
        self.number = next((k for k, line in enumerate(lines) if not line.startswith(b"//")), len(lines))
        self._left = iter(lines[self.number :])

    def fields(self, what: str) -> list[str]:
        """The texts between the commas of the next line, without spaces around. InputError where there is no line."""
        line = next(self._left, None)
        self.number += 1
        if line is None:
            raise InputError(f"the file ends before {what}", advice="get the file again")
        fields = [field.strip(" \t\r") for field in line.decode("ascii", "replace").split(",")]
        return fields[:-1] if fields[-1] == "" else fields

    def exactly(self, count: int, what: str) -> list[str]:
        """As `fields`; InputError unless there are so many."""
        fields = self.fields(what)
        if len(fields) != count:
            raise InputError(f"{_numbers(len(fields))} where {what} needs {count}", advice=_WRITTEN)
        return fields

    def at_least(self, count: int, what: str) -> Vector:
        """The exact numbers of the next line. InputError where there are less."""
        fields = self.fields(what)
        if len(fields) < count:
            raise InputError(f"{_numbers(len(fields))} where the {what} need at least {count}", advice=_WRITTEN)
        return tuple(fraction(field) for field in fields)

    def demand_end(self) -> None:
        if next(self._left, None) is not None:
            self.number += 1
            raise InputError("the file goes on after its last layer", advice=_WRITTEN)


def _widths(lines: _Lines) -> list[int]:
    """The width of the input and of each layer."""
    what = "the first line (how many layers, inputs and outputs, and the largest layer)"
    layers, inputs, outputs, largest = (_count(field) for field in lines.exactly(4, what))
    widths = [_count(field) for field in lines.exactly(layers + 1, "the line of layer sizes")]
    if (widths[0], widths[-1]) != (inputs, outputs) or max(widths) > largest:
        raise InputError("the layer sizes are not those of the line before", advice=_WRITTEN)
    return widths


def _count(text: str) -> int:
    number = int(text) if _COUNT.fullmatch(text) else 0
    if number < 1:
        raise InputError(f"{text[:40]!r} stands where a whole number of at least 1 is needed", advice=_WRITTEN)
    return number


def _normalization(lines: _Lines, inputs: int) -> Normalization:
    if lines.exactly(1, "the flag") != ["0"]:
        raise InputError("the flag is not 0: inputs that are mirrored are not supported", advice="set it to 0")
    minima, maxima = (lines.at_least(inputs, what)[:inputs] for what in ("minima", "maxima"))
    demand_order(minima, maxima)
    means, ranges = (lines.at_least(inputs + 1, what) for what in ("means", "ranges"))
    own = minima, maxima, means[:inputs], ranges[:inputs]
    return Normalization(*own, output_mean=means[-1], output_range=ranges[-1])


def _layer(lines: _Lines, inputs: int, outputs: int, *, last: bool) -> Layer:
    weight = [decimals(lines.exactly(inputs, "a row of weights")) for _ in range(outputs)]
    bias = [decimals(lines.exactly(1, "a bias")) for _ in range(outputs)]
    return Layer(_joined(np.stack, weight), _joined(np.concatenate, bias), relu=not last)


def _joined(join: Callable[[list[np.ndarray]], np.ndarray], parts: list[Decimals]) -> Decimals:
    return Decimals(join([part.values for part in parts]), join([part.sides for part in parts]))


def _numbers(count: int) -> str:
    return "1 number stands" if count == 1 else f"{count} numbers stand"
