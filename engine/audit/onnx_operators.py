"""The result of a node: a constant, the signal with another shape, or layers of it.

Section 3 of the format says what is supported.

The signal is what the network's input has become. It is an array of what its elements are: 0, 1, 2,
.. in row-major order, always. So what moves one of them is found out.
"""

import math

import numpy as np

from engine.audit.data import Array, need
from engine.audit.onnx_chain import MAX_WIDTH, Chain
from engine.audit.onnx_constants import computed, constant, not_empty
from engine.audit.onnx_forms import Call, check_form
from engine.audit.onnx_layers import LAYERS
from engine.audit.onnx_moves import MOVES, moved


def result(call: Call, opset: int, chain: Chain) -> Array:
    """Returns what a node gives; the chain gets the layers that it makes."""
    check_form(call, opset)
    if call.operator == "Constant":
        return constant(call.options)
    if call.operator == "Shape":
        return _shape(call)
    if call.at is None:
        return computed(call)
    if call.operator in MOVES:
        return _moved_signal(call)
    need(call.operator in LAYERS, "it is supported for constants only")
    numbers = [operand for operand in call.operands if operand is not None]
    types = {operand.dtype for operand in numbers}
    need(len(types) == 1, "it must join the signal and constants of one type")
    shape = LAYERS[call.operator](call, chain)
    need(math.prod(shape) <= MAX_WIDTH, "a layer is too wide")
    return np.arange(math.prod(shape), dtype=numbers[0].dtype).reshape(shape)


def _shape(call: Call) -> Array:
    """The dimensions of a constant, or of the signal."""
    (operand,) = call.operands
    assert operand is not None  # check_form has seen to it
    dimensions = np.array(operand.shape)
    return not_empty(dimensions[call.options.get("start", 0) : call.options.get("end")])


def _moved_signal(call: Call) -> Array:
    """Section 3, "no layer": the signal in another shape or type, no element moved."""
    need(call.at == 0, "the signal stands where constants belong")
    before, after = call.operands[0], moved(call)
    assert before is not None
    need(np.can_cast(before.dtype, after.dtype), "it rounds the signal")
    need((after.ravel() == np.arange(after.size)).all(), "it moves elements of the signal")
    return after
