"""Softmax and LogSoftmax, at the end of an ONNX file alone: no layer (section 3).

What they give is no signal of the file's layers any more, but probabilities.
"""

import math

from engine.audit.failures import need
from engine.audit.onnx_chain import Chain
from engine.audit.onnx_forms import Call
from engine.audit.onnx_moves import MOVES, checked_axes

ENDINGS = "Softmax", "LogSoftmax"
KEEPING = {*MOVES, "Shape"} - {"Transpose"}  # no layer, whatever the signal's shape is


def check_open(chain: Chain, operator: str) -> None:
    """Malformed where a node computes with what an ending gives."""
    good = not chain.ending or operator in KEEPING
    need(good, f"it reads what a {chain.ending} gives, which is supported at the end only")


def end(call: Call, chain: Chain) -> tuple[int, ...]:
    """The ending of the chain. Malformed unless it is one distribution over all elements.

    Before opset 13 it is over the axis and all behind it.
    """
    (signal,) = call.operands
    assert signal is not None  # check_form has seen to it
    axis = call.options.get("axis", -1 if call.opset >= 13 else 1)
    (first,) = checked_axes([axis], signal.ndim, least=None if call.opset >= 11 else 0)
    first %= signal.ndim
    over = signal.shape[first : first + 1] if call.opset >= 13 else signal.shape[first:]
    need(math.prod(over) == signal.size, "it makes several distributions")
    chain.ending = call.operator
    chain.refuse_float32(True, "scores that differ may be equal after a Softmax as executed")
    return signal.shape
