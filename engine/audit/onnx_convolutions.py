"""Conv, AveragePool, GlobalAveragePool and Pad: layers whose W is written out (section 3)."""

import math

import numpy as np

from engine.audit.data import Array, Floats, need
from engine.audit.onnx_chain import Chain
from engine.audit.onnx_forms import Call
from engine.audit.onnx_moves import checked_axes
from engine.audit.onnx_rounded import nearest_quotients
from engine.audit.onnx_selections import integers
from engine.audit.onnx_windows import (
    Windows,
    check_size,
    elements,
    image,
    leaves,
    windows_of,
)

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
    windows = windows_of(signal.shape[2:], size, call.options)
    weight = _room(n_out, channels, windows)
    numbers = kernel.reshape(n_out, per_group, -1)
    for window, pairs in enumerate(elements(windows)):
        places, taken = [place for place, _ in pairs], [element for _, element in pairs]
        for group in range(groups):
            rows = slice(group * n_out // groups, (group + 1) * n_out // groups)
            columns = slice(group * per_group, (group + 1) * per_group)
            weight[rows, window, columns][:, :, taken] = numbers[rows][:, :, places]
    chain.multiply(weight.reshape(-1, signal.size))
    if bias is not None:
        chain.shift(bias.repeat(math.prod(windows.counts)))
    chain.refuse_float32(True, WINOGRAD)
    return 1, n_out, *windows.counts


def averaged(call: Call, chain: Chain) -> Shape:
    """AveragePool: each number of W is the one nearest to 1 / c, or 0."""
    signal, options = image(call), call.options
    windows = windows_of(signal.shape[2:], options["kernel_shape"], options)
    with_zeros = options.get("count_include_pad", 0) != 0
    need(not (with_zeros and leaves(windows)), "ceil_mode stands beside count_include_pad")
    return _averages(signal, windows, chain, with_zeros=with_zeros)


def averaged_all(call: Call, chain: Chain) -> Shape:
    """GlobalAveragePool: one window takes all of a channel."""
    signal = image(call)
    windows = windows_of(signal.shape[2:], signal.shape[2:], {})
    return _averages(signal, windows, chain, with_zeros=False)


def _averages(signal: Array, windows: Windows, chain: Chain, *, with_zeros: bool) -> Shape:
    channels = signal.shape[1]
    weight = _room(channels, channels, windows)
    found = [[element for _, element in pairs] for pairs in elements(windows)]
    need(all(found), "a window takes no element")
    counts = [math.prod(windows.kernel) if with_zeros else len(taken) for taken in found]
    factors = nearest_quotients(chain, counts)
    for window, taken in enumerate(found):
        for channel in range(channels):
            weight[channel, window, channel, taken] = factors[window]
    chain.multiply(weight.reshape(-1, signal.size))
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
    check_size(math.prod(shape), signal.size)
    if math.prod(shape) > signal.size:
        chain.select(np.pad(signal, ends, constant_values=-1), signal.size)
    return shape


def _room(n_out: int, channels: int, windows: Windows) -> Floats:
    """W before it has numbers: by output channel, window, channel and element."""
    n_windows, size = math.prod(windows.counts), math.prod(windows.sizes)
    check_size(n_out * n_windows, channels * size)
    return np.zeros((n_out, n_windows, channels, size))
