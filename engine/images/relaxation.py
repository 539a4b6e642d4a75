"""ONNX operators on lines: what follows from a tensor that depends on one variable in each row."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from engine.images.graph import Graph
from engine.images.lines import Lines, constant_lines, rows_of
from engine.images.node_inputs import Attributes, Unsupported, optional
from engine.images.operators import demand_plain_pool, execute, padding

Inputs = list[Lines | Tensor | None]
Operator = Callable[[str, Attributes, Lines, Inputs], Lines]


def lines_after(graph: Graph, start: str, lines: Lines, sides: dict[str, Tensor], name: str) -> Lines:
    """Bounds of tensor `name` where tensor `start` is between lines, and the `sides` (see Graph.sides) are fixed.

    InputError names an operator that cannot be bounded.
    """
    given = {start: lines, **{side: constant_lines(value) for side, value in sides.items()}}
    return graph.evaluate(given, (name,), _execute)[name]


def _execute(operator: str, attributes: Attributes, inputs: Inputs) -> Lines:
    lines = next((value for value in inputs if isinstance(value, Lines)), None)
    if lines is None:  # computed from constants alone, such as shapes: lines are never made of it
        return execute(operator, attributes, inputs)  # type: ignore[arg-type, return-value]
    if operator not in BOUNDED:
        raise Unsupported("it cannot be bounded by lines")
    return BOUNDED[operator](operator, attributes, lines, inputs)


def _weights(inputs: Inputs) -> list[Tensor | None]:
    """The inputs after the first, which have to be constant; the first has to be the one that is not."""
    if not isinstance(inputs[0], Lines) or any(isinstance(value, Lines) for value in inputs[1:]):
        raise Unsupported("another input than its first depends on the variable")
    return list(inputs[1:])  # type: ignore[arg-type]


def _layer(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    """Conv, Gemm, MatMul. Absolute values are taken once more at the end because Gemm's alpha may be negative."""
    weight, *bias = _weights(inputs)
    assert weight is not None
    if attributes.integer("transA", 0):
        raise Unsupported("transA")
    return lines.linear(
        lambda x: execute(operator, attributes, [x, weight, *bias]),
        lambda x: execute(operator, attributes, [x, weight.abs()]).abs(),
    )


def _batch_normalization(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    scale, shift, mean, variance = _weights(inputs)
    assert scale is not None and variance is not None
    zero = torch.zeros_like(scale)
    return lines.linear(
        lambda x: execute(operator, attributes, [x, scale, shift, mean, variance]),
        lambda x: execute(operator, attributes, [x, scale.abs(), zero, zero, variance]),
    )


def _monotone(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    weights = _weights(inputs)
    return lines.monotone(lambda x: execute(operator, attributes, [x, *weights]))


def _concat(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    parts = []
    for value in inputs:
        if not isinstance(value, Lines):
            raise Unsupported("a constant beside what depends on the variable")
        parts.append(value.flat)
    return Lines(rows_of(execute(operator, attributes, parts), lines.ends.shape[:3]))


def _sum(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    first, second = inputs
    if operator == "Sub":
        second = second.negative() if isinstance(second, Lines) else -_tensor(second)
    sides = [value.ends if isinstance(value, Lines) else _tensor(value) for value in (first, second)]
    return Lines(sides[0] + sides[1])


def _product(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    first, second = inputs
    if operator == "Mul" and isinstance(second, Lines):
        first, second = second, first
    (factor,) = _weights([first, second])
    factor = _tensor(factor)
    factor = 1 / factor if operator == "Div" else factor
    ends = lines.ends * factor
    return Lines(torch.where(factor < 0, ends.flip(0), ends))


def _tensor(value: Lines | Tensor | None) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def _relu(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    return lines.leaky(0.0)


def _leaky_relu(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    alpha = attributes.number("alpha", 0.01)
    if not 0 <= alpha <= 1:
        raise Unsupported(f"alpha {alpha}")
    return lines.leaky(alpha)


def _clip(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    low, high = optional(_weights(inputs), 0), optional(_weights(inputs), 1)
    low = torch.tensor(attributes.number("min", -torch.inf)) if low is None else low
    high = torch.tensor(attributes.number("max", torch.inf)) if high is None else high
    return lines.at_least(low).negative().at_least(-high).negative()


def _max_pool(operator: str, attributes: Attributes, lines: Lines, inputs: Inputs) -> Lines:
    kernel = attributes.integers("kernel_shape")
    demand_plain_pool(attributes, kernel)
    pads = padding(attributes, lines.flat, kernel)
    lines = lines.monotone(lambda x: functional.pad(x, pads, value=-torch.inf)) if any(pads) else lines
    strides, dilation = attributes.integers("strides", (1, 1)), attributes.integers("dilations", (1, 1))
    return lines.largest(
        lambda x: functional.max_pool2d(x, kernel, strides, dilation=dilation),
        lambda x: functional.max_pool2d(x, kernel, strides, dilation=dilation, return_indices=True)[1],
    )


LINEAR_AND_RISING = (
    "AveragePool Cast Dropout Flatten Gather GlobalAveragePool Identity Pad Reshape Squeeze Transpose Unsqueeze"
).split()

BOUNDED: dict[str, Operator] = {
    **dict.fromkeys(LINEAR_AND_RISING, _monotone),
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), _layer),
    **dict.fromkeys(("Add", "Sub"), _sum),
    **dict.fromkeys(("Mul", "Div"), _product),
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Concat": _concat,
    "LeakyRelu": _leaky_relu,
    "MaxPool": _max_pool,
    "Relu": _relu,
    "Shape": lambda operator, attributes, lines, inputs: torch.tensor(lines.flat.shape),  # type: ignore[dict-item, return-value]
    "Sigmoid": lambda operator, attributes, lines, inputs: lines.sigmoid(),
    "Tanh": lambda operator, attributes, lines, inputs: lines.tanh(),
}
