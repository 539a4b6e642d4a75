"""Random chains on images in one to three dimensions: convolutions, averages, padding, and axes in another order."""

import numpy as np
from hypothesis import strategies as st
from onnx import ModelProto
from onnx_graphs import Builder, model, node

SMALL = 40  # elements of a signal, at most: the second checker runs one unit vector for each
EXACT = (1, 2, 4, 8)  # divisors by which float32 divides small integers exactly


def numbers(draw, shape: tuple) -> np.ndarray:
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def _each(draw, rank: int, least: int, most: int) -> list[int]:
    return draw(st.lists(st.integers(least, most), min_size=rank, max_size=rank))


def is_image(chain: Builder) -> bool:
    return 3 <= len(chain.shape) <= 5 and chain.shape[0] == 1


def _padding(draw, sizes, spans, strides, *, dilated: bool, most) -> tuple[dict, list[int], list[int]]:
    """Attributes, and what they add at both ends. most: of pads (onnxruntime pools with fewer than a window has)."""
    rank = len(sizes)
    kind = draw(
        st.sampled_from(["none", "pads", "pads", "VALID", "NOTSET"] + ["SAME_UPPER", "SAME_LOWER"] * (not dilated))
    )
    if kind in ("none", "VALID", "NOTSET"):
        return ({} if kind == "none" else {"auto_pad": kind}), [0] * rank, [0] * rank
    if kind == "pads":
        first, last = ([draw(st.integers(0, number)) for number in most] for _ in range(2))
        return {"pads": [*first, *last]}, first, last
    need = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(sizes, strides, spans)]
    less, more = [n // 2 for n in need], [n - n // 2 for n in need]
    return {"auto_pad": kind}, *((less, more) if kind == "SAME_UPPER" else (more, less))


def _counts(sizes, spans, strides, first, last) -> list[int]:
    return [(n + a + b - k) // s + 1 for n, k, s, a, b in zip(sizes, spans, strides, first, last)]


def conv(draw, chain: Builder) -> None:
    if not is_image(chain):
        return
    channels, *sizes = chain.shape[1:]
    rank = len(sizes)
    group = draw(st.sampled_from([g for g in (1, 1, 2, 3) if channels % g == 0]))
    n_out = group * draw(st.integers(1, 2))
    kernel, strides, dilations = _each(draw, rank, 1, 3), _each(draw, rank, 1, 2), _each(draw, rank, 1, 2)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    attributes, first, last = _padding(draw, sizes, spans, strides, dilated=max(dilations) > 1, most=[2] * rank)
    counts = _counts(sizes, spans, strides, first, last)
    if min(counts) < 1 or n_out * np.prod(counts) > SMALL:
        return
    given = {"strides": strides, "dilations": dilations, "kernel_shape": kernel, "group": group}
    plain = {"strides": [1] * rank, "dilations": [1] * rank, "group": 1}
    attributes |= {key: value for key, value in given.items() if value != plain.get(key) or draw(st.booleans())}
    if draw(st.booleans()):
        attributes.pop("kernel_shape", None)
    inputs = "@ " + chain.constant(numbers(draw, (n_out, channels // group, *kernel)))
    if draw(st.booleans()):
        inputs += " " + chain.constant(numbers(draw, (n_out,)) * draw(st.sampled_from([0, 1, 1])))
    chain.step("Conv", inputs, (1, n_out, *counts), **attributes)


def average(draw, chain: Builder) -> None:
    """Means of windows; with ceil_mode now and then."""
    found = pool_windows(draw, chain, dilated_from=19)
    if found is None:
        return
    attributes, counts = found
    if "ceil_mode" not in attributes and draw(st.booleans()):
        attributes["count_include_pad"] = 1
    chain.step("AveragePool", "@", (1, chain.shape[1], *counts), **attributes)


def pool_windows(draw, chain: Builder, *, dilated_from: int, ceiled_from: int = 7) -> tuple[dict, list[int]] | None:
    """The attributes of a pool, and how many windows it has in each dimension; None where none fits.

    With dilations and ceil_mode now and then, from these opsets on.
    """
    if not is_image(chain):
        return None
    channels, *sizes = chain.shape[1:]
    rank = len(sizes)
    kernel, strides = _each(draw, rank, 1, 3), _each(draw, rank, 1, 3)
    dilations = _each(draw, rank, 1, 2) if chain.opset >= dilated_from else [1] * rank
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    attributes, first, last = _padding(
        draw, sizes, spans, strides, dilated=max(dilations) > 1, most=[k - 1 for k in kernel]
    )
    if "SAME" in attributes.get("auto_pad", "") and any(k < s for k, s in zip(kernel, strides)):
        return None  # onnx's own evaluator fails where it would take elements away
    counts = _counts(sizes, spans, strides, first, last)
    if min(counts) < 1 or channels * np.prod(counts) > SMALL:
        return None
    attributes |= {"kernel_shape": kernel, "strides": strides}
    if max(dilations) > 1:
        attributes["dilations"] = dilations
    if "auto_pad" not in attributes and chain.opset >= ceiled_from and draw(st.booleans()):
        attributes["ceil_mode"] = 1
        rooms = [n + a + b - k for n, a, b, k in zip(sizes, first, last, spans)]
        more = [-(-room // s) + 1 for room, s in zip(rooms, strides)]
        counts = [m - ((m - 1) * s >= n + a) for m, s, n, a in zip(more, strides, sizes, first)]
    return attributes, counts


def average_all(draw, chain: Builder) -> None:
    if is_image(chain):
        chain.step("GlobalAveragePool", "@", (*chain.shape[:2], *[1] * (len(chain.shape) - 2)))


def pad(draw, chain: Builder) -> None:
    axes = sorted(draw(st.sets(st.sampled_from(range(len(chain.shape))), min_size=1)))
    ends = [(draw(st.integers(0, 1)), draw(st.integers(0, 1))) for _ in axes]
    shape = list(chain.shape)
    for axis, end in zip(axes, ends):
        shape[axis] += sum(end)
    if np.prod(shape) > SMALL:
        return
    mode = {"mode": "constant"} if draw(st.booleans()) else {}
    if chain.opset >= 18 and draw(st.booleans()):
        pads, named = (
            [*(a for a, _ in ends), *(b for _, b in ends)],
            [a - draw(st.sampled_from([0, len(shape)])) for a in axes],
        )
        value = draw(st.sampled_from(["", chain.constant(np.float32(0))]))
        lists = [chain.constant(np.array(some, np.int64)) for some in (pads, named)]
        chain.nodes.append(_pad(chain, [chain.name, lists[0], value, lists[1]], mode))
    else:
        before, after = [0] * len(shape), [0] * len(shape)
        for axis, (a, b) in zip(axes, ends):
            before[axis], after[axis] = a, b
        if chain.opset >= 11:
            inputs = [chain.name, chain.constant(np.array([*before, *after], np.int64))]
            chain.nodes.append(_pad(chain, inputs, mode))
        else:
            chain.nodes.append(_pad(chain, [chain.name], mode | {"pads": [*before, *after]}))
    chain.name, chain.shape = chain.nodes[-1].output[0], tuple(shape)


def _pad(chain: Builder, inputs: list[str], attributes: dict):
    found = node("Pad", "", f"t{len(chain.nodes)}", **attributes)
    found.input.extend(inputs)
    return found


def turn(draw, chain: Builder) -> None:
    order = draw(st.permutations(range(len(chain.shape))))
    attributes = {} if order == sorted(order, reverse=True) and draw(st.booleans()) else {"perm": list(order)}
    chain.step("Transpose", "@", tuple(chain.shape[axis] for axis in order), **attributes)


def reshape(draw, chain: Builder) -> None:
    size = int(np.prod(chain.shape))
    half = [(1, d, size // d) for d in (1, 2, 3) if size % d == 0]
    square = [(1, 1, 2, size // 2)] if size % 2 == 0 else []
    shape = draw(st.sampled_from([(1, size), chain.shape, *half, *square]))
    chain.step("Reshape", "@ " + chain.constant(np.array(shape, np.int64)), shape)


def shift(draw, chain: Builder) -> None:
    chain.step("Add", "@ " + chain.constant(numbers(draw, chain.shape)), chain.shape)


def relu(draw, chain: Builder) -> None:
    chain.step("Relu", "@", chain.shape)


STEPS = [conv, conv, conv, average, average, average_all, pad, turn, reshape, shift, relu]
SHAPES = [(1, 1, 5), (1, 3, 4), (1, 2, 3, 4), (1, 1, 4, 4), (1, 4, 2, 3), (1, 2, 2, 2, 3)]


@st.composite
def images(draw, steps=STEPS) -> ModelProto:
    shape = draw(st.sampled_from(SHAPES))
    chain = Builder(shape, draw(st.sampled_from([10, 13, 17, 18, 19, 22])))
    for step in draw(st.lists(st.sampled_from(steps), min_size=1, max_size=5)):
        step(draw, chain)
    if not chain.nodes or chain.name == "x":
        relu(draw, chain)
    return model(chain.nodes, chain.constants, shape=shape, output=chain.name, opset=chain.opset)
