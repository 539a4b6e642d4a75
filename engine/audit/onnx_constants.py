"""Constants of an ONNX file, and what nodes make of constants alone (section 3, below the table).

Numbers are moved, and the integers of shapes computed; no others are.
"""

import math

import numpy as np
import onnx
from onnx import TensorProto

from engine.audit.data import Array
from engine.audit.failures import need
from engine.audit.onnx_forms import FLOATS, INTEGERS, Call, Options
from engine.audit.onnx_moves import MOVES, moved
from engine.audit.onnx_selections import MAX_EXPANDED, SELECTIONS, integers, selected

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


def computed(call: Call) -> list[Array]:
    """Returns the constants that a node gives whose operands are constants."""
    if call.operator in SELECTIONS:
        return selected(call)
    if call.operator in MOVES:
        return [moved(call)]
    operands = [operand for operand in call.operands if operand is not None]
    if call.operator == "ConstantOfShape":
        return [_filled(integers(operands[0]), call.options.get("value"))]
    if call.operator == "Concat":
        need(len(operands) == len(call.operands), "this form is not supported")
        need(len({operand.dtype for operand in operands}) == 1, "it joins several types")
        return [np.concatenate(operands, axis=call.options["axis"])]
    known = call.operator in INTEGER_FUNCTIONS and all(x.dtype == np.int64 for x in operands)
    need(known, "constants are computed from others: fold them")
    small = all((np.abs(operand) < MAX_INTEGER).all() for operand in operands)
    need(small, "a shape's numbers are too large")
    return [INTEGER_FUNCTIONS[call.operator](*operands)]


def _filled(shape: list[int], value: TensorProto | None) -> Array:
    """One number everywhere, by default 0."""
    number = np.zeros(1, np.float32) if value is None else numbers_of(value)
    good = number.size == 1 and min(shape) > 0 and math.prod(shape) <= MAX_EXPANDED
    need(good, "it is too large, empty, or filled with several numbers")
    return np.full(shape, number.item(), number.dtype)
