"""ONNX operators, as far as they are known: what they do to constants, and to the signal that the input becomes.

The signal is an array of what its elements are: 0, 1, 2, .. in row-major order, always. So what moves one of them
is found out. Layers are as in section 3 of the format.
"""

import math
from fractions import Fraction

import numpy as np
import onnx
from onnx import TensorProto

from engine.audit.data import need

MAX_WIDTH, MAX_WEIGHTS = 1 << 13, 1 << 27  # of a layer, and of all layers
FLOATS = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}
INTEGERS = {TensorProto.INT64: np.int64, TensorProto.INT32: np.int32, TensorProto.BOOL: np.bool_}
LARGEST, SMALLEST = float(np.finfo(np.float32).max), 2.0**-126

#: Name -> forms: the opset where it begins, the least and the most inputs, the options and their types.
FORMS = {
    "Constant": [
        (7, 0, 0, {"value": TensorProto}),
        (
            12,
            0,
            0,
            {
                "value": TensorProto,
                "value_float": float,
                "value_floats": list,
                "value_int": int,
                "value_ints": list,
            },
        ),
    ],
    "Identity": [(7, 1, 1, {})],
    "Dropout": [(7, 1, 1, {"ratio": float}), (12, 1, 3, {"seed": int})],
    "Cast": [(7, 1, 1, {"to": int, "saturate": int})],
    "Flatten": [(7, 1, 1, {"axis": int})],
    "Reshape": [(7, 2, 2, {"allowzero": int})],
    "Transpose": [(7, 1, 1, {"perm": list})],
    "Squeeze": [(7, 1, 1, {"axes": list}), (13, 1, 2, {})],
    "Unsqueeze": [(7, 1, 1, {"axes": list}), (13, 2, 2, {})],
    "Shape": [(7, 1, 1, {"start": int, "end": int})],
    "Gather": [(7, 2, 2, {"axis": int})],
    "Concat": [(7, 1, 99, {"axis": int})],
    "Slice": [(7, 1, 1, {"starts": list, "ends": list, "axes": list}), (10, 3, 5, {})],
    "Relu": [(7, 1, 1, {})],
    "Clip": [(7, 1, 1, {"min": float, "max": float}), (11, 1, 3, {})],
    "Max": [(7, 2, 2, {})],
    "Add": [(7, 2, 2, {})],
    "Sub": [(7, 2, 2, {})],
    "Mul": [(7, 2, 2, {})],
    "Div": [(7, 2, 2, {})],
    "Neg": [(7, 1, 1, {})],
    "MatMul": [(7, 2, 2, {})],
    "Gemm": [(7, 2, 3, {"alpha": float, "beta": float, "transA": int, "transB": int})],
    "BatchNormalization": [
        (7, 5, 5, {"epsilon": float, "momentum": float, "spatial": int, "training_mode": int})
    ],
}


class Chain:
    """The layers so far, each [weight, bias (None: none so far), relu]; `rounded`: whether numbers are only the nearest
    ones; `obstacle`: the first reason against float32 semantics; `zeros_first`: whether zeros were added to the input.
    """

    def __init__(self):
        self.layers, self.rounded, self.obstacle, self.zeros_first = [], False, "", False
        self.factors = False  # whether the last layer is a Mul or Div
        self.weights = 0

    @property
    def open(self) -> bool:
        """Whether the last layer has neither b nor ReLU."""
        return bool(self.layers) and self.layers[-1][1] is None and not self.layers[-1][2]

    def multiply(self, weight: np.ndarray, *, factors: bool = False) -> None:
        self.count(weight.size)
        _, bias, relu = self.layers[-1] if self.layers else (None, None, True)
        bare = not relu and (bias is None or not bias.any())
        self.refuse_float32(
            bare and (factors or self.factors),
            "a Mul or Div may be merged with the product next to it",
        )
        self.layers.append([np.ascontiguousarray(weight, np.float64), None, False])
        self.factors = factors

    def count(self, weights: int) -> None:
        """A few bytes of a file may stand for many weights: one tensor that is used again, a diagonal."""
        need(
            self.weights + weights <= MAX_WEIGHTS,
            f"its layers have more than {MAX_WEIGHTS:,} weights",
        )
        self.weights += weights

    def identity(self, size: int) -> None:
        need(
            self.weights + size**2 <= MAX_WEIGHTS,
            f"its layers have more than {MAX_WEIGHTS:,} weights",
        )
        self.multiply(np.eye(size))

    def scale(self, factors: np.ndarray) -> None:
        self.multiply(np.diag(factors.astype(np.float64)), factors=True)

    def shift(self, constant: np.ndarray) -> None:
        constant = constant.astype(np.float64)
        if not self.open and not constant.any():
            self.zeros_first |= not self.layers
            return
        if not self.open:
            self.identity(len(constant))
        self.layers[-1][1] = constant

    def negate(self, size: int) -> None:
        if not self.open:
            self.identity(size)
        self.layers[-1][0] = -self.layers[-1][0]

    def rectify(self, size: int) -> None:
        if not self.layers:
            self.identity(size)
        self.layers[-1][2] = True

    def refuse_float32(self, holds: bool, why: str) -> None:
        """No float32 semantics, because of `why`, where it holds."""
        self.obstacle = self.obstacle or (why if holds else "")


def result(
    operator: str, opset: int, operands: list, options: dict, at: int | None, chain: Chain
) -> np.ndarray:
    """What a node gives. operands: None where one is left out; at: which of them is the signal."""
    need(operator in FORMS, "this operator is not supported")
    _, least, most, known = [form for form in FORMS[operator] if form[0] <= opset][-1]
    need(
        all(known.get(name) is type(value) for name, value in options.items()),
        "this option is not supported",
    )
    given = operands[:least]
    need(
        least <= len(operands) <= most and all(x is not None for x in given),
        "this form is not supported",
    )
    if operator == "Constant":
        return _constant(**options)
    if operator == "Shape":
        return _some(np.array(operands[0].shape)[options.get("start", 0) : options.get("end")])
    if at is None:
        return _of_constants(operator, operands, options)
    if operator in MOVES:
        need(at == 0, "the signal stands where constants belong")
        signal = moved(operator, operands, options)
        need(np.can_cast(operands[0].dtype, signal.dtype), "it rounds the signal")
        need((signal.ravel() == np.arange(signal.size)).all(), "it moves elements of the signal")
        return signal
    need(operator not in ("Gather", "Concat", "Slice"), "it is supported for constants only")
    numbers = [x for x in operands if x is not None]
    need(len({x.dtype for x in numbers}) == 1, "it must join the signal and constants of one type")
    shape = _layers(operator, at, operands, options, chain)
    need(math.prod(shape) <= MAX_WIDTH, "a layer is too wide")
    return np.arange(math.prod(shape), dtype=numbers[0].dtype).reshape(shape)


# --- constants ------------------------------------------------------------------------------------


def numbers_of(tensor: TensorProto) -> np.ndarray:
    """The tensor's numbers, all finite."""
    need(
        tensor.data_location == tensor.DEFAULT and not tensor.external_data,
        "a tensor's data is in another file",
    )
    need(
        tensor.data_type in FLOATS | INTEGERS,
        "a tensor is not of type float32, float64, int64, int32 or bool",
    )
    return _finite(onnx.numpy_helper.to_array(tensor))


def _constant(**options) -> np.ndarray:
    need(len(options) == 1, "a constant has not just one value")
    ((name, value),) = options.items()
    if name == "value":
        return numbers_of(value)
    return _finite(np.array(value, np.int64 if "int" in name else np.float32))


def _finite(array: np.ndarray) -> np.ndarray:
    need(
        array.size > 0 and bool(np.isfinite(array).all()),
        "a tensor is empty or holds NaN or infinite values",
    )
    return array


def _of_constants(operator: str, operands: list, options: dict) -> np.ndarray:
    """Numbers are moved, and those of shapes computed; no others are."""
    if operator in MOVES:
        return moved(operator, operands, options)
    if operator == "Gather":
        need(operands[1].dtype in (np.int64, np.int32), "places are not integers")
        return np.take(operands[0], operands[1], axis=options.get("axis", 0))
    if operator == "Concat":
        need(len({x.dtype for x in operands}) == 1, "it joins several types")
        return np.concatenate(operands, axis=options["axis"])
    if operator == "Slice":
        return _sliced(*operands, **options)
    need(
        operator in ("Add", "Sub", "Mul", "Neg") and all(x.dtype == np.int64 for x in operands),
        "constants are computed from others: fold them",
    )
    need(all((np.abs(x) < 2**31).all() for x in operands), "a shape's numbers are too large")
    return {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Neg": np.negative}[operator](
        *operands
    )


def _sliced(x, starts, ends, axes=None, steps=None) -> np.ndarray:
    lists = [np.asarray(part) for part in (starts, ends, axes, steps) if part is not None]
    need(
        all(part.dtype.kind == "i" and part.ndim == 1 for part in lists),
        "it takes lists of integers",
    )
    axes = (
        range(len(starts)) if axes is None else [axis % x.ndim for axis in _checked(axes, x.ndim)]
    )
    steps = [1] * len(starts) if steps is None else steps
    need(
        len(starts) == len(ends) == len(axes) == len(set(axes)) == len(steps)
        and 0 not in list(steps),
        "its lists do not belong together",
    )
    places = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        places[axis] = slice(int(start), int(end), int(step))
    return _some(x[tuple(places)])


def _some(array: np.ndarray) -> np.ndarray:
    need(array.size > 0, "it takes nothing")
    return array


# --- what moves numbers ---------------------------------------------------------------------------

MOVES = {"Identity", "Dropout", "Cast", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze"}


def moved(operator: str, operands: list, options: dict) -> np.ndarray:
    """Of a constant, or of the signal."""
    x, *others = operands
    match operator:
        case "Dropout":
            need(
                len(others) < 2 or others[1] is None or not others[1].any(),
                "it drops values at random",
            )
            return x
        case "Cast":
            kind = (FLOATS | INTEGERS).get(options["to"])
            need(kind is not None, "it casts to an unknown type")
            with np.errstate(all="ignore"):
                cast = x.astype(kind)
                need((cast.astype(x.dtype) == x).all(), "it rounds numbers")
            return cast
        case "Flatten":
            axis = _checked([options.get("axis", 1)], x.ndim + 1, x.ndim)[0]
            return x.reshape(math.prod(x.shape[:axis]), -1)
        case "Reshape":
            to = others[0]
            need(
                to.dtype == np.int64 and to.ndim == 1 and to.min() >= -1,
                "the new shape is not a list of dimensions",
            )
            keep = not options.get("allowzero")
            return x.reshape([x.shape[i] if d == 0 and keep else d for i, d in enumerate(to)])
        case "Transpose":
            return np.transpose(x, options.get("perm"))
        case "Squeeze" | "Unsqueeze":
            axes = options.get("axes") if "axes" in options or not others else others[0].tolist()
            change = np.squeeze if operator == "Squeeze" else np.expand_dims
            return change(x, None if axes is None else tuple(axes))
    return x


def _checked(axes, rank: int, lower: int | None = None) -> list[int]:
    need(
        all(-(rank if lower is None else lower) <= axis < rank for axis in axes),
        "there is no such axis",
    )
    return [int(axis) for axis in axes]


# --- what makes layers ----------------------------------------------------------------------------


def _layers(operator: str, at: int, operands: list, options: dict, chain: Chain) -> tuple[int, ...]:
    """Adds to the chain what a node does to the signal; its shape then."""
    x, *others = operands[at], *operands[:at], *operands[at + 1 :]
    match operator:
        case "Relu":
            chain.rectify(x.size)
        case "Clip" | "Max":
            need(_is_relu(operator, at, others, options), "it is not a ReLU")
            chain.rectify(x.size)
            return _joined(x, others[0])[1] if operator == "Max" else x.shape
        case "Neg":
            chain.negate(x.size)
        case "Add" | "Sub":
            constant, shape = _joined(x, others[0])
            if operator == "Sub" and at == 1:
                chain.negate(x.size)
            chain.shift(-constant if operator == "Sub" and at == 0 else constant)
            return shape
        case "Mul":
            factors, shape = _joined(x, others[0])
            chain.scale(factors)
            return shape
        case "Div":
            return _divide(x, others[0], at, chain)
        case "MatMul":
            return _multiply(at, operands, chain)
        case "Gemm":
            return _gemm(at, operands, chain, **options)
        case "BatchNormalization":
            return _normalize(at, operands, chain, **options)
    return x.shape


def _joined(x: np.ndarray, constant: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """The constant's number for each element of the signal, and the shape of both together."""
    shape = np.broadcast_shapes(x.shape, constant.shape)
    need(math.prod(shape) == x.size, "it makes several points of one")
    return np.broadcast_to(constant, shape).ravel(), shape


def _is_relu(operator: str, at: int, others: list, options: dict) -> bool:
    """Max(x, 0), or Clip at 0 from below and above at nothing, or not below the largest float32 number."""
    if operator == "Max":
        return not others[0].any()
    limits = [*others, None, None][:2]
    need(all(limit is None or limit.size == 1 for limit in limits), "it clips at several numbers")
    low, high = (
        default if limit is None else float(limit.item())
        for limit, default in zip(limits, (options.get("min", -np.inf), options.get("max", np.inf)))
    )
    return at == 0 and low == 0 and high >= LARGEST


def _multiply(at: int, operands: list, chain: Chain, factor: float = 1.0) -> tuple[int, ...]:
    a, b = operands
    constant, x, inner = operands[1 - at], operands[at], a.shape[-1]
    need(x.size == inner, "it does not multiply a matrix and one point")
    shape = np.matmul(*(np.broadcast_to(np.float32(0), part.shape) for part in (a, b))).shape
    need(math.prod(shape) <= MAX_WIDTH, "a layer is too wide")
    rows = constant if at or constant.ndim == 1 else constant.swapaxes(-1, -2)
    chain.multiply(rows.reshape(-1, inner).astype(np.float64) * factor)
    return shape


def _gemm(
    at: int, operands: list, chain: Chain, *, alpha=1.0, beta=1.0, transA=0, transB=0
) -> tuple[int, ...]:
    a, b, *bias = operands
    need(at < 2 and a.ndim == b.ndim == 2, "it does not multiply a matrix and one point")
    need(math.isfinite(alpha + beta), "its factors are not finite")
    need(
        alpha == beta == 1 or a.dtype == np.float32, "its factors may round"
    )  # products of float32 numbers are exact
    a, b = a.T if transA else a, b.T if transB else b
    need(
        ((a, b)[at].ravel() == np.arange((a, b)[at].size)).all(), "it moves elements of the signal"
    )
    shape = _multiply(at, [a, b], chain, alpha)
    chain.refuse_float32(
        abs(alpha) != 1, "a Gemm's alpha scales sums before or after they are made"
    )
    if bias and bias[0] is not None:
        constant, joined = _joined(np.broadcast_to(np.float32(0), shape), bias[0])
        need(joined == shape, "its bias does not fit")
        chain.shift(constant.astype(np.float64) * beta)
    return shape


def _divide(x: np.ndarray, divisor: np.ndarray, at: int, chain: Chain) -> tuple[int, ...]:
    need(at == 0 and divisor.all(), "it divides by the signal or by zero")
    divisors, shape = _joined(x, divisor)
    chain.scale(_nearest(chain, [(1 / Fraction(float(d)), 1) for d in divisors]))
    sizes = np.abs(divisors.astype(np.float64))
    exact = (np.frexp(sizes)[0] == 0.5) & (sizes >= SMALLEST) & (sizes <= 1 / SMALLEST)
    chain.refuse_float32(not exact.all(), "a division may be made by a rounded reciprocal")
    return shape


def _normalize(
    at: int,
    operands: list,
    chain: Chain,
    *,
    epsilon=float(np.float32(1e-5)),
    momentum=0.9,
    spatial=1,
    training_mode=0,
) -> tuple[int, ...]:
    x, *parts = operands
    need(
        at == 0 and spatial == 1 and not training_mode and x.ndim > 1,
        "it does not normalize as in inference",
    )
    need(
        all(part.shape == x.shape[1:2] for part in parts) and math.isfinite(epsilon),
        "its constants do not fit",
    )
    column = [part.reshape(-1, *[1] * (x.ndim - 2)) for part in parts]
    scale, bias, mean, variance = (_joined(x, part)[0] for part in column)
    variances = [Fraction(float(v)) + Fraction(epsilon) for v in variance]
    need(min(variances) > 0, "a variance is not positive")
    chain.shift(-mean)
    signed = [(math.copysign(1, s), Fraction(float(s)) ** 2 / v) for s, v in zip(scale, variances)]
    chain.scale(_nearest(chain, [(square, sign * 2) for sign, square in signed]))
    chain.shift(bias)
    chain.refuse_float32(True, "runtimes normalize in different orders")
    return x.shape


def _nearest(chain: Chain, numbers: list[tuple[Fraction, float]]) -> np.ndarray:
    """The float64 numbers nearest to v for (v, 1), to sqrt(v) for (v, 2), to -sqrt(v) for (v, -2)."""
    found = []
    for value, power in numbers:
        near = float(value) if power == 1 else math.copysign(_root(value), power)
        exact = Fraction(near) ** abs(int(power)) == value
        need(exact or 2.0**-1022 <= abs(near), "a factor is too small for float64")
        chain.rounded |= not exact
        found.append(near)
    return np.array(found)


def _root(square: Fraction) -> float:
    """The float64 number nearest to the root: found near it, and compared with what lies half-way to its neighbours."""
    scale = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    near = math.ldexp(math.sqrt(square / Fraction(4) ** scale), scale)
    half = lambda a, b: ((Fraction(a) + Fraction(b)) / 2) ** 2
    while (below := math.nextafter(near, 0)) < near and half(below, near) > square:
        near = below
    while half(near, above := math.nextafter(near, math.inf)) < square:
        near = above
    return near
