"""The supported ONNX operators that slide windows over the signal: convolutions and averages.

Each is a layer of its own, whose matrix holds the numbers of the windows alone. Parameters are read as in operators.py.
"""

import math
from dataclasses import replace

import numpy as np

from engine.errors import InputError
from engine.onnx_file.constant import Constant
from engine.onnx_file.convolution import OUTSIDE, Windows, unrolled, windows_over
from engine.onnx_file.padding import constant_beside
from engine.onnx_file.quotients import reciprocals
from engine.onnx_file.shapes import Versions, mismatch
from engine.onnx_file.signal import Ints, Signal, Value, shape_text
from engine.onnx_file.sparse import Sparse, demand_numbers, demand_rows

_EXPORT = "check how the network was exported"
_FOLD = "fold constants before exporting the network"


def conv(
    x: Value,
    weight: Value,
    bias: Value | None = None,
    /,
    *,
    auto_pad: str = "NOTSET",
    dilations: Ints | None = None,
    group: int = 1,
    kernel_shape: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    """Returns the convolution. Each number of its matrix is one of the file's kernel, or a 0 that stands nowhere."""
    signal = image_of(x)
    kernel = constant_beside(signal, weight)
    offsets = None if bias is None else constant_beside(signal, bias)
    channels, (n_out, *rest) = signal.shape[1], kernel.shape or (0,)
    fits = len(kernel.shape) == len(signal.shape) and group > 0 and rest[0] * group == channels and n_out % group == 0
    if not fits:
        raise mismatch(signal.shape, kernel.shape)
    if offsets is not None and offsets.shape != (n_out,):
        raise mismatch((n_out,), offsets.shape)
    if kernel_shape not in (None, kernel.shape[2:]):
        what = f"its kernel has shape {shape_text(kernel.shape)}, not {list(kernel_shape or ())}"
        raise InputError(what, advice=_EXPORT)
    windows = windows_over(
        signal.shape[2:],
        kernel.shape[2:],
        auto_pad=auto_pad,
        pads=pads,
        strides=strides,
        dilations=dilations,
        times=n_out,
    )
    result = signal.times(_matrix(signal, kernel, windows), (1, n_out, *windows.counts))
    if offsets is None:
        return result
    each = math.prod(windows.counts)
    return result.plus(offsets.moved(lambda array: np.repeat(array, each)), result.shape)


def average_pool(
    x: Value,
    /,
    *,
    kernel_shape: Ints,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Ints | None = None,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    """Returns the means of windows: one layer, rounded unless float64 holds each 1 / (number of elements)."""
    signal = image_of(x)
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
    if count_include_pad and not windows.is_inside:
        raise InputError("ceil_mode stands beside count_include_pad: runtimes count differently", advice="state pads")
    return _means(signal, windows, count_all=bool(count_include_pad))


def average_pool_of_10(
    x: Value,
    /,
    *,
    kernel_shape: Ints,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    return average_pool(
        x,
        kernel_shape=kernel_shape,
        auto_pad=auto_pad,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        pads=pads,
        strides=strides,
    )


def average_pool_of_7(
    x: Value,
    /,
    *,
    kernel_shape: Ints,
    auto_pad: str = "NOTSET",
    count_include_pad: int = 0,
    pads: Ints | None = None,
    strides: Ints | None = None,
) -> Value:
    return average_pool(
        x,
        kernel_shape=kernel_shape,
        auto_pad=auto_pad,
        count_include_pad=count_include_pad,
        pads=pads,
        strides=strides,
    )


def global_average_pool(x: Value, /) -> Value:
    signal = image_of(x)
    windows = windows_over(signal.shape[2:], signal.shape[2:], times=signal.shape[1])
    return _means(signal, windows, count_all=False)


def image_of(x: Value) -> Signal:
    """Returns the signal. InputError unless it is one point, with channels."""
    if not isinstance(x, Signal):
        raise InputError("the signal stands where constants belong", advice=_FOLD)
    if len(x.shape) < 3 or x.shape[0] != 1:
        raise InputError(f"shape {shape_text(x.shape)} is not [1, channels, ..]", advice="export with batch size 1")
    return x


def _matrix(signal: Signal, kernel: Constant, windows: Windows) -> Sparse:
    """Returns the matrix of the windows' products with a kernel [out, channels of a group, ..]."""
    n_out, n_in, *_ = kernel.shape
    rows = n_out * math.prod(windows.counts)
    demand_rows(rows)
    demand_numbers(n_out * n_in * windows.taken, rows)
    places = unrolled(windows, n_out=n_out, n_in=n_in, channels=signal.shape[1])
    numbers = kernel.moved(lambda array: array.ravel()[places.number])
    return Sparse(places.row, places.column, numbers, (rows, signal.size))


def _means(signal: Signal, windows: Windows, *, count_all: bool) -> Signal:
    """Returns each channel's means of windows; with `count_all` of the zeros around it, too."""
    channels = signal.shape[1]
    inside = (windows.places() != OUTSIDE).sum(1)
    if not inside.all():
        raise InputError("a window takes nothing but padding", advice=_EXPORT)
    factors, exact = reciprocals(np.full(len(inside), math.prod(windows.kernel)) if count_all else inside)
    ones = _matrix(signal, Constant(np.ones((channels, 1, *windows.kernel)), signal.kind), windows)
    means = Constant(factors[ones.row % len(factors)], signal.kind)
    return signal.times(replace(ones, numbers=means), (1, channels, *windows.counts), rounded=not exact)


#: By name, from the opset on in which this form appeared.
WINDOWED: dict[str, Versions] = {
    "AveragePool": {7: average_pool_of_7, 10: average_pool_of_10, 19: average_pool},
    "Conv": {7: conv},
    "GlobalAveragePool": {7: global_average_pool},
}
