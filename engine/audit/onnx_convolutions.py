"""Conv, AveragePool, GlobalAveragePool and Pad: layers of windows (section 3)."""

import math

import numpy as np

from engine.audit.data import Array
from engine.audit.failures import need
from engine.audit.onnx_chain import Chain
from engine.audit.onnx_forms import Call
from engine.audit.onnx_moves import checked_axes
from engine.audit.onnx_rounded import nearest_quotients
from engine.audit.onnx_selections import integers
from engine.audit.onnx_windows import (
    Windows,
    check_count,
    check_rows,
    elements,
    image,
    leaves,
    windows_of,
)
from engine.audit.sparse import Sparse

Shape = tuple[int, ...]

AVERAGED = "averages may be made by rounded reciprocals"
WINOGRAD = "a convolution may be made by other sums, as Winograd's are"


def convolved(call: Call, chain: Chain) -> Shape:
    """Conv: W has the kernel's numbers, b the third operand's, one for each output channel."""
    signal = image(call)
    kernel, bias = call.operands[1], ([*call.operands, None])[2]
    assert kernel is not None  # check_form has seen to it
    parts = [part for part in (kernel, bias) if part is not None]
    same = all(part.dtype == signal.dtype for part in parts)
    need(same, "it must join the signal and constants of one type")
    channels, groups = signal.shape[1], call.options.get("group", 1)
    fit = kernel.ndim == signal.ndim and groups > 0
    need(fit and kernel.shape[1] * groups == channels, "its kernel does not fit")
    n_out, per_group, *size = kernel.shape
    stated = call.options.get("kernel_shape", size)
    need(n_out % groups == 0 and list(stated) == size, "its kernel does not fit")
    need(bias is None or bias.shape == (n_out,), "its bias does not fit")
    windows = windows_of(signal.shape[2:], size, call.options, channels=n_out)
    chain.multiply(_kernel_rows(kernel.reshape(n_out, per_group, -1), groups, windows))
    if bias is not None:
        chain.shift(bias.repeat(math.prod(windows.counts)))
    chain.refuse_float32(True, WINOGRAD)
    return 1, n_out, *windows.counts


def _kernel_rows(kernel: Array, groups: int, windows: Windows) -> Sparse:
    """W of a Conv with this kernel [output channels, channels of a group, places]."""
    n_out, per_group, places = kernel.shape
    n_windows, size = math.prod(windows.counts), math.prod(windows.sizes)
    check_rows(n_out * n_windows)
    taken = elements(windows)
    order = np.argsort(taken.place, kind="stable")
    count = np.bincount(taken.place, minlength=places)
    begin = np.cumsum(count) - count
    channel_out, channel, place = np.nonzero(kernel)
    count = count[place]
    check_count(int(count.sum()))
    channel += channel_out // (n_out // groups) * per_group
    entry = np.repeat(begin[place] - np.cumsum(count) + count, count) + np.arange(count.sum())
    at = order[entry]
    return Sparse(
        (n_out * n_windows, groups * per_group * size),
        np.repeat(channel_out * n_windows, count) + taken.window[at],
        np.repeat(channel * size, count) + taken.element[at],
        np.repeat(kernel[kernel != 0].astype(np.float64), count),
    )


def averaged(call: Call, chain: Chain) -> Shape:
    """AveragePool: each number of W is the one nearest to 1 / c, or 0."""
    signal, options = image(call), call.options
    kernel, channels = options["kernel_shape"], signal.shape[1]
    windows = windows_of(signal.shape[2:], kernel, options, channels=channels)
    with_zeros = options.get("count_include_pad", 0) != 0
    need(not (with_zeros and leaves(windows)), "ceil_mode stands beside count_include_pad")
    return _averages(signal, windows, chain, with_zeros=with_zeros)


def averaged_all(call: Call, chain: Chain) -> Shape:
    """GlobalAveragePool: one window takes all of a channel."""
    signal = image(call)
    windows = windows_of(signal.shape[2:], signal.shape[2:], {}, channels=signal.shape[1])
    return _averages(signal, windows, chain, with_zeros=False)


def _averages(signal: Array, windows: Windows, chain: Chain, *, with_zeros: bool) -> Shape:
    channels, size, n_windows = signal.shape[1], signal[0, 0].size, math.prod(windows.counts)
    check_rows(channels * n_windows)
    taken = elements(windows)
    counts = np.bincount(taken.window, minlength=n_windows)
    need(counts.all(), "a window takes no element")
    check_count(channels * len(taken.window))
    if with_zeros:
        counts[:] = math.prod(windows.kernel)
    different, which = np.unique(counts, return_inverse=True)
    factors = nearest_quotients(chain, different)[which]
    channel = np.arange(channels)[:, None]
    weight = Sparse(
        (channels * n_windows, signal.size),
        (channel * n_windows + taken.window).ravel(),
        (channel * size + taken.element).ravel(),
        np.tile(factors[taken.window], channels),
    )
    chain.multiply(weight)
    chain.refuse_float32(True, AVERAGED)
    return 1, channels, *windows.counts


def padded(call: Call, chain: Chain) -> Shape:
    """Pad with zeros: W has rows of zeros where they stand. No layer if there are none."""
    signal = call.operands[0]
    need(call.at == 0, "the signal stands where constants belong")
    assert signal is not None
    pads, value, named = [*call.operands[1:], None, None, None][:3]
    axes = [*range(signal.ndim)] if named is None else checked_axes(integers(named), signal.ndim)
    along = [axis % signal.ndim for axis in axes]
    numbers = integers(call.options["pads"] if pads is None else pads)
    good = len(numbers) == 2 * len(along) == 2 * len(set(along)) and min(numbers) >= 0
    need(good, "its pads do not fit the signal, or take elements away")
    zero = value is None or (value.dtype == signal.dtype and value.size == 1 and not value.any())
    is_zero = zero and call.options.get("value", 0.0) == 0
    constant = call.options.get("mode", b"constant") == b"constant"
    need(constant and is_zero, "it pads with other numbers than zeros")
    ends = [(0, 0)] * signal.ndim
    for axis, first, last in zip(along, numbers, numbers[len(along) :], strict=False):
        ends[axis] = first, last
    shape = tuple(size + sum(end) for size, end in zip(signal.shape, ends, strict=True))
    check_rows(math.prod(shape))
    if math.prod(shape) > signal.size:
        chain.select(np.pad(signal, ends, constant_values=-1), signal.size)
    return shape
