"""The ONNX operators that take maxima of windows over the signal. Parameters are read as in operators.py.

max(a, b) = max(a - b, 0) + b: a layer makes a - b, with a ReLU, and b, without one, of two elements of each window at a
time, until each window has one left.
"""

import math
from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.onnx_file.constant import Constant
from engine.onnx_file.convolution import OUTSIDE, Windows, windows_over
from engine.onnx_file.shapes import Versions
from engine.onnx_file.signal import Ints, Signal, Value
from engine.onnx_file.sparse import Sparse, demand_rows
from engine.onnx_file.windowed import image_of

_EXPORT = "check how the network was exported"


def max_pool(
    x: Value,
    /,
    *,
    kernel_shape: Ints,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    storage_order: int = 0,
    strides: Ints | None = None,
) -> Value:
    """Returns the maxima of windows. Padding is never one."""
    signal = image_of(x)
    if storage_order:
        raise InputError(f"storage_order is {storage_order}", advice="export it with storage_order 0")
    windows = windows_over(
        signal.shape[2:],
        kernel_shape,
        auto_pad=auto_pad,
        pads=pads,
        strides=strides,
        dilations=dilations,
        ceil_mode=ceil_mode,
        times=signal.shape[1],
    )
    return _maxima(signal, windows)


def max_pool_of_8(
    x: Value,
    /,
    *,
    kernel_shape: Ints,
    auto_pad: str = "NOTSET",
    pads: Ints | None = None,
    storage_order: int = 0,
    strides: Ints | None = None,
) -> Value:
    return max_pool(
        x, kernel_shape=kernel_shape, auto_pad=auto_pad, pads=pads, storage_order=storage_order, strides=strides
    )


def max_pool_of_7(
    x: Value, /, *, kernel_shape: Ints, auto_pad: str = "NOTSET", pads: Ints | None = None, strides: Ints | None = None
) -> Value:
    return max_pool(x, kernel_shape=kernel_shape, auto_pad=auto_pad, pads=pads, strides=strides)


def global_max_pool(x: Value, /) -> Value:
    signal = image_of(x)
    return _maxima(signal, windows_over(signal.shape[2:], signal.shape[2:], times=signal.shape[1]))


@dataclass(frozen=True, slots=True)
class _Lists:
    """For each window a list of elements, each a row over the signal with a 1 at `place`, and behind it where `double`.

    Both are [windows, longest list]; lists begin at the left, and `place` is OUTSIDE behind their ends.
    """

    place: np.ndarray
    double: np.ndarray

    def terms(self, row: np.ndarray, chosen: tuple[np.ndarray, ...], factor: float) -> np.ndarray:
        """Returns factor times the chosen elements, one in each of these rows of a matrix: row, column and number of
        each term, [3, terms]."""
        place, double = self.place[chosen], self.double[chosen]
        rows, columns = np.append(row, row[double]), np.append(place, place[double] + 1)
        return np.stack([rows, columns, np.full(len(rows), factor)])


def _maxima(signal: Signal, windows: Windows) -> Signal:
    channels, size = signal.shape[1], math.prod(windows.sizes)
    lists = _taken(windows, channels, size)
    shape = (1, channels, *windows.counts)
    while lists.place.shape[1] > 1:
        signal, lists = _round(signal, lists)
    count = len(lists.place)
    demand_rows(count)
    rest = lists.terms(np.arange(count), np.nonzero(lists.place != OUTSIDE), 1.0)
    return signal.times(_matrix([rest], signal, count), shape)


def _taken(windows: Windows, channels: int, size: int) -> _Lists:
    """Returns the elements that the windows of all channels take, in order."""
    places = windows.places()
    outside = places == OUTSIDE
    if outside.all(1).any():
        raise InputError("a window takes nothing but padding", advice=_EXPORT)
    order = outside.argsort(1, kind="stable")[:, : int((~outside).sum(1).max())]
    places = np.take_along_axis(places, order, 1)
    shifted = places + np.where(places == OUTSIDE, 0, np.arange(channels)[:, None, None] * size)
    place = shifted.reshape(-1, places.shape[1])
    return _Lists(place, np.zeros(place.shape, bool))


def _round(signal: Signal, lists: _Lists) -> tuple[Signal, _Lists]:
    """Returns the layer that compares the first and second element of each list, the third and fourth and so on."""
    first = lists.place[:, ::2] != OUTSIDE
    pair = np.zeros_like(first)
    pair[:, : lists.place.shape[1] // 2] = lists.place[:, 1::2] != OUTSIDE
    neurons = first.astype(np.int64) + pair
    start = neurons.cumsum().reshape(neurons.shape) - neurons
    count = int(neurons.sum())
    demand_rows(count)
    window, slot = np.nonzero(pair)
    relus = start[window, slot]
    a, b = (window, 2 * slot), (window, 2 * slot + 1)
    terms = [lists.terms(relus, a, 1.0), lists.terms(relus, b, -1.0), lists.terms(relus + 1, b, 1.0)]
    window, slot = np.nonzero(first & ~pair)
    terms.append(lists.terms(start[window, slot], (window, 2 * slot), 1.0))
    relu = np.zeros(count, bool)
    relu[relus] = True
    signal = signal.times(_matrix(terms, signal, count), (count,)).closed(relu=relu)
    return signal, _Lists(np.where(first, start, OUTSIDE), pair)


def _matrix(terms: list[np.ndarray], signal: Signal, rows: int) -> Sparse:
    """Returns the matrix of a layer of so many neurons with these terms."""
    row, column, number = np.concatenate(terms, 1)
    return Sparse(row.astype(np.int32), column.astype(np.int32), Constant(number, signal.kind), (rows, signal.size))


#: By name, from the opset on in which this form appeared.
POOLING: dict[str, Versions] = {
    "GlobalMaxPool": {7: global_max_pool},
    "MaxPool": {7: max_pool_of_7, 8: max_pool_of_8, 10: max_pool},
}
