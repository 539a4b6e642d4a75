"""The ONNX operators that make layers of the signal: section 3's table, row by row.

Each function adds to the chain what a node does, and returns the signal's shape then.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from engine.audit.data import Array
from engine.audit.failures import need
from engine.audit.onnx_chain import MAX_WIDTH, Chain
from engine.audit.onnx_forms import Call, Operands
from engine.audit.onnx_rounded import nearest_quotients, nearest_roots

Shape: TypeAlias = tuple[int, ...]

SMALLEST = 2.0**-126  # normal number of float32
EPSILON = float(np.float32(1e-5))  # where a BatchNormalization has none


def _signal(call: Call) -> tuple[int, Array, Operands]:
    """The signal's place among the operands, the signal, and the other operands."""
    assert call.at is not None
    signal = call.operands[call.at]
    assert signal is not None
    return call.at, signal, [*call.operands[: call.at], *call.operands[call.at + 1 :]]


def _binary(call: Call) -> tuple[int, Array, Array]:
    """As _signal, where there is one other operand."""
    at, signal, (other,) = _signal(call)
    assert other is not None
    return at, signal, other


def spread(shape: Shape, constant: Array) -> tuple[Array, Shape]:
    """The constant's number for each element of the signal, and the shape of both together."""
    joined = np.broadcast_shapes(shape, constant.shape)
    need(math.prod(joined) == math.prod(shape), "it makes several points of one")
    return np.broadcast_to(constant, joined).ravel(), joined


# --- sums and signs -------------------------------------------------------------------------------


def _negate(call: Call, chain: Chain) -> Shape:
    _, signal, _ = _signal(call)
    chain.negate(signal.size)
    return signal.shape


def _add(call: Call, chain: Chain) -> Shape:
    _, signal, other = _binary(call)
    constant, shape = spread(signal.shape, other)
    chain.shift(constant)
    return shape


def _subtract(call: Call, chain: Chain) -> Shape:
    """Signal minus constant, or constant minus signal."""
    at, signal, other = _binary(call)
    constant, shape = spread(signal.shape, other)
    if at == 1:
        chain.negate(signal.size)
        chain.shift(constant)
    else:
        chain.shift(-constant)
    return shape


def _concat(call: Call, chain: Chain) -> Shape:
    at, signal, _ = _signal(call)
    return concatenated(call, chain, {at: signal}, signal.size)


def concatenated(call: Call, chain: Chain, signals: Mapping[int, Array], size: int) -> Shape:
    """1 where the elements of signals come to stand, and b has the constants.

    signals: by their places among the operands, the places of their elements among so many.
    """
    axis, parts = call.options["axis"], [part for part in call.operands if part is not None]
    need(len(parts) == len(call.operands), "this form is not supported")
    places = [signals.get(i, np.full(part.shape, -1)) for i, part in enumerate(parts)]
    found = np.concatenate(places, axis)
    need(found.size <= MAX_WIDTH, "a layer is too wide")
    if len(signals) < len(parts):
        numbers = [np.zeros(part.shape) if i in signals else part for i, part in enumerate(parts)]
        chain.select(found, size)
        chain.shift(np.concatenate(numbers, axis).ravel())
    elif not np.array_equal(found.ravel(), np.arange(size)):
        chain.select(found, size)
    return found.shape


# --- products -------------------------------------------------------------------------------------


def _scale(call: Call, chain: Chain) -> Shape:
    """Mul by a constant."""
    _, signal, other = _binary(call)
    factors, shape = spread(signal.shape, other)
    chain.scale(factors)
    return shape


def _divide(call: Call, chain: Chain) -> Shape:
    at, signal, other = _binary(call)
    need(at == 0 and other.all(), "it divides by the signal or by zero")
    divisors, shape = spread(signal.shape, other)
    chain.scale(nearest_quotients(chain, divisors))
    sizes = np.abs(divisors.astype(np.float64))
    is_power = (np.frexp(sizes)[0] == 0.5) & (sizes >= SMALLEST) & (sizes <= 1 / SMALLEST)
    chain.refuse_float32(not is_power.all(), "a division may be made by a rounded reciprocal")
    return shape


def _matmul(call: Call, chain: Chain) -> Shape:
    at, _, _ = _signal(call)
    left, right = call.operands
    assert left is not None and right is not None
    return _multiply(at, left, right, chain)


def _multiply(at: int, left: Array, right: Array, chain: Chain, factor: float = 1.0) -> Shape:
    """A layer of left @ right times the factor; at: which of them is the signal, one point."""
    constant, signal = (left, right) if at == 1 else (right, left)
    inner = left.shape[-1]
    need(signal.size == inner, "it does not multiply a matrix and one point")
    zeros = (np.broadcast_to(np.float32(0), part.shape) for part in (left, right))
    shape: Shape = np.matmul(*zeros).shape
    need(math.prod(shape) <= MAX_WIDTH, "a layer is too wide")
    rows = constant if at or constant.ndim == 1 else constant.swapaxes(-1, -2)
    chain.multiply(rows.reshape(-1, inner).astype(np.float64) * factor)
    return shape


def _gemm(call: Call, chain: Chain) -> Shape:
    """alpha left @ right + beta bias, each of left and right transposed or not."""
    at, _, _ = _signal(call)
    left, right, *biases = call.operands
    assert left is not None and right is not None
    is_matrix = at < 2 and left.ndim == right.ndim == 2
    need(is_matrix, "it does not multiply a matrix and one point")
    alpha, beta = call.options.get("alpha", 1.0), call.options.get("beta", 1.0)
    need(math.isfinite(alpha + beta), "its factors are not finite")
    # products of float32 numbers are exact in float64
    need(alpha == beta == 1 or left.dtype == np.float32, "its factors may round")
    left = left.T if call.options.get("transA") else left
    right = right.T if call.options.get("transB") else right
    signal = (left, right)[at]
    in_order = (signal.ravel() == np.arange(signal.size)).all()
    need(in_order, "it moves elements of the signal")
    shape = _multiply(at, left, right, chain, alpha)
    scaled = "a Gemm's alpha scales sums before or after they are made"
    chain.refuse_float32(abs(alpha) != 1, scaled)
    if biases and biases[0] is not None:
        constant, joined = spread(shape, biases[0])
        need(joined == shape, "its bias does not fit")
        chain.shift(constant.astype(np.float64) * beta)
    return shape


def _normalize(call: Call, chain: Chain) -> Shape:
    """BatchNormalization: minus the mean, times scale / sqrt(variance + epsilon), plus the bias."""
    at, signal, others = _signal(call)
    options = call.options
    inference = options.get("spatial", 1) == 1 and not options.get("training_mode", 0)
    need(at == 0 and inference and signal.ndim > 1, "it does not normalize as in inference")
    epsilon = options.get("epsilon", EPSILON)
    parts = [part for part in others if part is not None]
    fit = all(part.shape == signal.shape[1:2] for part in parts) and math.isfinite(epsilon)
    need(fit, "its constants do not fit")
    columns = [part.reshape(-1, *[1] * (signal.ndim - 2)) for part in parts]
    scale, bias, mean, variance = (spread(signal.shape, column)[0] for column in columns)
    variances = [Fraction(float(number)) + Fraction(epsilon) for number in variance]
    need(min(variances) > 0, "a variance is not positive")
    chain.shift(-mean)
    squares = [
        (float(number), Fraction(float(number)) ** 2 / positive)
        for number, positive in zip(scale, variances, strict=True)
    ]
    chain.scale(nearest_roots(chain, squares))
    chain.shift(bias)
    chain.refuse_float32(True, "runtimes normalize in different orders")
    return signal.shape


LAYERS: dict[str, Callable[[Call, Chain], Shape]] = {
    "Neg": _negate,
    "Add": _add,
    "Sub": _subtract,
    "Concat": _concat,
    "Mul": _scale,
    "Div": _divide,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "BatchNormalization": _normalize,
}
