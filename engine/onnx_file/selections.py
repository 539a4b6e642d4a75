"""The supported ONNX operators that select, repeat or add up elements of the signal. Each is a layer of its own.

Parameters are read as in operators.py.
"""

import math

import numpy as np
from onnx import TensorProto

from engine.errors import InputError
from engine.onnx_file.constant import MAX_FOLD, Constant, names_of
from engine.onnx_file.quotients import reciprocals
from engine.onnx_file.shapes import Versions, axes_of, ints_of, mismatch, moved
from engine.onnx_file.signal import Ints, Shape, Signal, Value, shape_text
from engine.onnx_file.sparse import Sparse, demand_rows

_PLACES = (TensorProto.INT64, TensorProto.INT32)
_EXPORT = "check how the network was exported"


def gather(x: Value, indices: Value, /, *, axis: int = 0) -> Value:
    (at,) = axes_of((axis,), len(x.shape))
    size = x.shape[at]
    if not isinstance(indices, Constant) or indices.kind not in _PLACES:
        raise InputError("it gathers at places that are no constant integers", advice=_EXPORT)
    places = indices.values
    if np.any((places < -size) | (places >= size)):
        raise InputError(f"it gathers what axis {axis} of shape {shape_text(x.shape)} has not", advice=_EXPORT)
    return moved(x, lambda array: np.take(array, places, axis=at))


def slice_by_attributes(x: Value, /, *, starts: Ints, ends: Ints, axes: Ints | None = None) -> Value:
    return _sliced(x, starts, ends, axes, None)


def slice_(x: Value, starts: Value, ends: Value, axes: Value | None = None, steps: Value | None = None, /) -> Value:
    of = "a list of Slice"
    optional = (None if part is None else ints_of(part, of) for part in (axes, steps))
    return _sliced(x, ints_of(starts, of), ints_of(ends, of), *optional)


def _sliced(x: Value, starts: Ints, ends: Ints, axes: Ints | None, steps: Ints | None) -> Value:
    axes = axes_of(range(len(starts)) if axes is None else axes, len(x.shape))
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise InputError("its lists do not belong together", advice=_EXPORT)
    places = [slice(None)] * len(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        places[axis] = slice(start, end, step)
    return moved(x, lambda array: array[tuple(places)])


def split_in_sizes(x: Value, sizes: Value, /, *, axis: int = 0) -> tuple[Value, ...]:
    (at,) = axes_of((axis,), len(x.shape))
    most = x.shape[at]  # each part has one element or more
    return split_by_attributes(x, axis=axis, split=ints_of(sizes, f"the sizes of axis {axis}", most=most))


def split(
    x: Value, sizes: Value | None = None, /, *, axis: int = 0, num_outputs: int | None = None
) -> tuple[Value, ...]:
    if (sizes is None) == (num_outputs is None):
        raise InputError("it needs either sizes or a number of parts", advice=_EXPORT)
    if sizes is not None:
        return split_in_sizes(x, sizes, axis=axis)
    (at,) = axes_of((axis,), len(x.shape))
    if num_outputs is None or not 1 <= num_outputs <= x.shape[at]:
        what = f"axis {axis} of {shape_text(x.shape)} has no {num_outputs} parts"
        raise InputError(what, advice=_EXPORT)
    part = -(-x.shape[at] // num_outputs)
    rest = x.shape[at] - part * (num_outputs - 1)
    return split_by_attributes(x, axis=axis, split=(part,) * (num_outputs - 1) + (rest,))


def split_by_attributes(x: Value, /, *, split: Ints, axis: int = 0) -> tuple[Value, ...]:
    (at,) = axes_of((axis,), len(x.shape))
    if min(split) < 1 or sum(split) != x.shape[at]:
        raise InputError(f"sizes {list(split)} are not those of axis {axis} of {shape_text(x.shape)}", advice=_EXPORT)
    ends = [sum(split[: k + 1]) for k in range(len(split))]
    return tuple(_part(x, at, range(end - size, end)) for size, end in zip(split, ends))


def _part(x: Value, axis: int, places: range) -> Value:
    return moved(x, lambda array: np.take(array, places, axis=axis))


def expand(x: Value, shape: Value, /) -> Value:
    wanted = ints_of(shape, "the new shape")
    try:
        target = np.broadcast_shapes(x.shape, wanted)
    except ValueError:
        raise mismatch(x.shape, wanted) from None
    if math.prod(target) > MAX_FOLD:
        raise InputError(f"shape {shape_text(target)} is too large", advice="use a smaller network")
    return moved(x, lambda array: np.broadcast_to(array, target))


def concat(*values: Value, axis: int) -> Value:
    """Returns the values one behind the other, of which one may be the signal."""
    (at,) = axes_of((axis,), len(values[0].shape))
    rest = {(part.kind, len(part.shape), *part.shape[:at], *part.shape[at + 1 :]) for part in values}
    if len(rest) > 1:
        raise InputError("it joins what does not fit", advice=_EXPORT)
    constants = [part for part in values if isinstance(part, Constant)]
    signal = next((part for part in values if isinstance(part, Signal)), None)
    if signal is None:
        joined = np.concatenate([part.values for part in constants], axis=at)
        return Constant(joined, constants[0].kind, names_of(constants))
    if not constants:
        return signal
    places = [np.arange(v.size).reshape(v.shape) if v is signal else np.full(v.shape, -1) for v in values]
    numbers = [v.values if isinstance(v, Constant) else np.zeros(v.shape) for v in values]
    selected = np.concatenate(places, axis=at)
    bias = Constant(np.concatenate(numbers, axis=at).ravel(), signal.kind, names_of(constants))
    return signal.selected(selected.ravel(), selected.shape).plus(bias, selected.shape)


def reduce_sum_by_attributes(x: Value, /, *, axes: Ints | None = None, keepdims: int = 1) -> Value:
    matrix, shape = _summing(x, axes, keepdims)
    return _signal(x).times(matrix, shape)


def reduce_sum(x: Value, axes: Value | None = None, /, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Value:
    if axes is None and noop_with_empty_axes:
        return x
    return reduce_sum_by_attributes(x, axes=_optional(axes), keepdims=keepdims)


def reduce_mean_by_attributes(x: Value, /, *, axes: Ints | None = None, keepdims: int = 1) -> Value:
    """Returns the sums, divided by how many numbers each has: two layers, the second with rounded factors."""
    matrix, shape = _summing(x, axes, keepdims)
    counts = np.bincount(matrix.row, minlength=matrix.shape[0]).astype(np.float64)
    factors, exact = reciprocals(counts)
    return _signal(x).times(matrix, shape).scaled(Constant(factors, x.kind), rounded=not exact)


def reduce_mean(x: Value, axes: Value | None = None, /, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Value:
    if axes is None and noop_with_empty_axes:
        return x
    return reduce_mean_by_attributes(x, axes=_optional(axes), keepdims=keepdims)


def _optional(axes: Value | None) -> Ints | None:
    return None if axes is None else ints_of(axes, "the list of axes")


def _signal(x: Value) -> Signal:
    if isinstance(x, Signal):
        return x
    raise InputError("it adds up constants", advice="fold constants before exporting the network")


def _summing(x: Value, axes: Ints | None, keepdims: int) -> tuple[Sparse, Shape]:
    """Returns the matrix [out, in] of zeros and ones that adds up along these axes, or all; and the new shape."""
    signal = _signal(x)
    along = tuple(range(len(x.shape))) if axes is None else axes_of(axes, len(x.shape))
    kept = tuple(1 if axis in along else size for axis, size in enumerate(x.shape))
    sums = np.broadcast_to(np.arange(math.prod(kept)).reshape(kept), x.shape).ravel()  # the sum that each is part of
    shape = kept if keepdims else tuple(size for axis, size in enumerate(x.shape) if axis not in along)
    demand_rows(math.prod(kept))
    ones = Constant(np.ones(signal.size), x.kind)
    return Sparse(sums, np.arange(signal.size), ones, (math.prod(kept), signal.size)), shape


#: By name, from the opset on in which this form appeared.
SELECTIONS: dict[str, Versions] = {
    "Concat": {7: concat},
    "Expand": {7: expand},
    "Gather": {7: gather},
    "ReduceMean": {7: reduce_mean_by_attributes, 18: reduce_mean},
    "ReduceSum": {7: reduce_sum_by_attributes, 13: reduce_sum},
    "Slice": {7: slice_by_attributes, 10: slice_},
    "Split": {7: split_by_attributes, 13: split_in_sizes, 18: split},
}
