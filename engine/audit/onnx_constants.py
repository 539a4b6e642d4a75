"""Constants of an ONNX file, and what nodes make of constants alone (section 3, below the table).

Numbers are moved, and the integers of shapes computed; no others are.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from engine.audit.data import Array, need
from engine.audit.onnx_forms import FLOATS, INTEGERS, Call, Options
from engine.audit.onnx_moves import MOVES, checked_axes, moved

#: What may be computed of integers.
INTEGER_FUNCTIONS = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Neg": np.negative}
MAX_INTEGER = 2**31


def numbers_of(tensor: TensorProto) -> Array:
    """The tensor's numbers, all finite."""
    own = tensor.data_location == tensor.DEFAULT and not tensor.external_data
    need(own, "a tensor's data is in another file")
    known = tensor.data_type in FLOATS | INTEGERS
    need(known, "a tensor is not of type float32, float64, int64, int32 or bool")
    return _finite(onnx.numpy_helper.to_array(tensor))


def constant(options: Options) -> Array:
    """The numbers of a Constant node."""
    need(len(options) == 1, "a constant has not just one value")
    ((name, value),) = options.items()
    if name == "value":
        return numbers_of(value)
    return _finite(np.array(value, np.int64 if "int" in name else np.float32))


def _finite(array: Array) -> Array:
    good = array.size > 0 and bool(np.isfinite(array).all())
    need(good, "a tensor is empty or holds NaN or infinite values")
    return array


def computed(call: Call) -> Array:
    """Returns the constant that a node gives whose operands are constants."""
    if call.operator in MOVES:
        return moved(call)
    if call.operator == "Slice":
        return _sliced(*call.operands, **call.options)
    operands = [operand for operand in call.operands if operand is not None]
    if call.operator == "Gather":
        return _gathered(operands, call.options)
    if call.operator == "Concat":
        need(len(operands) == len(call.operands), "this form is not supported")
        need(len({operand.dtype for operand in operands}) == 1, "it joins several types")
        return np.concatenate(operands, axis=call.options["axis"])
    known = call.operator in INTEGER_FUNCTIONS and all(x.dtype == np.int64 for x in operands)
    need(known, "constants are computed from others: fold them")
    small = all((np.abs(operand) < MAX_INTEGER).all() for operand in operands)
    need(small, "a shape's numbers are too large")
    found: Array = INTEGER_FUNCTIONS[call.operator](*operands)
    return found


def _gathered(operands: list[Array], options: Options) -> Array:
    numbers, places = operands
    need(places.dtype in (np.int64, np.int32), "places are not integers")
    found: Array = np.take(numbers, places, axis=options.get("axis", 0))
    return found


def _sliced(
    numbers: Array | None,
    starts: Sequence[int] | Array | None,
    ends: Sequence[int] | Array | None,
    axes: Sequence[int] | Array | None = None,
    steps: Array | None = None,
) -> Array:
    """Of the numbers, those from start to end in each of the axes."""
    assert numbers is not None and starts is not None and ends is not None
    lists = [np.asarray(part) for part in (starts, ends, axes, steps) if part is not None]
    good = all(part.dtype.kind == "i" and part.ndim == 1 for part in lists)
    need(good, "it takes lists of integers")
    along = range(len(starts)) if axes is None else _along(axes, numbers.ndim)
    by = [1] * len(starts) if steps is None else steps.tolist()
    together = len(starts) == len(ends) == len(along) == len(set(along)) == len(by)
    need(together and 0 not in by, "its lists do not belong together")
    places = [slice(None)] * numbers.ndim
    for start, end, axis, step in zip(starts, ends, along, by):
        places[axis] = slice(int(start), int(end), step)
    return not_empty(numbers[tuple(places)])


def _along(axes: Sequence[int] | Array, rank: int) -> list[int]:
    """The axes, counted from the front."""
    return [axis % rank for axis in checked_axes(axes, rank)]


def not_empty(array: Array) -> Array:
    need(array.size > 0, "it takes nothing")
    return array
