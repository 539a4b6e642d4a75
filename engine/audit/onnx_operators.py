"""What a node gives: constants, the signal with another shape, or layers of it.

Section 3 of the format says what is supported.

The signal is what the network's input has become. It is an array of what its elements are: 0, 1, 2,
.. in row-major order, always. So what moves one of them is found out.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.audit.data import Array
from engine.audit.failures import Malformed, need
from engine.audit.onnx_activations import ACTIVATIONS
from engine.audit.onnx_chain import MAX_WIDTH, Chain
from engine.audit.onnx_constants import computed, constant
from engine.audit.onnx_convolutions import averaged, averaged_all, convolved, padded
from engine.audit.onnx_endings import ENDINGS, end
from engine.audit.onnx_forms import Call, check_form
from engine.audit.onnx_layers import LAYERS, Shape
from engine.audit.onnx_maxima import largest, largest_of_all
from engine.audit.onnx_moves import MOVES, moved
from engine.audit.onnx_selections import SELECTIONS, not_empty, selected
from engine.audit.onnx_sums import SUMS, adds_nothing, summed

#: Layers that do not join the signal and constants element by element, and endings.
OTHER_LAYERS: dict[str, Callable[[Call, Chain], Shape]] = {
    **dict.fromkeys(SUMS, summed),
    "Conv": convolved,
    "AveragePool": averaged,
    "GlobalAveragePool": averaged_all,
    "MaxPool": largest,
    "GlobalMaxPool": largest_of_all,
    "Pad": padded,
    **dict.fromkeys(ENDINGS, end),
}


class Value(NamedTuple):
    """What a name stands for: a constant, or a signal, and then the layers that make it."""

    numbers: Array
    chain: Chain | None = None


def results(call: Call, chain: Chain | None) -> list[Value]:
    """Returns what a node gives, in the order of its outputs.

    chain: the layers of the signal that it reads, None where it reads constants alone. It gets
    those that the node makes.
    """
    check_form(call)
    if call.operator == "Constant":
        return [Value(constant(call.options))]
    if call.operator == "Shape":
        return [Value(_shape(call))]
    if adds_nothing(call):
        return [Value(_first(call), chain)]
    if chain is None:
        return [Value(numbers) for numbers in computed(call)]
    if call.operator == "Transpose":
        return [_taken(_first(call), moved(call), chain)]
    if call.operator in MOVES:
        return [Value(_moved_signal(call), chain)]
    if call.operator in SELECTIONS:
        before = _first(call)
        return [_taken(before, after, chain.fork()) for after in selected(call)]
    return [Value(_elements(_layers(call, chain), call), chain)]


def _shape(call: Call) -> Array:
    """The dimensions of a constant, or of the signal."""
    (operand,) = call.operands
    assert operand is not None  # check_form has seen to it
    dimensions = np.array(operand.shape)
    return not_empty(dimensions[call.options.get("start", 0) : call.options.get("end")])


def _first(call: Call) -> Array:
    """The first operand, which is the signal if one is."""
    need(call.at in (0, None), "the signal stands where constants belong")
    operand = call.operands[0]
    assert operand is not None  # check_form has seen to it
    return operand


def _moved_signal(call: Call) -> Array:
    """Section 3, "no layer": the signal in another shape or type, no element moved."""
    before, after = _first(call), moved(call)
    need(np.can_cast(before.dtype, after.dtype), "it rounds the signal")
    need((after.ravel() == np.arange(after.size)).all(), "it moves elements of the signal")
    return after


def _taken(before: Array, after: Array, chain: Chain) -> Value:
    """Section 3, Gather and Transpose: a layer, but where all elements stay where they were."""
    need(after.size <= MAX_WIDTH, "a layer is too wide")
    if not np.array_equal(after.ravel(), before.ravel()):
        chain.select(after, before.size)
    return Value(np.arange(after.size, dtype=after.dtype).reshape(after.shape), chain)


def _layers(call: Call, chain: Chain) -> Shape:
    """Adds to the chain what the node does, and returns the signal's shape then."""
    if call.operator in OTHER_LAYERS:
        return OTHER_LAYERS[call.operator](call, chain)
    makes = (LAYERS | ACTIVATIONS).get(call.operator)
    if makes is None:
        raise Malformed("it is supported for constants only")
    types = {operand.dtype for operand in call.operands if operand is not None}
    need(len(types) == 1, "it must join the signal and constants of one type")
    return makes(call, chain)


def _elements(shape: Shape, call: Call) -> Array:
    """The signal of this shape after the node's layers, of the type that it had."""
    need(math.prod(shape) <= MAX_WIDTH, "a layer is too wide")
    operand = call.operands[call.at or 0]
    assert operand is not None
    return np.arange(math.prod(shape), dtype=operand.dtype).reshape(shape)
