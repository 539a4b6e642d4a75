"""The ONNX operators that bend the signal, element by element: section 3's table, and section 14.

Each function adds to the chain what a node does, and returns the signal's shape then.
"""

import math
from collections.abc import Callable

import numpy as np

from engine.audit.curves.curve import Curve
from engine.audit.data import Array, Floats
from engine.audit.failures import need
from engine.audit.onnx_chain import Chain, Term
from engine.audit.onnx_forms import Call
from engine.audit.onnx_layers import Shape, spread

LARGEST = float(np.finfo(np.float32).max)  # a Clip's limit of this size is none
LEAK = float(np.float32(0.01))  # of a LeakyRelu that has no alpha
CURVES = {"Sigmoid": Curve.SIGMOID, "Tanh": Curve.TANH}
ALPHA, BETA = float(np.float32(0.2)), 0.5  # of a HardSigmoid that has none


def _signal(call: Call) -> Array:
    """The signal, which is the first operand."""
    signal = call.operands[0]
    need(call.at == 0, "the signal stands where constants belong")
    assert signal is not None  # check_form has seen to it
    return signal


def _relu(call: Call, chain: Chain) -> Shape:
    signal = _signal(call)
    chain.rectify(signal.size)
    return signal.shape


def _thresholded(call: Call, chain: Chain) -> Shape:
    """ThresholdedRelu, with alpha 0: elsewhere it is not continuous."""
    need(call.options.get("alpha", 1.0) == 0, "it jumps")
    return _relu(call, chain)


def _curve(call: Call, chain: Chain) -> Shape:
    """Section 14: a Sigmoid or a Tanh."""
    signal = _signal(call)
    chain.curve(CURVES[call.operator], signal.size)
    return signal.shape


# --- leaks: relu(x) - slope relu(-x) --------------------------------------------------------------


def _absolute(call: Call, chain: Chain) -> Shape:
    signal = _signal(call)
    return _leak(chain, signal, np.full(signal.size, -1.0))


def _leaky(call: Call, chain: Chain) -> Shape:
    signal, alpha = _signal(call), call.options.get("alpha", LEAK)
    need(math.isfinite(alpha), "its alpha is not finite")
    return _leak(chain, signal, np.full(signal.size, alpha))


def _parametric(call: Call, chain: Chain) -> Shape:
    """PRelu: each element has its own slope, or shares it."""
    signal, slopes = _signal(call), call.operands[1]
    assert slopes is not None  # check_form has seen to it
    found, shape = spread(signal.shape, slopes)
    need(shape == signal.shape, "its slopes do not fit")
    return _leak(chain, signal, found.astype(np.float64))


def _leak(chain: Chain, signal: Array, slopes: Floats) -> Shape:
    zeros = np.zeros(signal.size)
    chain.bend([Term(1, zeros, zeros + 1), Term(-1, zeros, -slopes)], zeros)
    return signal.shape


# --- limits ---------------------------------------------------------------------------------------


def _max(call: Call, chain: Chain) -> Shape:
    limits, shape = _limits(call)
    _at_least(chain, limits)
    return shape


def _min(call: Call, chain: Chain) -> Shape:
    limits, shape = _limits(call)
    _at_most(chain, limits)
    return shape


def _limits(call: Call) -> tuple[Floats, Shape]:
    """The constant's number for each element of the signal, and the shape of both together."""
    at = call.at or 0
    signal, constant = call.operands[at], call.operands[1 - at]
    assert signal is not None and constant is not None  # check_form has seen to it
    limits, shape = spread(signal.shape, constant)
    return limits.astype(np.float64), shape


def _clip(call: Call, chain: Chain) -> Shape:
    signal = _signal(call)
    below, above = [*call.operands[1:], None, None][:2]
    low = _limit(below, call.options.get("min", -LARGEST))
    high = _limit(above, call.options.get("max", LARGEST))
    _between(chain, signal.size, low, high)
    return signal.shape


def _limit(operand: Array | None, default: float) -> float:
    """The number of an operand, or of an option."""
    need(operand is None or operand.size == 1, "it clips at several numbers")
    number = default if operand is None else float(operand.item())
    need(math.isfinite(number), "it clips at what is not finite")
    return number


def _sigmoid(call: Call, chain: Chain) -> Shape:
    """HardSigmoid: as Mul by alpha, Add of beta, and Clip at 0 and 1."""
    signal = _signal(call)
    alpha, beta = call.options.get("alpha", ALPHA), call.options.get("beta", BETA)
    need(math.isfinite(alpha) and math.isfinite(beta), "its alpha or beta is not finite")
    chain.scale(np.full(signal.size, alpha))
    chain.shift(np.full(signal.size, beta))
    _between(chain, signal.size, 0.0, 1.0)
    return signal.shape


def _between(chain: Chain, size: int, low: float, high: float) -> None:
    """Clip: one or two limits, or none, and then as Add of zeros."""
    lower, upper = np.full(size, low), np.full(size, high)
    if low <= -LARGEST and high >= LARGEST:
        chain.shift(np.zeros(size))
    elif high >= LARGEST:
        _at_least(chain, lower)
    elif low <= -LARGEST:
        _at_most(chain, upper)
    else:
        need(low <= high, "its min is above its max")
        ones = np.ones(size)
        chain.bend([Term(1, -lower, ones), Term(1, -upper, -ones)], lower)


def _at_least(chain: Chain, limits: Floats) -> None:
    """max(x, limit) = relu(x - limit) + limit; where all limits are 0, a ReLU."""
    if limits.any():
        chain.bend([Term(1, -limits, np.ones(len(limits)))], limits)
    else:
        chain.rectify(len(limits))


def _at_most(chain: Chain, limits: Floats) -> None:
    """min(x, limit) = limit - relu(limit - x)."""
    chain.bend([Term(-1, limits, -np.ones(len(limits)))], limits)


ACTIVATIONS: dict[str, Callable[[Call, Chain], Shape]] = {
    "Relu": _relu,
    "ThresholdedRelu": _thresholded,
    "Abs": _absolute,
    "LeakyRelu": _leaky,
    "PRelu": _parametric,
    "Max": _max,
    "Min": _min,
    "Clip": _clip,
    "HardSigmoid": _sigmoid,
    **dict.fromkeys(CURVES, _curve),
}
