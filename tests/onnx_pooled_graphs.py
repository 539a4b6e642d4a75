"""Random chains on images with largest elements of windows among their steps."""

from hypothesis import strategies as st
from onnx_graphs import Builder
from onnx_windowed_graphs import conv, images, is_image, pad, pool_windows, relu, reshape, shift, turn


def maximum(draw, chain: Builder) -> None:
    """With ceil_mode now and then, and in all opsets that change its attributes."""
    found = pool_windows(draw, chain, dilated_from=10, ceiled_from=10)
    if found is None:
        return
    attributes, counts = found
    if draw(st.booleans()):
        attributes["storage_order"] = 0
    chain.step("MaxPool", "@", (1, chain.shape[1], *counts), **attributes)


def maximum_of_all(draw, chain: Builder) -> None:
    if is_image(chain):
        chain.step("GlobalMaxPool", "@", (*chain.shape[:2], *[1] * (len(chain.shape) - 2)))


def negate(draw, chain: Builder) -> None:
    chain.step("Neg", "@", chain.shape)


STEPS = [maximum, maximum, maximum, maximum_of_all, conv, pad, turn, reshape, shift, relu, negate]


def pooled():
    return images(STEPS)
