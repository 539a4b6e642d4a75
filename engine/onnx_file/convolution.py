"""Windows that slide over the signal: the geometry of convolutions and pools, in one to three dimensions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import InputError
from engine.onnx_file.signal import Ints

OUTSIDE = -1  # the place of an element that is in the padding
MAX_DIMENSIONS = 3
MAX_TAKEN = 1 << 22  # elements that all windows take together, in the padding too
_MAX_NUMBER = 2**31  # in any list: so no place overflows
_EXPORT = "check how the network was exported"


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over an array of `sizes`, with zeros around it. Each field has one number for each dimension.

    kernel: how many elements a window takes; strides, dilations: how far it is from one window to the next, and from
    one element of a window to the next; before, after: how many zeros stand at both ends; counts: how many windows.
    """

    sizes: Ints
    kernel: Ints
    strides: Ints
    dilations: Ints
    before: Ints
    after: Ints
    counts: Ints

    @property
    def is_inside(self) -> bool:
        """True iff no window leaves the array with its zeros. Only windows of a ceil_mode do."""
        ends = (
            (c - 1) * s + span for c, s, span in zip(self.counts, self.strides, _spans(self.kernel, self.dilations))
        )
        rooms = (n + b + a for n, b, a in zip(self.sizes, self.before, self.after))
        return all(end <= room for end, room in zip(ends, rooms))

    @property
    def taken(self) -> int:
        """How many elements all windows take together, but for the zeros around."""
        return int((self.places() != OUTSIDE).sum())

    def places(self) -> np.ndarray:
        """Returns the element that each window has at each of its places, [windows, kernel]; OUTSIDE for none.

        All three are in row-major order.
        """
        found, inside = np.zeros((1, 1), np.int64), np.ones((1, 1), bool)
        rows = zip(self.sizes, self.kernel, self.strides, self.dilations, self.before, self.counts)
        for size, kernel, stride, dilation, before, count in rows:
            along = np.arange(count)[:, None] * stride + np.arange(kernel) * dilation - before
            shape = (len(found) * count, found.shape[1] * kernel)
            there = (along >= 0) & (along < size)
            found = (found[:, None, :, None] * size + np.where(there, along, 0)[:, None]).reshape(shape)
            inside = (inside[:, None, :, None] & there[:, None]).reshape(shape)
        return np.where(inside, found, OUTSIDE)


def windows_over(
    sizes: Ints,
    kernel: Ints,
    *,
    auto_pad: str = "NOTSET",
    pads: Ints | None = None,
    strides: Ints | None = None,
    dilations: Ints | None = None,
    ceil_mode: int = 0,
    times: int,
) -> Windows:
    """Returns the windows that a node's attributes describe. InputError where there are none, or too many.

    times: how often each place of a window is taken: by each output channel, or of each channel.
    """
    if not 1 <= len(sizes) <= MAX_DIMENSIONS:
        raise InputError(f"it slides over {len(sizes)} dimensions", advice=f"use 1 to {MAX_DIMENSIONS}")
    ones = (1,) * len(sizes)
    strides, dilations = strides or ones, dilations or ones
    for numbers in (kernel, strides, dilations):
        _check(numbers, len(sizes), least=1)
    if auto_pad == "NOTSET":
        paddings = (0,) * 2 * len(sizes) if pads is None else pads
        _check(paddings, 2 * len(sizes), least=0)
        before, after = paddings[: len(sizes)], paddings[len(sizes) :]
    elif pads is not None or ceil_mode:
        raise InputError("auto_pad stands beside pads or ceil_mode", advice="state pads alone")
    else:
        before, after = _automatic(sizes, kernel, strides, dilations, auto_pad)
    counts = tuple(
        _count(size, span, stride, b, a, up=bool(ceil_mode))
        for size, span, stride, b, a in zip(sizes, _spans(kernel, dilations), strides, before, after)
    )
    if min(counts) < 1:
        raise InputError(f"no window of {list(kernel)} fits into {list(sizes)}", advice=_EXPORT)
    if times * math.prod(counts) * math.prod(kernel) > MAX_TAKEN:
        raise InputError(f"its windows take more than {MAX_TAKEN:,} elements in all", advice="use a smaller network")
    return Windows(sizes, kernel, strides, dilations, before, after, counts)


@dataclass(frozen=True, slots=True)
class Unrolled:
    """The places of a kernel's numbers in the matrix [out * windows, channels * elements] of a convolution.

    Each is an array [n], of what no zero of the padding is multiplied with: row and column, and number, which counts
    in the kernel [out, channels of a group, numbers of a window].
    """

    row: np.ndarray
    column: np.ndarray
    number: np.ndarray


def unrolled(windows: Windows, *, n_out: int, n_in: int, channels: int) -> Unrolled:
    """Returns the convolution's places. n_out: output channels; n_in: channels of a group, of all these channels."""
    places = windows.places()
    taken = np.nonzero(places != OUTSIDE)
    window, number, element = (part.astype(np.int32) for part in (*taken, places[taken]))
    size = math.prod(windows.sizes)
    out, of_group = np.arange(n_out, dtype=np.int32)[:, None, None], np.arange(n_in, dtype=np.int32)
    channel = out // (n_out // (channels // n_in)) * n_in + of_group
    column = channel * size + element[:, None]
    row = np.broadcast_to(out * len(places) + window[:, None], column.shape)
    kernel = (out * n_in + of_group) * places.shape[1] + number[:, None]
    return Unrolled(row.ravel(), column.ravel(), kernel.ravel())


def _spans(kernel: Ints, dilations: Ints) -> Ints:
    """Returns from where to where a window reaches."""
    return tuple((number - 1) * dilation + 1 for number, dilation in zip(kernel, dilations))


def _check(numbers: Sequence[int], length: int, *, least: int) -> None:
    if len(numbers) != length or not all(least <= number <= _MAX_NUMBER for number in numbers):
        what = f"{list(numbers)} is no list of {length} numbers from {least} to {_MAX_NUMBER}"
        raise InputError(what, advice=_EXPORT)


def _automatic(sizes: Ints, kernel: Ints, strides: Ints, dilations: Ints, auto_pad: str) -> tuple[Ints, Ints]:
    """Returns the zeros at both ends: for SAME so many that there is a window for each stride that has begun."""
    if auto_pad == "VALID":
        return (0,) * len(sizes), (0,) * len(sizes)
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        raise InputError(f"auto_pad is {auto_pad!r}", advice="use NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    if max(dilations) > 1:  # runtimes refuse it, or give other shapes
        raise InputError(f"auto_pad {auto_pad} stands beside dilations {list(dilations)}", advice="state pads")
    totals = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(sizes, strides, kernel)]
    less, more = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    return (less, more) if auto_pad == "SAME_UPPER" else (more, less)


def _count(size: int, span: int, stride: int, before: int, after: int, *, up: bool) -> int:
    """Returns how many windows there are along a dimension: none where the first does not fit.

    With `up` a last one may be cut off, but none begins behind the elements, in the zeros there.
    """
    room = size + before + after - span
    if room < 0:
        return 0
    count = (-(-room // stride) if up else room // stride) + 1
    return count - 1 if up and (count - 1) * stride >= size + before else count
