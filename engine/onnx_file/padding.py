"""The ONNX operator Pad, on the signal and with zeros. Parameters are read as in operators.py."""

import math
from collections.abc import Sequence

import numpy as np

from engine.errors import InputError
from engine.onnx_file.constant import Constant, type_name
from engine.onnx_file.convolution import OUTSIDE
from engine.onnx_file.shapes import MAX_RANK, Versions, axes_of, ints_of
from engine.onnx_file.signal import Ints, Signal, Value
from engine.onnx_file.sparse import demand_rows

_EXPORT = "check how the network was exported"


def pad(
    x: Value, pads: Value, value: Value | None = None, axes: Value | None = None, /, *, mode: str = "constant"
) -> Value:
    """Returns x with zeros around it: a layer, with rows of zeros. InputError where it is padded with anything else."""
    around = ints_of(pads, "the list of pads", most=2 * MAX_RANK)
    along = range(len(x.shape)) if axes is None else ints_of(axes, "the list of axes")
    filler = None if value is None else constant_beside(x, value).values
    if filler is not None and filler.size != 1:
        raise InputError("it pads with several numbers", advice=_EXPORT)
    return _padded(x, around, along, mode=mode, is_zero=filler is None or not filler.any())


def pad_without_axes(x: Value, pads: Value, value: Value | None = None, /, *, mode: str = "constant") -> Value:
    return pad(x, pads, value, mode=mode)


def pad_by_attributes(x: Value, /, *, pads: Ints, mode: str = "constant", value: float = 0.0) -> Value:
    return _padded(x, pads, range(len(x.shape)), mode=mode, is_zero=value == 0)


def _padded(x: Value, pads: Ints, axes: Sequence[int], *, mode: str, is_zero: bool) -> Value:
    if not isinstance(x, Signal):
        raise InputError("it pads constants", advice="fold constants before exporting the network")
    if mode != "constant" or not is_zero:
        raise InputError(f"it pads with other numbers than zeros (mode {mode!r})", advice="pad with zeros")
    along = axes_of(axes, len(x.shape))
    if len(pads) != 2 * len(along) or min(pads, default=0) < 0:
        what = f"{list(pads)} are no numbers of zeros before and after {len(along)} axes"
        raise InputError(what, advice="use Slice to take elements away")
    before, shape = [0] * len(x.shape), list(x.shape)
    for axis, first, last in zip(along, pads, pads[len(along) :]):
        before[axis] = first
        shape[axis] += first + last
    demand_rows(math.prod(shape))
    places = np.full(shape, OUTSIDE)
    places[tuple(slice(b, b + size) for b, size in zip(before, x.shape))] = np.arange(x.size).reshape(x.shape)
    return x.selected(places.ravel(), tuple(shape))


def constant_beside(x: Value, value: Value) -> Constant:
    """Returns the operand of an operator on x. InputError unless it is a constant of the same type."""
    if not isinstance(value, Constant):
        raise InputError("the signal stands where constants belong", advice=_EXPORT)
    if value.kind != x.kind:
        kinds = f"{type_name(x.kind)} and {type_name(value.kind)}"
        raise InputError(f"number types {kinds} do not fit", advice="use one float type throughout")
    return value


#: By name, from the opset on in which this form appeared.
PADDING: dict[str, Versions] = {"Pad": {7: pad_by_attributes, 11: pad_without_axes, 18: pad}}
