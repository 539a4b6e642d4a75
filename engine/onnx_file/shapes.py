"""The supported ONNX operators that move numbers without computing any, and arithmetic of shapes.

Where elements of the signal change their order, that is a layer of its own. selections.py has what selects them.
Parameters are read as in operators.py.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from engine.errors import InputError
from engine.onnx_file.constant import FLOATS, INTEGERS, Constant, type_name
from engine.onnx_file.signal import Ints, NamedShape, Shape, Signal, Value, shape_text, size_of

Operator = Callable[..., Value | tuple[Value, ...]]  # of a node's inputs by position, and its attributes by name
Versions = dict[int, Operator]  # by the opset on in which this form appeared
MAX_RANK = 8
_EXPORT = "check how the network was exported"
_FOLD = "fold constants before exporting the network"


def identity(x: Value, /) -> Value:
    return x


def dropout(x: Value, /, *, ratio: float = 0.5) -> Value:
    return x


def dropout_by_mode(x: Value, ratio: Value | None = None, training: Value | None = None, /, *, seed: int = 0) -> Value:
    if training is not None and (not isinstance(training, Constant) or training.values.any()):
        raise InputError("it drops values at random", advice="export the network in evaluation mode")
    return x


def cast(x: Value, /, *, to: int, saturate: int = 1) -> Value:
    """Returns the same numbers in another type. InputError where that does not hold them."""
    known = FLOATS + INTEGERS * isinstance(x, Constant)
    kept = isinstance(x, Constant) or to in (x.kind, TensorProto.DOUBLE)
    if to not in known or not kept:
        raise InputError(f"it rounds {type_name(x.kind)} to {type_name(to)}", advice="use one float type throughout")
    if isinstance(x, Signal):
        return replace(x, kind=to)
    types: dict[int, type[np.generic]] = {
        TensorProto.FLOAT: np.float32,
        TensorProto.DOUBLE: np.float64,
        TensorProto.INT64: np.int64,
        TensorProto.INT32: np.int32,
        TensorProto.BOOL: np.bool_,
    }
    with np.errstate(all="ignore"):
        values = x.values.astype(types[to])
        same = np.array_equal(values.astype(x.values.dtype), x.values)
    if not same:
        raise InputError(f"it rounds numbers to {type_name(to)}", advice=_FOLD)
    values = values.astype(np.int64 if to in INTEGERS else np.float64)
    stays = x.kind in FLOATS and to in FLOATS  # else the numbers cannot be written back
    return replace(x, values=values, kind=to, index=x.index if stays else None)


def flatten(x: Value, /, *, axis: int = 1) -> Value:
    rank = len(x.shape)
    if not -rank <= axis <= rank:
        raise InputError(f"axis {axis} does not exist in shape {shape_text(x.shape)}", advice=_EXPORT)
    axis += rank if axis < 0 else 0
    return reshaped(x, (size_of(x.shape[:axis]), size_of(x.shape[axis:])))


def reshape(x: Value, target: Value, /, *, allowzero: int = 0) -> Value:
    return reshaped(x, _target_shape(x.shape, ints_of(target, "the new shape"), allowzero=bool(allowzero)))


def transpose(x: Value, /, *, perm: Ints | None = None) -> Value:
    order = tuple(reversed(range(len(x.shape)))) if perm is None else perm
    if sorted(order) != list(range(len(x.shape))):
        raise InputError(f"{list(order)} is no order of the axes of shape {shape_text(x.shape)}", advice=_EXPORT)
    return transposed(x, order)


def squeeze_by_attribute(x: Value, /, *, axes: Ints | None = None) -> Value:
    if axes is None:
        return reshaped(x, tuple(d for d in x.shape if d != 1))
    gone = axes_of(axes, len(x.shape))
    if any(x.shape[axis] != 1 for axis in gone):
        raise InputError(f"shape {shape_text(x.shape)} has no size 1 in all of axes {list(axes)}", advice=_EXPORT)
    return reshaped(x, tuple(d for axis, d in enumerate(x.shape) if axis not in gone))


def squeeze(x: Value, axes: Value | None = None, /) -> Value:
    return squeeze_by_attribute(x, axes=None if axes is None else ints_of(axes, "the list of axes"))


def unsqueeze_by_attribute(x: Value, /, *, axes: Ints) -> Value:
    rank = len(x.shape) + len(axes)
    new, old = axes_of(axes, rank), iter(x.shape)
    return reshaped(x, tuple(1 if axis in new else next(old) for axis in range(rank)))


def unsqueeze(x: Value, axes: Value, /) -> Value:
    return unsqueeze_by_attribute(x, axes=ints_of(axes, "the list of axes"))


def shape_of(x: Value, /, *, start: int = 0, end: int | None = None) -> Constant:
    return Constant(_demand_some(np.array(x.shape, np.int64)[start:end]), TensorProto.INT64)


#: By name, from the opset on in which this form appeared.
MOVES: dict[str, Versions] = {
    "Cast": {7: cast},
    "Dropout": {7: dropout, 12: dropout_by_mode},
    "Flatten": {7: flatten},
    "Identity": {7: identity},
    "Reshape": {7: reshape},
    "Shape": {7: shape_of},
    "Squeeze": {7: squeeze_by_attribute, 13: squeeze},
    "Transpose": {7: transpose},
    "Unsqueeze": {7: unsqueeze_by_attribute, 13: unsqueeze},
}


def mismatch(a: NamedShape, b: NamedShape) -> InputError:
    return InputError(f"shapes {shape_text(a)} and {shape_text(b)} do not fit", advice=_EXPORT)


def reshaped(x: Value, shape: Shape) -> Value:
    """Returns the same elements in the same order, in another shape."""
    return x.moved(lambda array: array.reshape(shape)) if isinstance(x, Constant) else x.reshaped(shape)


def moved(x: Value, move: Callable[[np.ndarray], np.ndarray]) -> Value:
    """Returns elements of x at other places: `move` selects or repeats them."""
    if isinstance(x, Constant):
        _demand_some(move(x.values))
        return x.moved(move)
    places = _demand_some(move(np.arange(x.size).reshape(x.shape)))
    return x.selected(places.ravel(), places.shape)


def transposed(x: Value, order: Ints) -> Value:
    """Returns the same with its axes in another order."""
    return moved(x, lambda array: array.transpose(order))


def product_shape(a: Shape, b: Shape) -> Shape:
    """Returns a matrix product's shape by numpy's rules: vectors are rows on the left, columns on the right."""
    left, right = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    try:
        lead = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        raise mismatch(a, b) from None
    if not a or not b or left[-1] != right[-2]:
        raise mismatch(a, b)
    return (*lead, *left[-2:-1] * (len(a) > 1), *right[-1:] * (len(b) > 1))


def _target_shape(shape: Shape, wanted: Ints, *, allowzero: bool) -> Shape:
    """Returns the shape that Reshape(shape, wanted) gives: 0 keeps a dimension, -1 takes the rest."""
    if wanted.count(-1) > 1 or min(wanted, default=1) < -1 or (allowzero and 0 in wanted):
        raise InputError(f"{list(wanted)} is not a valid new shape", advice=_EXPORT)
    if any(d == 0 and i >= len(shape) for i, d in enumerate(wanted)):
        raise mismatch(shape, wanted)
    target = [shape[i] if d == 0 else d for i, d in enumerate(wanted)]
    if -1 in target:
        target[target.index(-1)] = size_of(shape) // -math.prod(target)
    if size_of(tuple(target)) != size_of(shape):
        raise mismatch(shape, wanted)
    return tuple(target)


def _demand_some(array: np.ndarray) -> np.ndarray:
    if not array.size:
        raise InputError("it takes nothing", advice=_EXPORT)
    return array


def ints_of(value: Value, what: str, *, most: int = MAX_RANK) -> Ints:
    """Returns a constant list of integers, at most so many. InputError where the value is none."""
    if not isinstance(value, Constant) or value.kind != TensorProto.INT64:
        raise InputError(f"{what} is not a constant of type int64", advice="export with a fixed shape")
    if value.values.ndim != 1 or len(value.values) > most:
        raise InputError(f"{what} is not a list of at most {most} integers", advice=_EXPORT)
    return tuple(value.values.tolist())


def axes_of(axes: Sequence[int], rank: int) -> Ints:
    """Returns the axes counted from 0 on. InputError where one does not exist or is there twice."""
    found = tuple(axis + rank if axis < 0 else axis for axis in axes)
    if not all(0 <= axis < rank for axis in found) or len(set(found)) < len(found):
        raise InputError(f"{list(axes)} are no axes of {rank}", advice=_EXPORT)
    return found
