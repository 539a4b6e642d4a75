"""MaxPool and GlobalMaxPool: rounds of max(a, b) = max(a - b, 0) + b (section 3, "MaxPool")."""

from typing import TypeAlias

import numpy as np

from engine.audit.data import Array, Floats, Truths, need
from engine.audit.onnx_chain import Chain
from engine.audit.onnx_forms import Call
from engine.audit.onnx_windows import Windows, check_size, elements, image, windows_of

Shape: TypeAlias = tuple[int, ...]

#: A row of ones at these places of the layer before, and of zeros elsewhere.
Ones: TypeAlias = tuple[int, ...]

UNROUNDED = "a MaxPool is executed without the sums that its layers have"


def largest(call: Call, chain: Chain) -> Shape:
    """MaxPool: of each channel and window the largest element."""
    signal, options = image(call), call.options
    need(options.get("storage_order", 0) == 0, "it takes windows column by column")
    return _maxima(signal, windows_of(signal.shape[2:], options["kernel_shape"], options), chain)


def largest_of_all(call: Call, chain: Chain) -> Shape:
    """GlobalMaxPool: one window takes all of a channel."""
    signal = image(call)
    return _maxima(signal, windows_of(signal.shape[2:], signal.shape[2:], {}), chain)


def _maxima(signal: Array, windows: Windows, chain: Chain) -> Shape:
    channels, size = signal.shape[1], signal.size // signal.shape[1]
    taken = [[element for _, element in pairs] for pairs in elements(windows)]
    need(all(taken), "a window takes no element")
    check_size(channels * sum(map(len, taken)), signal.size)  # of the first layer
    lists: list[list[Ones]] = [
        [(channel * size + element,) for element in elements]
        for channel in range(channels)
        for elements in taken
    ]
    width = signal.size
    while max(map(len, lists)) > 1:
        weight, relu, lists = _round(lists, width)
        chain.compare(weight, relu)
        width = len(weight)
    weight = _zeros(len(lists), width)
    for row, (ones,) in zip(weight, lists, strict=True):
        row[list(ones)] = 1
    chain.multiply(weight)
    chain.refuse_float32(True, UNROUNDED)
    return 1, channels, *windows.counts


def _round(lists: list[list[Ones]], width: int) -> tuple[Floats, Truths, list[list[Ones]]]:
    """The layer of a round, over so many inputs, and the lists after it.

    Each pair a, b of a list has the neurons a - b, with a ReLU, and b; what is left over has one.
    """
    weight = _zeros(sum(map(len, lists)), width)
    relu, neuron = np.zeros(len(weight), bool), 0
    after: list[list[Ones]] = []
    for rows in lists:
        after.append([])
        for i in range(0, len(rows) - 1, 2):
            first, second = list(rows[i]), list(rows[i + 1])
            weight[neuron, first] = 1
            weight[neuron, second] = -1
            weight[neuron + 1, second] = 1
            relu[neuron] = True
            after[-1].append((neuron, neuron + 1))
            neuron += 2
        if len(rows) % 2:
            weight[neuron, list(rows[-1])] = 1
            after[-1].append((neuron,))
            neuron += 1
    return weight, relu, after


def _zeros(rows: int, columns: int) -> Floats:
    """W before it has numbers."""
    check_size(rows, columns)
    return np.zeros((rows, columns))
