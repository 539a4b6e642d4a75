"""The supported ONNX operators that compute, on constants and on the signal that runs through the network.

Positional parameters are a node's inputs, keyword-only ones its attributes: with their types, and with their
defaults unless a node must give them.
"""

import math

import numpy as np

from engine.errors import InputError
from engine.onnx_file.activations import ACTIVATIONS
from engine.onnx_file.constant import FLOATS, INTEGERS, Constant, fold, names_of
from engine.onnx_file.endings import ENDINGS
from engine.onnx_file.meeting import total
from engine.onnx_file.operands import check_fold, check_kinds, folded, signal_and_constant, spread
from engine.onnx_file.padding import PADDING
from engine.onnx_file.pooling import POOLING
from engine.onnx_file.quotients import normalizing, reciprocals
from engine.onnx_file.selections import SELECTIONS
from engine.onnx_file.shapes import MOVES, Versions, mismatch, product_shape, transposed
from engine.onnx_file.signal import Signal, Value, shape_text
from engine.onnx_file.windowed import WINDOWED

_EXPORT = "check how the network was exported"


def add(a: Value, b: Value, /) -> Value:
    check_kinds(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return folded(np.add, a, b)
    if isinstance(a, Signal) and isinstance(b, Signal):
        return total((a, b), (1.0, 1.0))
    signal, constant = signal_and_constant(a, b)
    return signal.plus(*spread(constant, signal))


def sub(a: Value, b: Value, /) -> Value:
    if isinstance(a, Signal) and isinstance(b, Signal):
        check_kinds(a, b)
        return total((a, b), (1.0, -1.0))
    return add(a, neg(b))


def neg(x: Value, /) -> Value:
    check_kinds(x)
    if isinstance(x, Signal):
        return x.negated()
    return x.scaled(-1.0) if x.kind in FLOATS else fold(np.negative, x)


def mul(a: Value, b: Value, /) -> Value:
    check_kinds(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return folded(np.multiply, a, b)
    signal, constant = signal_and_constant(a, b)
    factors, shape = spread(constant, signal)
    return signal.reshaped(shape).scaled(factors)


def div(a: Value, b: Value, /) -> Value:
    check_kinds(a, b)
    if isinstance(b, Signal):
        raise InputError("it divides by what depends on the input", advice=_EXPORT)
    if b.kind in INTEGERS or not b.values.all():
        raise InputError("it divides integers, or by zero", advice="fold constants before exporting the network")
    if isinstance(a, Constant):
        return folded(np.divide, a, b)
    divisors, shape = spread(b, a)
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
    check_kinds(x, scale, bias, mean, variance)
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

    def column_of(part: Constant) -> Constant:
        return spread(part.moved(lambda array: array.reshape(column)), x)[0]

    numbers, exact = normalizing(scale.values, variance.values, epsilon)
    factors = column_of(Constant(numbers, scale.kind, names_of((scale, variance))))
    centred = x.plus(column_of(mean.scaled(-1.0)), x.shape)
    return centred.scaled(factors, rounded=not exact).plus(column_of(bias), x.shape)


def matmul(a: Value, b: Value, /) -> Value:
    check_kinds(a, b)
    shape = product_shape(a.shape, b.shape)
    if isinstance(a, Constant) and isinstance(b, Constant):
        check_fold(math.prod(shape) * a.shape[-1])
        return fold(np.matmul, a, b)
    signal, constant = signal_and_constant(a, b)
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


#: By name, from the opset on in which this form appeared.
OPERATORS: dict[str, Versions] = {
    "Add": {7: add},
    "BatchNormalization": {7: batch_normalization},
    "Div": {7: div},
    "Gemm": {7: gemm},
    "MatMul": {7: matmul},
    "Mul": {7: mul},
    "Neg": {7: neg},
    "Sub": {7: sub},
    **ACTIVATIONS,
    **ENDINGS,
    **MOVES,
    **SELECTIONS,
    **PADDING,
    **WINDOWED,
    **POOLING,
}
