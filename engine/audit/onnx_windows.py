"""Windows that a Conv, AveragePool or MaxPool slides over the signal (section 3, "Windows")."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from engine.audit.data import Array, Integers
from engine.audit.failures import need
from engine.audit.onnx_chain import MAX_SPARSE, MAX_WIDTH
from engine.audit.onnx_forms import Call, Options

Numbers: TypeAlias = Sequence[int]  # one for each dimension

MAX_DIMENSIONS = 3
MAX_NUMBER = 1 << 31  # in an option
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


class Taken(NamedTuple):
    """The elements of a channel that windows take: by window, place in it and element.

    All are numbers in row-major order, and so are the entries. A place that has one of the zeros
    around is left out.
    """

    window: Integers
    place: Integers
    element: Integers


def windows_of(sizes: Numbers, kernel: Numbers, options: Options, *, channels: int) -> Windows:
    """The windows that the options of a node say, for each of so many channels."""
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
    taken = channels * math.prod(counts) * math.prod(kernel)
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


def elements(windows: Windows) -> Taken:
    """All elements that are taken."""
    grid = [*windows.counts, *windows.kernel]
    number, there = np.zeros(grid, np.int64), np.ones(grid, bool)
    rank = len(windows.counts)
    for d, size in enumerate(windows.sizes):
        start = np.arange(windows.counts[d]) * windows.strides[d] - windows.before[d]
        step = np.arange(windows.kernel[d]) * windows.dilations[d]
        shape = [1] * len(grid)
        shape[d], shape[rank + d] = windows.counts[d], windows.kernel[d]
        at = (start[:, None] + step).reshape(shape)
        number = number * size + at
        there &= (0 <= at) & (at < size)
    window, place = np.nonzero(there.reshape(math.prod(windows.counts), -1))
    return Taken(window, place, number[there])


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


def check_rows(rows: int) -> None:
    """Malformed where a layer has more rows than are supported."""
    need(rows <= MAX_WIDTH, f"as a matrix it has {rows:,} rows, more than {MAX_WIDTH:,}")


def check_count(numbers: int) -> None:
    """Malformed where a matrix has more numbers other than 0 than are supported."""
    what = f"as a matrix it has {numbers:,} numbers other than 0, more than {MAX_SPARSE:,}"
    need(numbers <= MAX_SPARSE, what)
