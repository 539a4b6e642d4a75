"""ONNX operators that move numbers, or say where they are: shapes, slices, sums over axes.

A tensor that depends on the images has the batch on its first axis, of whatever size; that of the file does not count.
"""

from collections.abc import Callable

import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional

from engine.images.node_inputs import Attributes, Inputs, Operator, Unsupported, given, optional

FLOATING = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)


def flatten(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, axis = given(inputs, 0), attributes.integer("axis", 1)
    if axis != 1:
        raise Unsupported(f"Flatten with axis {axis}")
    return x.flatten(1)


def reshape(attributes: Attributes, inputs: Inputs) -> Tensor:
    """A batch of another size than the file's keeps its size: the first axis is taken over."""
    x, shape = given(inputs, 0), [int(n) for n in given(inputs, 1)]
    shape = [x.shape[i] if n == 0 and not attributes.integer("allowzero", 0) else n for i, n in enumerate(shape)]
    if attributes.varying and x.is_floating_point():
        return x.reshape([len(x), *shape[1:]])
    return x.reshape(shape)


def _axes(attributes: Attributes, inputs: Inputs) -> tuple[int, ...]:
    """Of Squeeze and Unsqueeze: an input since opset 13, an attribute before."""
    axes = optional(inputs, 1)
    return attributes.integers("axes") if axes is None else tuple(int(n) for n in axes)


def squeeze(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, axes = given(inputs, 0), _axes(attributes, inputs)
    first = 1 if attributes.varying and x.is_floating_point() else 0  # a batch of one stays a batch
    return x.squeeze(axes or tuple(i for i in range(first, x.ndim) if x.shape[i] == 1))


def unsqueeze(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, axes = given(inputs, 0), _axes(attributes, inputs)
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def transpose(attributes: Attributes, inputs: Inputs) -> Tensor:
    x = given(inputs, 0)
    return x.permute(attributes.integers("perm", tuple(reversed(range(x.ndim)))))


def concat(attributes: Attributes, inputs: Inputs) -> Tensor:
    return torch.cat([given(inputs, place) for place in range(len(inputs))], attributes.integer("axis", 0))


def gather(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, index = given(inputs, 0), given(inputs, 1)
    axis = attributes.integer("axis", 0) % x.ndim
    taken = torch.index_select(x, axis, (index.flatten() % x.shape[axis]).to(x.device))
    return taken.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def sliced(attributes: Attributes, inputs: Inputs) -> Tensor:
    """From opset 10 on: starts, ends, axes and steps are inputs; steps above 0."""
    x = given(inputs, 0)
    starts, ends = ([int(n) for n in given(inputs, place)] for place in (1, 2))
    axes, steps = optional(inputs, 3), optional(inputs, 4)
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = i if axes is None else int(axes[i]) % x.ndim
        step = 1 if steps is None else int(steps[i])
        if step < 1:
            raise Unsupported("Slice backwards")
        x = x[(slice(None),) * axis + (slice(start, end, step),)]
    return x


def reduce(function: Callable[..., Tensor]) -> Operator:
    """Over the axes, which are an input in newer opsets; over none where nothing says which."""

    def apply(attributes: Attributes, inputs: Inputs) -> Tensor:
        axes = _axes(attributes, inputs)
        if not axes:
            raise Unsupported("a reduction over all axes, the batch's too")
        return function(given(inputs, 0), dim=axes, keepdim=bool(attributes.integer("keepdims", 1)))

    return apply


def pad(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, pads = given(inputs, 0), optional(inputs, 1)
    ends = attributes.integers("pads") if pads is None else tuple(int(n) for n in pads)
    if attributes.word("mode", "constant") != "constant" or optional(inputs, 3) is not None:
        raise Unsupported("Pad in another mode than constant, or of some axes")
    value = optional(inputs, 2)
    pairs = [(ends[i], ends[i + x.ndim]) for i in range(x.ndim)]
    flat = tuple(end for pair in reversed(pairs) for end in pair)
    return functional.pad(x, flat, value=attributes.number("value", 0.0) if value is None else float(value))


def shape_of(attributes: Attributes, inputs: Inputs) -> Tensor:
    return torch.tensor(given(inputs, 0).shape)


def cast(attributes: Attributes, inputs: Inputs) -> Tensor:
    """Floating-point numbers of one size become no others: gradients are wanted in the type of the weights."""
    x, floating = given(inputs, 0), attributes.integer("to", 1) in FLOATING
    if floating:
        return x if x.is_floating_point() else x.float()
    return x.long()
