"""The supported ONNX operators, on constants and on the signal that runs through the network.

Positional parameters are a node's inputs, keyword-only ones its attributes with their defaults.
"""

import math
from dataclasses import replace

import numpy as np

from engine.errors import InputError
from engine.onnx_file.constant import FLOATS, MAX_FOLD, Constant, fold, type_name
from engine.onnx_file.signal import Shape, Signal, shape_text, size_of

Value = Constant | Signal
_EXPORT = "check how the network was exported"


def add(a: Value, b: Value, /) -> Value:
    _check_kinds(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        _check_fold(math.prod(_broadcast(a.shape, b.shape)))
        return fold(np.add, a, b)
    signal, constant = (a, b) if isinstance(a, Signal) else (b, a)
    shape = _broadcast_signal(signal.shape, constant.shape)
    whole = tuple(1 if d is None else d for d in shape)
    return signal.plus(constant.moved(lambda array: np.broadcast_to(array, whole).ravel()), shape)


def sub(a: Value, b: Value, /) -> Value:
    return add(a, b.scaled(-1.0) if isinstance(b, Constant) else b.negated())


def matmul(a: Value, b: Value, /) -> Value:
    _check_kinds(a, b)
    if isinstance(a, Constant) and isinstance(b, Constant):
        return _fold_product(a, b)
    if isinstance(a, Signal):
        return _row_times_matrix(a, b)
    return _matrix_times_column(a, b)


def gemm(a: Value, b: Value, c: Value | None = None, /, *, alpha=1.0, beta=1.0, transA=0, transB=0) -> Value:
    if transA or (transB and isinstance(b, Signal)):
        raise InputError(
            f"{'transA' if transA else 'transB'}=1 would transpose more than the weights",
            advice="export the layer as x @ W or x @ W^T",
        )
    if len(a.shape) != 2 or len(b.shape) != 2:
        shapes = f"{shape_text(a.shape)} and {shape_text(b.shape)}"
        raise InputError(f"Gemm multiplies matrices, not shapes {shapes}", advice=_EXPORT)
    b = b.moved(np.transpose) if transB else b
    scaled = a.scaled(alpha) if isinstance(a, Constant) else a
    product = matmul(scaled, b if isinstance(a, Constant) else b.scaled(alpha))
    if c is None:
        return product
    if isinstance(c, Signal):
        raise InputError("the network's signal stands where Gemm's bias belongs", advice=_EXPORT)
    total = add(product, c.scaled(beta))
    if len(total.shape) != len(product.shape) or size_of(total.shape) != size_of(product.shape):
        raise mismatch(product.shape, c.shape)
    return total


def relu(x: Value, /) -> Value:
    _check_kinds(x)
    return fold(lambda values: np.maximum(values, 0), x) if isinstance(x, Constant) else x.rectified()


def identity(x: Value, /) -> Value:
    return x


def flatten(x: Value, /, *, axis=1) -> Value:
    rank = len(x.shape)
    if not -rank <= axis <= rank:
        raise InputError(f"axis {axis} does not exist in shape {shape_text(x.shape)}", advice=_EXPORT)
    axis += rank if axis < 0 else 0
    return _reshaped(x, (_merge(x.shape, x.shape[:axis]), _merge(x.shape, x.shape[axis:])))


def reshape(x: Value, target: Value, /, *, allowzero=0) -> Value:
    if not isinstance(target, Constant) or target.index is None or target.values.dtype != np.int64:
        raise InputError("the new shape is not a constant of type int64", advice="export with a fixed shape")
    if target.values.ndim != 1 or len(target.values) > 8:
        raise InputError("the new shape is not a list of at most 8 dimensions", advice=_EXPORT)
    return _reshaped(x, _target_shape(x.shape, [int(d) for d in target.values], allowzero=bool(allowzero)))


OPERATORS = {
    "Add": add,
    "Flatten": flatten,
    "Gemm": gemm,
    "Identity": identity,
    "MatMul": matmul,
    "Relu": relu,
    "Reshape": reshape,
    "Sub": sub,
}


def mismatch(a: Shape, b: Shape) -> InputError:
    return InputError(f"shapes {shape_text(a)} and {shape_text(b)} do not fit", advice=_EXPORT)


def _check_kinds(*values: Value) -> None:
    kinds = [value.kind for value in values]
    if any(kind not in FLOATS for kind in kinds) or len(set(kinds)) > 1:
        raise InputError(
            f"number types {' and '.join(type_name(kind) for kind in kinds)} do not fit",
            advice="use one float type throughout",
        )


def _check_fold(operations: int) -> None:
    if operations > MAX_FOLD:
        what = "its constants are too large to be folded exactly"
        raise InputError(what, advice="fold constants before exporting the network")


def _fold_product(a: Constant, b: Constant) -> Constant:
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0]:
        raise mismatch(a.shape, b.shape)
    _check_fold(a.shape[0] * a.shape[1] * b.shape[1])
    return fold(np.matmul, a, b)


def _row_times_matrix(x: Signal, matrix: Constant) -> Signal:
    """x @ matrix where all elements of x stand in its last dimension."""
    if len(matrix.shape) != 2 or not x.shape or x.shape[-1] != matrix.shape[0]:
        raise mismatch(x.shape, matrix.shape)
    if x.size != x.shape[-1]:
        raise _batch(x.shape)
    return x.times(matrix.moved(np.transpose), (*x.shape[:-1], matrix.shape[1]))


def _matrix_times_column(matrix: Constant, x: Signal) -> Signal:
    """matrix @ x where x is a vector or a column."""
    ending = () if len(x.shape) == 1 else (1,)
    rows = len(x.shape) - len(ending) - 1
    if len(matrix.shape) != 2 or rows < 0 or x.shape[rows:] != (matrix.shape[1], *ending):
        raise mismatch(matrix.shape, x.shape)
    if x.size != matrix.shape[1]:
        raise _batch(x.shape)
    return x.times(matrix, (*x.shape[:rows], matrix.shape[0], *ending))


def _broadcast(a: Shape, b: Shape) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(tuple(1 if d is None else d for d in a), b)
    except ValueError:
        raise mismatch(a, b) from None


def _broadcast_signal(signal: Shape, constant: tuple[int, ...]) -> Shape:
    """The shape of signal + constant, which may add dimensions of size 1 but no elements."""
    shape = _broadcast(signal, constant)
    batched = None in signal
    if math.prod(shape) != size_of(signal) or (batched and len(shape) != len(signal)):
        raise mismatch(signal, constant)
    return (None, *shape[1:]) if batched else shape


def _reshaped(x: Value, shape: Shape) -> Value:
    if isinstance(x, Constant):
        return x.moved(lambda array: array.reshape(shape))
    return replace(x, shape=shape)


def _target_shape(shape: Shape, wanted: list[int], *, allowzero: bool) -> Shape:
    """What Reshape(shape, wanted) gives: 0 keeps a dimension, -1 takes what is left."""
    if wanted.count(-1) > 1 or min(wanted, default=1) < -1 or (allowzero and 0 in wanted):
        raise InputError(f"{wanted} is not a valid new shape", advice=_EXPORT)
    if any(d == 0 and i >= len(shape) for i, d in enumerate(wanted)):
        raise mismatch(shape, tuple(wanted))
    target = [shape[i] if d == 0 else d for i, d in enumerate(wanted)]
    if -1 in target:
        rest = size_of(tuple(d for d in target if d != -1))
        left = size_of(shape) // rest
        batch_left = None in shape and None not in target
        if batch_left and (left != 1 or target[0] != -1):
            raise _merges(shape)
        target[target.index(-1)] = None if batch_left else left
    if size_of(tuple(target)) != size_of(shape) or None in target[1:]:
        raise mismatch(shape, tuple(wanted))
    return tuple(target)


def _merge(shape: Shape, part: Shape) -> int | None:
    """The product of some of the shape's dimensions."""
    if None in part and size_of(part) != 1:
        raise _merges(shape)
    return None if None in part else size_of(part)


def _batch(shape: Shape) -> InputError:
    return InputError(f"shape {shape_text(shape)} holds several points", advice="export with batch size 1")


def _merges(shape: Shape) -> InputError:
    return InputError(
        f"it merges the batch dimension of shape {shape_text(shape)} with others",
        advice="keep the batch in a dimension of its own",
    )

