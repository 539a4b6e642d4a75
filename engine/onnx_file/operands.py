"""Operands of operators that compute: their types, and constants spread over the signal's elements."""

import math

import numpy as np
from onnx import TensorProto

from engine.errors import InputError
from engine.onnx_file.constant import FLOATS, MAX_FOLD, Constant, Operation, fold, type_name
from engine.onnx_file.shapes import mismatch
from engine.onnx_file.signal import Shape, Signal, Value, shape_text

_EXPORT = "check how the network was exported"


def signal_and_constant(a: Value, b: Value) -> tuple[Signal, Constant]:
    """Returns the operand that is the signal, and the other: no node reads the signal twice."""
    signal, constant = (a, b) if isinstance(a, Signal) else (b, a)
    assert isinstance(signal, Signal) and isinstance(constant, Constant)
    return signal, constant


def check_kinds(*values: Value) -> None:
    """Raises InputError unless all are of one type of floats, or constants of integers."""
    kinds = [value.kind for value in values]
    known = FLOATS + (TensorProto.INT64,) * all(isinstance(value, Constant) for value in values)
    if any(kind not in known for kind in kinds) or len(set(kinds)) > 1:
        raise InputError(
            f"number types {' and '.join(type_name(kind) for kind in kinds)} do not fit",
            advice="use one float type throughout",
        )


def folded(operation: Operation, a: Constant, b: Constant) -> Constant:
    """Returns operation(a, b), entry by entry."""
    check_fold(math.prod(_broadcast(a.shape, b.shape)))
    return fold(operation, a, b)


def check_fold(operations: int) -> None:
    """Raises InputError where so many rational operations are too many."""
    if operations > MAX_FOLD:
        what = "its constants are too large to be folded exactly"
        raise InputError(what, advice="fold constants before exporting the network")


def _broadcast(a: Shape, b: Shape) -> Shape:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise mismatch(a, b) from None


def spread(constant: Constant, signal: Signal) -> tuple[Constant, Shape]:
    """Returns the constant's number for each element of the signal, and the shape of both combined.

    The shape may have dimensions of size 1 that the signal has not. InputError where it has more elements.
    """
    shape = _broadcast(signal.shape, constant.shape)
    if math.prod(shape) != signal.size:
        raise InputError(
            f"shapes {shape_text(signal.shape)} and {shape_text(constant.shape)} make several points of one",
            advice=_EXPORT,
        )
    return constant.moved(lambda array: np.broadcast_to(array, shape).ravel()), shape
