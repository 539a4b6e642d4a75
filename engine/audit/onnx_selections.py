"""The ONNX operators that take some numbers of a constant or the signal, or repeat them.

Section 3 of the format says what they are.
"""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from engine.audit.data import Array
from engine.audit.failures import need
from engine.audit.onnx_chain import MAX_WORDS
from engine.audit.onnx_forms import Call
from engine.audit.onnx_moves import checked_axes

MAX_EXPANDED = 10**6  # numbers of a constant that a few bytes of the file stand for

Ints: TypeAlias = Sequence[int] | Array  # of an option, or of a constant


def selected(call: Call) -> list[Array]:
    """What the node takes of its first operand: one array, or all parts of a Split."""
    parts = SELECTIONS[call.operator](*call.operands, **call.options)
    return [not_empty(part) for part in parts]


def _gather(numbers: Array, places: Array, *, axis: int = 0) -> list[Array]:
    need(places.dtype in (np.int64, np.int32), "places are not integers")
    (along,) = _along([axis], numbers.ndim)
    found = places.size * (numbers.size // numbers.shape[along])
    need(found <= MAX_WORDS, "it gathers too many numbers")
    return [np.take(numbers, places, axis=along)]


def _slice(
    numbers: Array, starts: Ints, ends: Ints, axes: Ints | None = None, steps: Ints | None = None
) -> list[Array]:
    """Of the numbers, those from start to end in each of the axes."""
    first, last = integers(starts), integers(ends)
    along = _along(range(len(first)) if axes is None else integers(axes), numbers.ndim)
    by = [1] * len(first) if steps is None else integers(steps)
    together = len(first) == len(last) == len(along) == len(set(along)) == len(by)
    need(together and 0 not in by, "its lists do not belong together")
    places = [slice(None)] * numbers.ndim
    for start, end, axis, step in zip(first, last, along, by, strict=True):
        places[axis] = slice(start, end, step)
    return [numbers[tuple(places)]]


def _split(
    numbers: Array,
    operand: Ints | None = None,
    *,
    axis: int = 0,
    split: Ints | None = None,
    num_outputs: int | None = None,
) -> list[Array]:
    """The parts of these sizes; or so many equal ones, of which the last may be smaller."""
    (along,) = _along([axis], numbers.ndim)
    length = numbers.shape[along]
    stated = split if operand is None else operand
    need((stated is None) != (num_outputs is None), "it does not say into what it splits")
    if stated is not None:
        sizes = integers(stated)
    else:
        count = num_outputs or 0
        need(1 <= count <= length, "it splits into more parts than there are")
        sizes = [-(-length // count)] * (count - 1)
        sizes.append(length - sum(sizes))
    need(min(sizes) > 0 and sum(sizes) == length, "its parts do not make up the whole")
    return np.split(numbers, list(accumulate(sizes))[:-1], axis=along)


def _expand(numbers: Array, shape: Ints) -> list[Array]:
    wanted = np.broadcast_shapes(numbers.shape, tuple(integers(shape)))
    need(math.prod(wanted) <= MAX_EXPANDED, "it expands to too many numbers")
    return [np.broadcast_to(numbers, wanted)]


def integers(values: Ints) -> list[int]:
    """The list of integers that an option or a constant is."""
    array = np.asarray(values)
    need(array.dtype == np.int64 and array.ndim == 1, "it takes lists of integers")
    found: list[int] = array.tolist()
    return found


def _along(axes: Sequence[int], rank: int) -> list[int]:
    """The axes, counted from the front."""
    return [axis % rank for axis in checked_axes(axes, rank)]


def not_empty(array: Array) -> Array:
    need(array.size > 0, "it takes nothing")
    return array


SELECTIONS: dict[str, Callable[..., list[Array]]] = {
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Expand": _expand,
}
