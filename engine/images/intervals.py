"""Interval bounds of what a graph computes, for training: differentiable, in floating point, and no proof."""

from collections.abc import Callable
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor

from engine.images.graph import Graph
from engine.images.node_inputs import Attributes, Unsupported
from engine.images.operators import execute


@dataclass(frozen=True, slots=True)
class Interval:
    """low <= x <= high for a tensor x."""

    low: Tensor
    high: Tensor


Inputs = list[Interval | Tensor | None]
TRANSPOSED = {"transB": 1}  # a Gemm's attributes: of weights [classes, features]
PLAIN = {"alpha": 1.0, "beta": 1.0, "transA": 0, **TRANSPOSED}


def scores_between(graph: Graph, low: Tensor, high: Tensor) -> Interval:
    """Bounds of the scores [n, classes] for inputs between low and high, as the network reads them.

    Interval bound propagation (Gowal et al., ICCV 2019). InputError names an operator that cannot be bounded.
    """
    given = {graph.input: Interval(low, high)}
    found = graph.evaluate(given, (graph.scores,), _execute)[graph.scores]
    return Interval(found.low.flatten(1), found.high.flatten(1))


def gaps_between(graph: Graph, low: Tensor, high: Tensor, labels: Tensor) -> Tensor:
    """Upper bounds [n, classes] of how far each score can be above that of the label [n], in the same way.

    Where a Gemm makes the scores, those of its rows' differences: what two scores share does not count twice.
    """
    last = next(node for node in graph.nodes if graph.scores in node.output)
    plain = {a.name: onnx.helper.get_attribute_value(a) for a in last.attribute}
    own = [graph.weights[name] for name in last.input[1:] if name in graph.weights]
    if last.op_type != "Gemm" or not PLAIN.items() >= plain.items() >= TRANSPOSED.items() or len(own) < 2:
        scores = scores_between(graph, low, high)
        return scores.high - scores.low.gather(1, labels[:, None])
    features = graph.evaluate({graph.input: Interval(low, high)}, (last.input[0],), _execute)[last.input[0]]
    weight, bias = (part - part[labels][:, None] for part in own)  # [n, classes, features], [n, classes]
    centre, radius = (features.low + features.high) / 2, (features.high - features.low) / 2
    return torch.einsum("ncf,nf->nc", weight, centre) + torch.einsum("ncf,nf->nc", weight.abs(), radius) + bias


def _execute(operator: str, attributes: Attributes, inputs: Inputs) -> Interval:
    if not any(isinstance(value, Interval) for value in inputs):  # computed from constants alone, such as shapes
        return execute(operator, attributes, inputs)  # type: ignore[arg-type, return-value]
    first, *others = inputs
    if operator in ADDED:
        low, high = (_ends(value) for value in (first, others[0]))
        both = zip(low, high if operator == "Add" else high[::-1])
        return Interval(*(execute(operator, attributes, list(pair)) for pair in both))
    if not isinstance(first, Interval) or any(isinstance(value, Interval) for value in others):
        raise Unsupported("another input than its first depends on the image")
    weights: list[Tensor | None] = list(others)  # type: ignore[arg-type]
    if operator in LAYERS:
        return LAYERS[operator](operator, attributes, first, weights)
    if operator in INCREASING:
        return Interval(*(execute(operator, attributes, [end, *weights]) for end in (first.low, first.high)))
    raise Unsupported("it cannot be bounded by intervals")


def _ends(value: Interval | Tensor | None) -> tuple[Tensor, Tensor]:
    if isinstance(value, Interval):
        return value.low, value.high
    assert value is not None
    return value, value


def _layer(operator: str, attributes: Attributes, x: Interval, inputs: list[Tensor | None]) -> Interval:
    """Conv, Gemm, MatMul: the centre's value, and the radius by absolute weights; alpha may be negative."""
    weight, *bias = inputs
    assert weight is not None
    if attributes.integer("transA", 0):
        raise Unsupported("transA")
    centre = execute(operator, attributes, [(x.low + x.high) / 2, weight, *bias])
    radius = execute(operator, attributes, [(x.high - x.low) / 2, weight.abs()]).abs()
    return Interval(centre - radius, centre + radius)


def _normalization(operator: str, attributes: Attributes, x: Interval, inputs: list[Tensor | None]) -> Interval:
    scale, shift, mean, variance = inputs
    assert scale is not None and variance is not None
    zero = torch.zeros_like(scale)
    centre = execute(operator, attributes, [(x.low + x.high) / 2, scale, shift, mean, variance])
    radius = execute(operator, attributes, [(x.high - x.low) / 2, scale.abs(), zero, zero, variance])
    return Interval(centre - radius, centre + radius)


ADDED = {"Add", "Sub"}
LAYERS: dict[str, Callable[[str, Attributes, Interval, list[Tensor | None]], Interval]] = {
    "BatchNormalization": _normalization,
    "Conv": _layer,
    "Gemm": _layer,
    "MatMul": _layer,
}
#: Operators that are nowhere decreasing in their first input.
INCREASING = {
    "AveragePool", "Cast", "Clip", "Dropout", "Flatten", "GlobalAveragePool", "Identity", "MaxPool", "Relu", "Reshape",
    "Sigmoid", "Slice", "Squeeze", "Tanh", "Transpose", "Unsqueeze",
}  # fmt: skip
