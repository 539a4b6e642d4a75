"""Random chains on images with largest elements of windows among their steps."""

import numpy as np
from hypothesis import strategies as st
from onnx_graphs import Builder
from onnx_windowed_graphs import (
    SMALL,
    _counts,
    _each,
    _is_image,
    _padding,
    conv,
    images,
    pad,
    relu,
    reshape,
    shift,
    turn,
)


def maximum(draw, chain: Builder) -> None:
    """With ceil_mode now and then, and in all opsets that change its attributes."""
    if not _is_image(chain):
        return
    channels, *sizes = chain.shape[1:]
    rank = len(sizes)
    kernel, strides = _each(draw, rank, 1, 3), _each(draw, rank, 1, 3)
    dilations = _each(draw, rank, 1, 2) if chain.opset >= 10 else [1] * rank
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    attributes, first, last = _padding(
        draw, sizes, spans, strides, dilated=max(dilations) > 1, most=[k - 1 for k in kernel]
    )
    if "SAME" in attributes.get("auto_pad", "") and any(k < s for k, s in zip(kernel, strides)):
        return  # onnx's own evaluator fails where it would take elements away
    counts = _counts(sizes, spans, strides, first, last)
    if min(counts) < 1 or channels * np.prod(counts) > SMALL:
        return
    attributes |= {"kernel_shape": kernel, "strides": strides}
    if max(dilations) > 1:
        attributes["dilations"] = dilations
    if draw(st.booleans()):
        attributes["storage_order"] = 0
    if "auto_pad" not in attributes and chain.opset >= 10 and draw(st.booleans()):
        attributes["ceil_mode"] = 1
        rooms = [n + a + b - k for n, a, b, k in zip(sizes, first, last, spans)]
        more = [-(-room // s) + 1 for room, s in zip(rooms, strides)]
        counts = [m - ((m - 1) * s >= n + a) for m, s, n, a in zip(more, strides, sizes, first)]
    chain.step("MaxPool", "@", (1, channels, *counts), **attributes)


def maximum_of_all(draw, chain: Builder) -> None:
    if _is_image(chain):
        chain.step("GlobalMaxPool", "@", (*chain.shape[:2], *[1] * (len(chain.shape) - 2)))


def negate(draw, chain: Builder) -> None:
    chain.step("Neg", "@", chain.shape)


STEPS = [maximum, maximum, maximum, maximum_of_all, conv, pad, turn, reshape, shift, relu, negate]


def pooled():
    return images(STEPS)
