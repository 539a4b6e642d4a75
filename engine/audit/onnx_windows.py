"""Windows that a Conv, AveragePool or MaxPool slides over the signal (section 3, "Windows")."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

from engine.audit.data import Array, need
from engine.audit.onnx_chain import MAX_WIDTH
from engine.audit.onnx_forms import Call, Options

Numbers: TypeAlias = Sequence[int]  # one for each dimension

MAX_DIMENSIONS = 3
MAX_NUMBER = 1 << 31  # in an option
MAX_DENSE = 1 << 26  # numbers of a layer's W
MAX_TAKEN = 1 << 22  # elements that all windows take together, in the zeros too


class Windows(NamedTuple):
    """Windows of `kernel` elements over an array of `sizes`.

    strides: from window to window; dilations: from element to element; before, after: zeros at the
    two ends; counts: how many windows there are.
    """

    sizes: Numbers
    kernel: Numbers
    strides: Numbers
    dilations: Numbers
    before: Numbers
    after: Numbers
    counts: Numbers


def image(call: Call) -> Array:
    """The signal, which is one point with channels."""
    need(call.at == 0, "the signal stands where constants belong")
    signal = call.operands[0]
    assert signal is not None
    good = signal.ndim > 2 and signal.shape[0] == 1
    need(good, "the signal is not of shape [1, channels, ..]")
    return signal


def windows_of(sizes: Numbers, kernel: Numbers, options: Options) -> Windows:
    """The windows that the options of a node say."""
    rank = len(sizes)
    need(1 <= rank <= MAX_DIMENSIONS, "it slides over too few or too many dimensions")
    strides, dilations = (options.get(name, [1] * rank) for name in ("strides", "dilations"))
    for numbers in (kernel, strides, dilations):
        _check(numbers, rank, least=1)
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    before, after = _padding(sizes, kernel, strides, options)
    rooms = [sum(ends) for ends in zip(before, sizes, after, strict=True)]
    fit = all(span <= room for span, room in zip(spans, rooms, strict=True))
    need(fit, "no window fits into the signal")
    counts = [
        (room - span) // step + 1 for room, span, step in zip(rooms, spans, strides, strict=True)
    ]
    if options.get("ceil_mode", 0):
        # one more where elements are left behind the last window, in which it begins
        for d, count in enumerate(counts):
            start = count * strides[d]
            counts[d] += start - strides[d] + spans[d] < rooms[d] and start < before[d] + sizes[d]
    taken = math.prod(counts) * math.prod(kernel)
    need(taken <= MAX_TAKEN, f"its windows take more than {MAX_TAKEN:,} elements")
    return Windows(sizes, kernel, strides, dilations, before, after, counts)


def leaves(windows: Windows) -> bool:
    """True iff a window takes more than the signal and the zeros around it."""
    lasts = [
        (count - 1) * step + (size - 1) * dilation
        for count, step, size, dilation in zip(
            windows.counts, windows.strides, windows.kernel, windows.dilations, strict=True
        )
    ]
    rooms = [sum(ends) for ends in zip(windows.before, windows.sizes, windows.after, strict=True)]
    return any(last >= room for last, room in zip(lasts, rooms, strict=True))


def elements(windows: Windows) -> Iterator[list[tuple[int, int]]]:
    """Of each window in order: the places in it that have an element of the signal, and which.

    Both are numbers in row-major order. A place that has one of the zeros around is left out.
    """
    along = [
        [_along(w * step - first, dilation, kernel, size) for w in range(count)]
        for count, step, first, dilation, kernel, size in zip(
            windows.counts,
            windows.strides,
            windows.before,
            windows.dilations,
            windows.kernel,
            windows.sizes,
            strict=True,
        )
    ]
    for window in product(*along):
        found = [(0, 0)]
        for pairs, kernel, size in zip(window, windows.kernel, windows.sizes, strict=True):
            found = [
                (place * kernel + i, element * size + at)
                for place, element in found
                for i, at in pairs
            ]
        yield found


def _along(start: int, dilation: int, kernel: int, size: int) -> list[tuple[int, int]]:
    """In one dimension: each place of a window that has an element, and which."""
    taken = [(i, start + i * dilation) for i in range(kernel)]
    return [(i, at) for i, at in taken if 0 <= at < size]


def _padding(
    sizes: Numbers, kernel: Numbers, strides: Numbers, options: Options
) -> tuple[Numbers, Numbers]:
    """How many zeros stand before and after the signal in each dimension."""
    rank, mode, pads = len(sizes), options.get("auto_pad", b"NOTSET"), options.get("pads")
    if mode == b"NOTSET":
        pads = [0] * (2 * rank) if pads is None else pads
        _check(pads, 2 * rank, least=0)
        return pads[:rank], pads[rank:]
    alone = pads is None and not options.get("ceil_mode", 0)
    need(alone, "auto_pad stands beside pads or ceil_mode")
    if mode == b"VALID":
        return [0] * rank, [0] * rank
    need(mode in (b"SAME_UPPER", b"SAME_LOWER"), "this auto_pad is not supported")
    need(max(options.get("dilations", [1])) == 1, "auto_pad stands beside dilations")
    half, rest = [], []
    for size, width, step in zip(sizes, kernel, strides, strict=True):
        zeros = max(0, (math.ceil(size / step) - 1) * step + width - size)
        half.append(zeros // 2)
        rest.append(zeros - zeros // 2)
    return (half, rest) if mode == b"SAME_UPPER" else (rest, half)


def _check(numbers: Numbers, length: int, *, least: int) -> None:
    good = len(numbers) == length and all(least <= number <= MAX_NUMBER for number in numbers)
    need(good, "a list does not fit the signal, or its numbers are out of range")


def check_size(rows: int, columns: int) -> None:
    """Malformed where a layer's W would have too many numbers, or too many rows."""
    shape = f"as a matrix it is {rows:,} x {columns:,}"
    need(rows * columns <= MAX_DENSE, f"{shape}, more than {MAX_DENSE:,} numbers")
    need(rows <= MAX_WIDTH, f"{shape}, which is too wide")
