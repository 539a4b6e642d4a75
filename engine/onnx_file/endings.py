"""The ONNX operators that make probabilities of scores, at a network's end. Parameters are read as in operators.py.

The network's outputs are the scores that they read. What can be asked about these is said in engine/ending.py.
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.ending import LOG_SOFTMAX, SOFTMAX
from engine.errors import InputError
from engine.onnx_file.shapes import Versions, axes_of
from engine.onnx_file.signal import Signal, Value, shape_text, size_of

#: Operators that leave elements and their order as they are, and so may follow.
KEEPING = ("Cast", "Dropout", "Flatten", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze")


def demand_open(operator: str, operands: Sequence[Value | None]) -> None:
    """Raises InputError where an operator computes with probabilities."""
    for operand in operands:
        if isinstance(operand, Signal) and operand.ending and operator not in KEEPING:
            raise InputError(
                f"it reads what a {operand.ending} gives, which is supported at the network's end only",
                advice="cut the graph before it, and ask about the scores that it reads",
            )


def softmax(x: Value, /, *, axis: int = -1) -> Value:
    return _ended(x, axis, SOFTMAX, whole=False)


def softmax_of_11(x: Value, /, *, axis: int = 1) -> Value:
    return _ended(x, axis, SOFTMAX, whole=True)


def softmax_of_7(x: Value, /, *, axis: int = 1) -> Value:
    return _ended(x, _not_negative(axis), SOFTMAX, whole=True)


def log_softmax(x: Value, /, *, axis: int = -1) -> Value:
    return _ended(x, axis, LOG_SOFTMAX, whole=False)


def log_softmax_of_11(x: Value, /, *, axis: int = 1) -> Value:
    return _ended(x, axis, LOG_SOFTMAX, whole=True)


def log_softmax_of_7(x: Value, /, *, axis: int = 1) -> Value:
    return _ended(x, _not_negative(axis), LOG_SOFTMAX, whole=True)


def _ended(x: Value, axis: int, ending: str, *, whole: bool) -> Signal:
    """Returns the signal with this ending. InputError unless it is one distribution over all of its elements.

    whole: it is one over all dimensions from the axis on together (opsets before 13), else over the axis alone.
    """
    if not isinstance(x, Signal):
        raise InputError("it makes probabilities of constants", advice="fold constants before exporting the network")
    (first,) = axes_of((axis,), len(x.shape))
    over = x.shape[first:] if whole else x.shape[first : first + 1]
    if size_of(over) != x.size:
        what = f"it makes several distributions along axis {axis} of shape {shape_text(x.shape)}"
        raise InputError(what, advice="export with batch size 1, and one distribution over all outputs")
    return replace(x, ending=ending)


def _not_negative(axis: int) -> int:
    """Returns the axis, which is counted from the front in opsets before 11."""
    if axis < 0:
        raise InputError(f"axis {axis} is negative before opset 11", advice="export the network again")
    return axis


#: By name, from the opset on in which this form appeared.
ENDINGS: dict[str, Versions] = {
    "LogSoftmax": {7: log_softmax_of_7, 11: log_softmax_of_11, 13: log_softmax},
    "Softmax": {7: softmax_of_7, 11: softmax_of_11, 13: softmax},
}
