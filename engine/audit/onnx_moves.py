"""The ONNX operators that move numbers, of constants or the signal, and change none (section 3)."""

import math
from collections.abc import Callable, Iterable

import numpy as np

from engine.audit.data import Array
from engine.audit.failures import Malformed, need
from engine.audit.onnx_forms import FLOATS, INTEGERS, Call, Operands, Options


def moved(call: Call) -> Array:
    """The first operand, with its numbers in another shape, order or type."""
    first, *others = call.operands
    assert first is not None  # check_form has seen to it
    return MOVES[call.operator](first, others, call.options)


def _same(numbers: Array, others: Operands, options: Options) -> Array:
    return numbers


def _dropout(numbers: Array, others: Operands, options: Options) -> Array:
    """As in inference. The third operand says whether it is training."""
    training = others[1] if len(others) > 1 else None
    need(training is None or not training.any(), "it drops values at random")
    return numbers


def _cast(numbers: Array, others: Operands, options: Options) -> Array:
    """To a type that holds all of the numbers."""
    kind = (FLOATS | INTEGERS).get(options["to"])
    if kind is None:
        raise Malformed("it casts to an unknown type")
    with np.errstate(all="ignore"):
        cast = numbers.astype(kind)
        need((cast.astype(numbers.dtype) == numbers).all(), "it rounds numbers")
    return cast


def _flatten(numbers: Array, others: Operands, options: Options) -> Array:
    rank = numbers.ndim
    (axis,) = checked_axes([options.get("axis", 1)], rank + 1, least=-rank)
    return numbers.reshape(math.prod(numbers.shape[:axis]), -1)


def _reshape(numbers: Array, others: Operands, options: Options) -> Array:
    """0 stands for the dimension that is there, but with `allowzero`; -1 for what remains."""
    (target,) = others
    assert target is not None
    good = target.dtype == np.int64 and target.ndim == 1 and target.min() >= -1
    need(good, "the new shape is not a list of dimensions")
    keep = not options.get("allowzero")
    shape = [numbers.shape[i] if size == 0 and keep else size for i, size in enumerate(target)]
    return numbers.reshape(shape)


def _transpose(numbers: Array, others: Operands, options: Options) -> Array:
    order = options.get("perm", [*reversed(range(numbers.ndim))])
    need(sorted(order) == [*range(numbers.ndim)], "it is no order of the axes")
    return np.transpose(numbers, order)


def _squeeze(numbers: Array, others: Operands, options: Options) -> Array:
    axes = _axes(others, options)
    return np.squeeze(numbers, axes)


def _unsqueeze(numbers: Array, others: Operands, options: Options) -> Array:
    axes = _axes(others, options)
    if axes is None:
        raise Malformed("this form is not supported")
    return np.expand_dims(numbers, axes)


def _axes(others: Operands, options: Options) -> tuple[int, ...] | None:
    """The axes of an option, or of an operand in later opsets."""
    operand = others[0] if others else None
    axes = options.get("axes") if operand is None or "axes" in options else operand.tolist()
    return None if axes is None else tuple(axes)


def checked_axes(axes: Iterable[int], rank: int, *, least: int | None = None) -> list[int]:
    """The axes, each of which there is: from `least`, by default -rank, to rank - 1."""
    there = all((-rank if least is None else least) <= axis < rank for axis in axes)
    need(there, "there is no such axis")
    return [int(axis) for axis in axes]


MOVES: dict[str, Callable[[Array, Operands, Options], Array]] = {
    "Identity": _same,
    "Dropout": _dropout,
    "Cast": _cast,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
