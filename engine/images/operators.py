"""ONNX operators as torch functions, for execution and gradients: nothing here is exact.

Each takes a node's attributes and its inputs, None for those left out, as the ONNX standard orders them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


class Unsupported(Exception):
    """This use of an operator is not implemented; the message says which."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """A node's attributes by name, with the standard's default where one is absent."""

    values: dict[str, object]

    def integer(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        assert isinstance(value, int)
        return value

    def number(self, name: str, default: float) -> float:
        value = self.values.get(name, default)
        assert isinstance(value, (int, float))
        return float(value)

    def integers(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        value = self.values.get(name, default)
        assert isinstance(value, (list, tuple))
        return tuple(value)

    def word(self, name: str, default: str) -> str:
        value = self.values.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)


Inputs = Sequence[Tensor | None]
Operator = Callable[[Attributes, Inputs], Tensor]


def given(inputs: Inputs, place: int) -> Tensor:
    """The input in this place, which the standard demands."""
    value = inputs[place] if place < len(inputs) else None
    if value is None:
        raise Unsupported(f"input {place} is missing")
    return value


def optional(inputs: Inputs, place: int) -> Tensor | None:
    return inputs[place] if place < len(inputs) else None


# Layers


def _gemm(attributes: Attributes, inputs: Inputs) -> Tensor:
    a, b, c = given(inputs, 0), given(inputs, 1), optional(inputs, 2)
    a = a.T if attributes.integer("transA", 0) else a
    b = b.T if attributes.integer("transB", 0) else b
    product = attributes.number("alpha", 1.0) * (a @ b)
    return product if c is None else product + attributes.number("beta", 1.0) * c


def padding(attributes: Attributes, x: Tensor, kernel: Sequence[int]) -> tuple[int, ...]:
    """Pads of the image's axes as functional.pad wants them: last axis first, its begin and its end."""
    axes, strides = len(kernel), attributes.integers("strides", (1,) * len(kernel))
    dilations = attributes.integers("dilations", (1,) * axes)
    mode = attributes.word("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        pads = attributes.integers("pads", (0,) * (2 * axes)) if mode == "NOTSET" else (0,) * (2 * axes)
        pairs = [(pads[i], pads[i + axes]) for i in range(axes)]
    else:
        pairs = []
        for size, k, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            total = max((-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            small = total // 2
            pairs.append((small, total - small) if mode == "SAME_UPPER" else (total - small, small))
    return tuple(end for pair in reversed(pairs) for end in pair)


def _conv(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, weight = given(inputs, 0), given(inputs, 1)
    if weight.ndim != 4:
        raise Unsupported("a convolution in other than two dimensions")
    axes = weight.shape[2:]
    return functional.conv2d(
        functional.pad(x, padding(attributes, x, axes)),
        weight,
        optional(inputs, 2),
        stride=attributes.integers("strides", (1, 1)),
        dilation=attributes.integers("dilations", (1, 1)),
        groups=attributes.integer("group", 1),
    )


def _max_pool(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, kernel = given(inputs, 0), attributes.integers("kernel_shape")
    demand_plain_pool(attributes, kernel)
    padded = functional.pad(x, padding(attributes, x, kernel), value=-torch.inf)
    return functional.max_pool2d(
        padded, kernel, attributes.integers("strides", (1, 1)), dilation=attributes.integers("dilations", (1, 1))
    )


def _average_pool(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, kernel = given(inputs, 0), attributes.integers("kernel_shape")
    demand_plain_pool(attributes, kernel)
    pads, strides = padding(attributes, x, kernel), attributes.integers("strides", (1, 1))
    mean = functional.avg_pool2d(functional.pad(x, pads), kernel, strides)
    if not any(pads) or attributes.integer("count_include_pad", 0):
        return mean
    ones = functional.pad(torch.ones_like(x[:1, :1]), pads)
    return mean / functional.avg_pool2d(ones, kernel, strides)


def demand_plain_pool(attributes: Attributes, kernel: Sequence[int]) -> None:
    if len(kernel) != 2 or attributes.integer("ceil_mode", 0):
        raise Unsupported("pooling in other than two dimensions, or with ceil_mode")


def _batch_normalization(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, scale, shift, mean, variance = (given(inputs, place) for place in range(5))
    return functional.batch_norm(
        x, mean.detach(), variance.detach(), scale, shift, eps=attributes.number("epsilon", 1e-5)
    )


# Activations


def _clip(attributes: Attributes, inputs: Inputs) -> Tensor:
    low, high = optional(inputs, 1), optional(inputs, 2)
    if low is None and "min" in attributes.values:
        low = torch.tensor(attributes.number("min", 0))
    if high is None and "max" in attributes.values:
        high = torch.tensor(attributes.number("max", 0))
    return given(inputs, 0) if low is None and high is None else torch.clamp(given(inputs, 0), low, high)


def _softmax(function: Callable[..., Tensor]) -> Operator:
    return lambda attributes, inputs: function(given(inputs, 0), dim=attributes.integer("axis", -1))


# Shapes


def _flatten(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, axis = given(inputs, 0), attributes.integer("axis", 1)
    if axis != 1:
        raise Unsupported(f"Flatten with axis {axis}")
    return x.flatten(1)


def _reshape(attributes: Attributes, inputs: Inputs) -> Tensor:
    """A batch of another size than the file's keeps its size: the first axis is taken over."""
    x, shape = given(inputs, 0), [int(n) for n in given(inputs, 1)]
    if not x.is_floating_point():
        return x.reshape(shape)
    shape = [x.shape[i] if n == 0 and not attributes.integer("allowzero", 0) else n for i, n in enumerate(shape)]
    return x.reshape([len(x), *shape[1:]])


def _axes(attributes: Attributes, inputs: Inputs) -> tuple[int, ...]:
    """Of Squeeze and Unsqueeze: an input since opset 13, an attribute before."""
    axes = optional(inputs, 1)
    return attributes.integers("axes") if axes is None else tuple(int(n) for n in axes)


def _squeeze(attributes: Attributes, inputs: Inputs) -> Tensor:
    return given(inputs, 0).squeeze(_axes(attributes, inputs))


def _unsqueeze(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, axes = given(inputs, 0), _axes(attributes, inputs)
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _transpose(attributes: Attributes, inputs: Inputs) -> Tensor:
    x = given(inputs, 0)
    return x.permute(attributes.integers("perm", tuple(reversed(range(x.ndim)))))


def _concat(attributes: Attributes, inputs: Inputs) -> Tensor:
    return torch.cat([given(inputs, place) for place in range(len(inputs))], attributes.integer("axis", 0))


def _gather(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, index, axis = given(inputs, 0), given(inputs, 1), attributes.integer("axis", 0)
    return x[int(index)] if x.ndim == 1 and index.ndim == 0 else torch.index_select(x, axis, index.flatten())


def _pad(attributes: Attributes, inputs: Inputs) -> Tensor:
    x, pads = given(inputs, 0), optional(inputs, 1)
    ends = attributes.integers("pads") if pads is None else tuple(int(n) for n in pads)
    if attributes.word("mode", "constant") != "constant" or len(inputs) > 3:
        raise Unsupported("Pad in another mode than constant, or of some axes")
    value = optional(inputs, 2)
    pairs = [(ends[i], ends[i + x.ndim]) for i in range(x.ndim)]
    flat = tuple(end for pair in reversed(pairs) for end in pair)
    return functional.pad(x, flat, value=attributes.number("value", 0.0) if value is None else float(value))


def _shape(attributes: Attributes, inputs: Inputs) -> Tensor:
    return torch.tensor(given(inputs, 0).shape)


def _same(attributes: Attributes, inputs: Inputs) -> Tensor:
    return given(inputs, 0)


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda attributes, inputs: function(given(inputs, 0))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda attributes, inputs: function(given(inputs, 0), given(inputs, 1))


def _leaky_relu(attributes: Attributes, inputs: Inputs) -> Tensor:
    return functional.leaky_relu(given(inputs, 0), attributes.number("alpha", 0.01))


def _global_average(attributes: Attributes, inputs: Inputs) -> Tensor:
    return given(inputs, 0).mean((2, 3), keepdim=True)


OPERATORS: dict[str, Operator] = {
    "Add": _binary(torch.add),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _same,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _binary(torch.div),
    "Dropout": _same,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "Identity": _same,
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _softmax(functional.log_softmax),
    "MatMul": _binary(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _binary(torch.mul),
    "Pad": _pad,
    "Relu": _unary(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _unary(torch.sigmoid),
    "Softmax": _softmax(functional.softmax),
    "Squeeze": _squeeze,
    "Sub": _binary(torch.sub),
    "Tanh": _unary(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


def execute(operator: str, attributes: Attributes, inputs: Inputs) -> Tensor:
    """The output of one node."""
    return OPERATORS[operator](attributes, inputs)
