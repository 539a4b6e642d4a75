"""ONNX operators as torch functions, for execution and gradients: nothing here is exact."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from engine.images import shape_operators as shapes
from engine.images.node_inputs import Attributes, Inputs, Operator, Unsupported, given, optional

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
    if attributes.integer("training_mode", 0):
        raise Unsupported("in the mode for training")
    x, scale, shift, mean, variance = (given(inputs, place) for place in range(5))
    eps = attributes.number("epsilon", 1e-5)
    return functional.batch_norm(x, mean.detach(), variance.detach(), scale, shift, eps=eps)  # measured, not learned


# Activations


def _clip(attributes: Attributes, inputs: Inputs) -> Tensor:
    low, high = optional(inputs, 1), optional(inputs, 2)
    if low is None and "min" in attributes.values:
        low = torch.tensor(attributes.number("min", 0))
    if high is None and "max" in attributes.values:
        high = torch.tensor(attributes.number("max", 0))
    return given(inputs, 0) if low is None and high is None else torch.clamp(given(inputs, 0), low, high)


def _softmax(function: Callable[..., Tensor]) -> Operator:
    """Over one axis since opset 13, over all axes from one on before."""

    def apply(attributes: Attributes, inputs: Inputs) -> Tensor:
        x = given(inputs, 0)
        if attributes.opset >= 13:
            return function(x, dim=attributes.integer("axis", -1))
        axis = attributes.integer("axis", 1) % x.ndim
        return function(x.flatten(axis), dim=axis).reshape(x.shape)

    return apply


# Elementwise


def _same(attributes: Attributes, inputs: Inputs) -> Tensor:
    return given(inputs, 0)


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda attributes, inputs: function(given(inputs, 0))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda attributes, inputs: function(given(inputs, 0), given(inputs, 1))


def _divide(attributes: Attributes, inputs: Inputs) -> Tensor:
    a, b = given(inputs, 0), given(inputs, 1)
    whole = not a.is_floating_point() and not b.is_floating_point()
    return torch.div(a, b, rounding_mode="trunc" if whole else None)


def _elu(attributes: Attributes, inputs: Inputs) -> Tensor:
    return functional.elu(given(inputs, 0), attributes.number("alpha", 1.0))


def _hard_sigmoid(attributes: Attributes, inputs: Inputs) -> Tensor:
    alpha, beta = attributes.number("alpha", 0.2), attributes.number("beta", 0.5)
    return torch.clamp(alpha * given(inputs, 0) + beta, 0, 1)


def _leaky_relu(attributes: Attributes, inputs: Inputs) -> Tensor:
    return functional.leaky_relu(given(inputs, 0), attributes.number("alpha", 0.01))


def _arg_max(attributes: Attributes, inputs: Inputs) -> Tensor:
    if attributes.integer("select_last_index", 0):
        raise Unsupported("ArgMax of the last index")
    return given(inputs, 0).argmax(attributes.integer("axis", 0), keepdim=bool(attributes.integer("keepdims", 1)))


def _where(attributes: Attributes, inputs: Inputs) -> Tensor:
    return torch.where(given(inputs, 0), given(inputs, 1), given(inputs, 2))


def _global_average(attributes: Attributes, inputs: Inputs) -> Tensor:
    return given(inputs, 0).mean((2, 3), keepdim=True)


OPERATORS: dict[str, Operator] = {
    "Add": _binary(torch.add),
    "And": _binary(torch.logical_and),
    "ArgMax": _arg_max,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": shapes.cast,
    "Clip": _clip,
    "Concat": shapes.concat,
    "Conv": _conv,
    "Div": _divide,
    "Dropout": _same,
    "Elu": _elu,
    "Equal": _binary(torch.eq),
    "Exp": _unary(torch.exp),
    "Flatten": shapes.flatten,
    "Gather": shapes.gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "Greater": _binary(torch.gt),
    "HardSigmoid": _hard_sigmoid,
    "Identity": _same,
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _softmax(functional.log_softmax),
    "MatMul": _binary(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _binary(torch.mul),
    "Neg": _unary(torch.neg),
    "Pad": shapes.pad,
    "Pow": _binary(torch.pow),
    "ReduceMean": shapes.reduce(torch.mean),
    "ReduceSum": shapes.reduce(torch.sum),
    "Relu": _unary(torch.relu),
    "Reshape": shapes.reshape,
    "Shape": shapes.shape_of,
    "Sigmoid": _unary(torch.sigmoid),
    "Slice": shapes.sliced,
    "Softmax": _softmax(functional.softmax),
    "Softplus": _unary(functional.softplus),
    "Sqrt": _unary(torch.sqrt),
    "Squeeze": shapes.squeeze,
    "Sub": _binary(torch.sub),
    "Tanh": _unary(torch.tanh),
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
    "Where": _where,
}


def execute(operator: str, attributes: Attributes, inputs: Inputs) -> Tensor:
    """The output of one node."""
    return OPERATORS[operator](attributes, inputs)
