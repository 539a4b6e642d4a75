"""The supported ONNX operators that compute, on constants and on the signal that runs through the network.

Positional parameters are a node's inputs, keyword-only ones its attributes: with their types, and with their
defaults unless a node must give them.
"""

import math

import numpy as np
from onnx import TensorProto

from engine.errors import InputError
from engine.onnx_file.constant import FLOATS, INTEGERS, MAX_FOLD, Constant, Operation, fold, names_of, type_name
from engine.onnx_file.padding import PADDING
from engine.onnx_file.quotients import normalizing, reciprocals
from engine.onnx_file.selections import SELECTIONS
from engine.onnx_file.shapes import MOVES, Versions, mismatch, product_shape, transposed
from engine.onnx_file.signal import Shape, Signal, Value, shape_text
from engine.onnx_file.windowed import WINDOWED

_EXPORT = "check how the network was exported"
_LARGEST = float(np.finfo(np.float32).max)  # before opset 11 this upper end means that there is none


def add(a: Value, b: Value, /) -> Value:
    _check_kinds(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return _folded(np.add, a, b)
    signal, constant = _signal_and_constant(a, b)
    return signal.plus(*_spread(constant, signal))


def sub(a: Value, b: Value, /) -> Value:
    return add(a, neg(b))


def neg(x: Value, /) -> Value:
    _check_kinds(x)
    if isinstance(x, Signal):
        return x.negated()
    return x.scaled(-1.0) if x.kind in FLOATS else fold(np.negative, x)


def mul(a: Value, b: Value, /) -> Value:
    _check_kinds(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return _folded(np.multiply, a, b)
    signal, constant = _signal_and_constant(a, b)
    factors, shape = _spread(constant, signal)
    return signal.reshaped(shape).scaled(factors)


def div(a: Value, b: Value, /) -> Value:
    _check_kinds(a, b)
    if isinstance(b, Signal):
        raise InputError("it divides by what depends on the input", advice=_EXPORT)
    if b.kind in INTEGERS or not b.values.all():
        raise InputError("it divides integers, or by zero", advice="fold constants before exporting the network")
    if isinstance(a, Constant):
        return _folded(np.divide, a, b)
    divisors, shape = _spread(b, a)
    factors, exact = reciprocals(divisors.values)
    return a.reshaped(shape).scaled(Constant(factors, b.kind, b.names), rounded=not exact)


def batch_normalization(
    x: Value,
    scale: Value,
    bias: Value,
    mean: Value,
    variance: Value,
    /,
    *,
    epsilon: float = float(np.float32(1e-5)),
    momentum: float = 0.9,
    spatial: int = 1,
    training_mode: int = 0,
) -> Value:
    """Returns scale * (x - mean) / sqrt(variance + epsilon) + bias: two layers, with rounded factors in the second."""
    _check_kinds(x, scale, bias, mean, variance)
    if not (
        isinstance(x, Signal)
        and isinstance(scale, Constant)
        and isinstance(bias, Constant)
        and isinstance(mean, Constant)
        and isinstance(variance, Constant)
    ):
        raise InputError("it does not normalize the signal by constants", advice=_EXPORT)
    if training_mode or not spatial:
        raise InputError("it does not normalize as in inference", advice="export the network in evaluation mode")
    if len(x.shape) < 2 or any(part.shape != (x.shape[1],) for part in (scale, bias, mean, variance)):
        raise mismatch(x.shape, scale.shape)
    column = (x.shape[1],) + (1,) * (len(x.shape) - 2)

    def spread(part: Constant) -> Constant:
        return _spread(part.moved(lambda array: array.reshape(column)), x)[0]

    numbers, exact = normalizing(scale.values, variance.values, epsilon)
    factors = spread(Constant(numbers, scale.kind, names_of((scale, variance))))
    centred = x.plus(spread(mean.scaled(-1.0)), x.shape)
    return centred.scaled(factors, rounded=not exact).plus(spread(bias), x.shape)


def matmul(a: Value, b: Value, /) -> Value:
    _check_kinds(a, b)
    shape = product_shape(a.shape, b.shape)
    if isinstance(a, Constant) and isinstance(b, Constant):
        _check_fold(math.prod(shape) * a.shape[-1])
        return fold(np.matmul, a, b)
    signal, constant = _signal_and_constant(a, b)
    if signal.size != a.shape[-1]:
        raise InputError(f"shape {shape_text(signal.shape)} holds several points", advice="export with batch size 1")
    if signal is a and len(b.shape) > 1:
        constant = constant.moved(lambda array: array.swapaxes(-1, -2))
    return signal.times(constant.moved(lambda array: array.reshape(-1, signal.size)), shape)


def gemm(
    a: Value,
    b: Value,
    c: Value | None = None,
    /,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Value:
    if len(a.shape) != 2 or len(b.shape) != 2:
        shapes = f"{shape_text(a.shape)} and {shape_text(b.shape)}"
        raise InputError(f"Gemm multiplies matrices, not shapes {shapes}", advice=_EXPORT)
    a, b = (transposed(x, (1, 0)) if flag else x for x, flag in ((a, transA), (b, transB)))
    if isinstance(a, Constant):
        product = matmul(a.scaled(alpha), b)
    else:
        product = matmul(a, b.scaled(alpha) if isinstance(b, Constant) else b)
    if c is None:
        return product
    if isinstance(c, Signal):
        raise InputError("the network's signal stands where Gemm's bias belongs", advice=_EXPORT)
    if len(c.shape) > 2:
        raise mismatch(product.shape, c.shape)
    total = add(product, c.scaled(beta))
    if total.shape != product.shape:
        raise mismatch(product.shape, c.shape)
    return total


def relu(x: Value, /) -> Value:
    _check_kinds(x)
    return fold(lambda values: np.maximum(values, 0), x) if isinstance(x, Constant) else x.rectified()


def clip_by_attributes(x: Value, /, *, min: float = -_LARGEST, max: float = _LARGEST) -> Value:
    if min != 0 or max < _LARGEST:
        raise InputError(f"it clips at {min:g} and {max:g}", advice="only clipping at 0 alone is a ReLU")
    return relu(x)


def clip(x: Value, least: Value | None = None, most: Value | None = None, /) -> Value:
    """Returns the ReLU of x. InputError unless it clips at 0 from below, and not under the largest float32 number."""
    low, high = _limit(least, -math.inf), _limit(most, math.inf)
    _check_kinds(x, *(limit for limit in (least, most) if limit is not None))
    return clip_by_attributes(x, min=low, max=high)


def _limit(value: Value | None, default: float) -> float:
    if value is None:
        return default
    if not isinstance(value, Constant) or value.values.size != 1:
        raise InputError("it does not clip at constants", advice="only clipping at 0 alone is a ReLU")
    return float(value.values.item())


def maximum(*values: Value) -> Value:
    """Returns the ReLU of one value. InputError unless the other one is 0."""
    if len(values) != 2:
        raise InputError(f"it takes the largest of {len(values)} values", advice="only Max(x, 0) is a ReLU")
    a, b = values
    _check_kinds(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return _folded(np.maximum, a, b)
    signal, constant = _signal_and_constant(a, b)
    if constant.values.any():
        raise InputError(
            "it takes the larger one of the signal and numbers that are not 0", advice="only Max(x, 0) is a ReLU"
        )
    return signal.reshaped(_spread(constant, signal)[1]).rectified()


#: By name, from the opset on in which this form appeared.
OPERATORS: dict[str, Versions] = {
    "Add": {7: add},
    "BatchNormalization": {7: batch_normalization},
    "Clip": {7: clip_by_attributes, 11: clip},
    "Div": {7: div},
    "Gemm": {7: gemm},
    "MatMul": {7: matmul},
    "Max": {7: maximum},
    "Mul": {7: mul},
    "Neg": {7: neg},
    "Relu": {7: relu},
    "Sub": {7: sub},
    **MOVES,
    **SELECTIONS,
    **PADDING,
    **WINDOWED,
}


def _signal_and_constant(a: Value, b: Value) -> tuple[Signal, Constant]:
    """Returns the operand that is the signal, and the other: no node reads the signal twice."""
    signal, constant = (a, b) if isinstance(a, Signal) else (b, a)
    assert isinstance(signal, Signal) and isinstance(constant, Constant)
    return signal, constant


def _check_kinds(*values: Value) -> None:
    kinds = [value.kind for value in values]
    known = FLOATS + (TensorProto.INT64,) * all(isinstance(value, Constant) for value in values)
    if any(kind not in known for kind in kinds) or len(set(kinds)) > 1:
        raise InputError(
            f"number types {' and '.join(type_name(kind) for kind in kinds)} do not fit",
            advice="use one float type throughout",
        )


def _folded(operation: Operation, a: Constant, b: Constant) -> Constant:
    """Returns operation(a, b), entry by entry."""
    _check_fold(math.prod(_broadcast(a.shape, b.shape)))
    return fold(operation, a, b)


def _check_fold(operations: int) -> None:
    if operations > MAX_FOLD:
        what = "its constants are too large to be folded exactly"
        raise InputError(what, advice="fold constants before exporting the network")


def _broadcast(a: Shape, b: Shape) -> Shape:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise mismatch(a, b) from None


def _spread(constant: Constant, signal: Signal) -> tuple[Constant, Shape]:
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
