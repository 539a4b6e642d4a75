"""MaxPool and GlobalMaxPool: rounds of max(a, b) = max(a - b, 0) + b (section 3, "MaxPool")."""

import math
from typing import TypeAlias

import numpy as np

from engine.audit.data import Array, Truths
from engine.audit.failures import need
from engine.audit.onnx_chain import Chain
from engine.audit.onnx_forms import Call
from engine.audit.onnx_windows import Windows, check_rows, elements, image, windows_of
from engine.audit.sparse import Sparse

Shape: TypeAlias = tuple[int, ...]

#: A row of ones at these places of the layer before, and of zeros elsewhere.
Ones: TypeAlias = tuple[int, ...]

UNROUNDED = "a MaxPool is executed without the sums that its layers have"


def largest(call: Call, chain: Chain) -> Shape:
    """MaxPool: of each channel and window the largest element."""
    signal, options = image(call), call.options
    need(options.get("storage_order", 0) == 0, "it takes windows column by column")
    kernel, channels = options["kernel_shape"], signal.shape[1]
    windows = windows_of(signal.shape[2:], kernel, options, channels=channels)
    return _maxima(signal, windows, chain)


def largest_of_all(call: Call, chain: Chain) -> Shape:
    """GlobalMaxPool: one window takes all of a channel."""
    signal = image(call)
    windows = windows_of(signal.shape[2:], signal.shape[2:], {}, channels=signal.shape[1])
    return _maxima(signal, windows, chain)


def _maxima(signal: Array, windows: Windows, chain: Chain) -> Shape:
    channels, size, n_windows = signal.shape[1], signal[0, 0].size, math.prod(windows.counts)
    taken = elements(windows)
    counts = np.bincount(taken.window, minlength=n_windows)
    need(counts.all(), "a window takes no element")
    check_rows(channels * n_windows)
    if (counts > 1).any():
        check_rows(channels * len(taken.window))  # of the first layer
    ends = np.cumsum(counts)[:-1]
    lists: list[list[Ones]] = [
        [(channel * size + element,) for element in each.tolist()]
        for channel in range(channels)
        for each in np.split(taken.element, ends)
    ]
    width = signal.size
    while max(map(len, lists)) > 1:
        weight, relu, lists = _round(lists, width)
        chain.compare(weight, relu)
        width = len(relu)
    last = _Rows()
    for (ones,) in lists:
        last.add(ones)
    chain.multiply(last.matrix(width))
    chain.refuse_float32(True, UNROUNDED)
    return 1, channels, *windows.counts


def _round(lists: list[list[Ones]], width: int) -> tuple[Sparse, Truths, list[list[Ones]]]:
    """The layer of a round, over so many inputs, and the lists after it.

    Each pair a, b of a list has the neurons a - b, with a ReLU, and b; what is left over has one.
    """
    rows, relu = _Rows(), []
    after: list[list[Ones]] = []
    for each in lists:
        after.append([])
        for i in range(0, len(each) - 1, 2):
            first, second = each[i], each[i + 1]
            after[-1].append((rows.add(first, second), rows.add(second)))
            relu += [True, False]
        if len(each) % 2:
            after[-1].append((rows.add(each[-1]),))
            relu.append(False)
    return rows.matrix(width), np.array(relu), after


class _Rows:
    """Rows of ones and of minus ones."""

    def __init__(self) -> None:
        self._count = 0
        self._entries: list[tuple[int, int, int]] = []

    def add(self, ones: Ones, minus_ones: Ones = ()) -> int:
        """One more row; its number."""
        row, self._count = self._count, self._count + 1
        self._entries += [(row, place, 1) for place in ones]
        self._entries += [(row, place, -1) for place in minus_ones]
        return row

    def matrix(self, width: int) -> Sparse:
        """All rows, over so many inputs."""
        row, column, numbers = np.array(self._entries).T
        return Sparse((self._count, width), row, column, numbers.astype(np.float64))
