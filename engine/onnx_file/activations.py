"""The supported ONNX operators that bend the signal: curves and piecewise linear functions, entry by entry.

A piecewise linear function other than a ReLU is rest + the sum of some factor * relu(sign * x + shift): two layers,
exactly.
Parameters are read as in operators.py.
"""

import numpy as np

from engine.errors import InputError
from engine.onnx_file.constant import Constant, fold
from engine.onnx_file.operands import check_kinds, folded, signal_and_constant, spread
from engine.onnx_file.shapes import Versions, mismatch
from engine.onnx_file.signal import Signal, Term, Value

_LARGEST = float(np.finfo(np.float32).max)  # a limit of this size is none
_EXPORT = "check how the network was exported"


def relu(x: Value, /) -> Value:
    check_kinds(x)
    return fold(lambda values: np.maximum(values, 0), x) if isinstance(x, Constant) else x.rectified()


def sigmoid(x: Value, /) -> Value:
    return _signal(x).curved("sigmoid")


def tanh(x: Value, /) -> Value:
    return _signal(x).curved("tanh")


def absolute(x: Value, /) -> Value:
    signal = _signal(x)
    return _leaking(signal, np.full(signal.size, -1.0))


def leaky_relu(x: Value, /, *, alpha: float = float(np.float32(0.01))) -> Value:
    signal = _signal(x)
    return _leaking(signal, np.full(signal.size, alpha))


def p_relu(x: Value, slope: Value, /) -> Value:
    signal = _signal(x)
    check_kinds(x, slope)
    if not isinstance(slope, Constant):
        raise InputError("its slopes depend on the input", advice=_EXPORT)
    slopes, shape = spread(slope, signal)
    if shape != signal.shape:
        raise mismatch(signal.shape, slope.shape)
    return _leaking(signal, slopes.values)


def thresholded_relu(x: Value, /, *, alpha: float = 1.0) -> Value:
    if alpha != 0.0:
        raise InputError(f"it jumps at {alpha:g}", advice="only with alpha 0 it is continuous, and a ReLU")
    return _signal(x).rectified()


def hard_sigmoid(x: Value, /, *, alpha: float = float(np.float32(0.2)), beta: float = 0.5) -> Value:
    """Returns alpha * x + beta, clipped at 0 and 1: a layer of factors, and what a Clip is."""
    signal = _signal(x)
    factors, shifts = (Constant(np.full(signal.size, number), signal.kind) for number in (alpha, beta))
    return _clipped(signal.scaled(factors).plus(shifts, signal.shape), _number(0.0, signal), _number(1.0, signal))


def clip_by_attributes(x: Value, /, *, min: float = -_LARGEST, max: float = _LARGEST) -> Value:
    return _clipped(x, _number(min, x), _number(max, x))


def clip(x: Value, least: Value | None = None, most: Value | None = None, /) -> Value:
    limits = [_number(sign * _LARGEST, x) if limit is None else limit for sign, limit in ((-1, least), (1, most))]
    check_kinds(x, *limits)
    low, high = limits
    if not all(isinstance(limit, Constant) and limit.values.size == 1 for limit in limits):
        raise InputError("it clips at other than one constant number on each side", advice=_EXPORT)
    assert isinstance(low, Constant) and isinstance(high, Constant)
    return _clipped(x, low, high)


def maximum(*values: Value) -> Value:
    """Returns the larger one of the signal and a constant. With 0 alone it is a ReLU."""
    if folds := _of_constants(values):
        return folded(np.maximum, *folds)
    signal, limits = _signal_and_limits(values)
    return _at_least(signal, limits.values)


def minimum(*values: Value) -> Value:
    """Returns the smaller one of the signal and a constant."""
    if folds := _of_constants(values):
        return folded(np.minimum, *folds)
    signal, limits = _signal_and_limits(values)
    return _at_most(signal, limits.values)


#: By name, from the opset on in which this form appeared.
ACTIVATIONS: dict[str, Versions] = {
    "Abs": {7: absolute},
    "Clip": {7: clip_by_attributes, 11: clip},
    "HardSigmoid": {7: hard_sigmoid},
    "LeakyRelu": {7: leaky_relu},
    "Max": {7: maximum},
    "Min": {7: minimum},
    "PRelu": {7: p_relu},
    "Relu": {7: relu},
    "Sigmoid": {7: sigmoid},
    "Tanh": {7: tanh},
    "ThresholdedRelu": {7: thresholded_relu},
}


def _signal(x: Value) -> Signal:
    check_kinds(x)
    if isinstance(x, Signal):
        return x
    raise InputError("it bends a constant", advice="fold constants before exporting the network")


def _number(value: float, like: Value) -> Constant:
    return Constant(np.array(value), like.kind)


def _of_constants(values: tuple[Value, ...]) -> list[Constant]:
    """Returns the two values of a Max or Min if they are constants, else nothing. InputError unless they are two."""
    if len(values) != 2:
        raise InputError(f"it compares {len(values)} values", advice="export it with the signal and one constant")
    check_kinds(*values)
    constants = [value for value in values if isinstance(value, Constant)]
    return constants if len(constants) == 2 else []


def _signal_and_limits(values: tuple[Value, ...]) -> tuple[Signal, Constant]:
    """Returns the signal in the shape of both, and the constant's number for each element."""
    signal, constant = signal_and_constant(*values)
    limits, shape = spread(constant, signal)
    return signal.reshaped(shape), limits


def _clipped(x: Value, low: Constant, high: Constant) -> Value:
    """Returns x between two limits. One beyond all numbers of float32 is none; at 0 alone it is a ReLU.

    Without limits it is as a sum with zeros: the same may happen to subnormal numbers.
    """
    least, most = low.values.item(), high.values.item()
    if least == 0 and most >= _LARGEST:
        return relu(x)
    signal = _signal(x)
    lower, upper = np.full(signal.size, least), np.full(signal.size, most)
    if least <= -_LARGEST and most >= _LARGEST:
        return signal.plus(_number(0.0, signal).moved(lambda zero: np.full(signal.size, zero)), signal.shape)
    if most >= _LARGEST:
        return _at_least(signal, lower)
    if least <= -_LARGEST:
        return _at_most(signal, upper)
    if least > most:
        raise InputError(f"it clips at {least:g} from below and {most:g} from above", advice=_EXPORT)
    ones = np.ones(signal.size)
    terms = [Term(1.0, -lower, ones), Term(1.0, -upper, -ones)]
    return signal.bent(terms, lower)


def _leaking(signal: Signal, slopes: np.ndarray) -> Signal:
    """Returns relu(x) - slope * relu(-x)."""
    ones, zeros = np.ones(signal.size), np.zeros(signal.size)
    return signal.bent([Term(1.0, zeros, ones), Term(-1.0, zeros, -slopes)], zeros)


def _at_least(signal: Signal, limits: np.ndarray) -> Signal:
    """Returns max(x, limit) = limit + relu(x - limit); a ReLU where all limits are 0."""
    if not limits.any():
        return signal.rectified()
    return signal.bent([Term(1.0, -limits, np.ones(signal.size))], limits)


def _at_most(signal: Signal, limits: np.ndarray) -> Signal:
    """Returns min(x, limit) = limit - relu(limit - x)."""
    return signal.bent([Term(-1.0, limits, -np.ones(signal.size))], limits)
