"""ReduceSum and ReduceMean: sums and means of the signal along axes (section 3)."""

import numpy as np

from engine.audit.data import Array
from engine.audit.failures import need
from engine.audit.onnx_chain import Chain
from engine.audit.onnx_forms import Call
from engine.audit.onnx_rounded import nearest_quotients
from engine.audit.onnx_selections import integers
from engine.audit.sparse import Sparse

SUMS = ("ReduceSum", "ReduceMean")


def adds_nothing(call: Call) -> bool:
    """True iff the node gives what it takes: it names no axes, and says that this means none."""
    is_idle = call.options.get("noop_with_empty_axes", 0) != 0
    return call.operator in SUMS and is_idle and _axes(call) is None


def summed(call: Call, chain: Chain) -> tuple[int, ...]:
    """Adds the layer of the sums; for means a second one, that divides each by their number.

    Returns the signal's shape then.
    """
    signal = call.operands[0]
    need(call.at == 0, "the signal stands where constants belong")
    assert signal is not None
    axes, keep = _axes(call), call.options.get("keepdims", 1) != 0
    along = tuple(range(signal.ndim)) if axes is None else _from_front(axes, signal.ndim)
    kept = signal.min(axis=along, keepdims=True)  # one element of each sum, in order
    sums = np.arange(kept.size).reshape(kept.shape)
    row, column = np.broadcast_to(sums, signal.shape).ravel(), np.arange(signal.size)
    chain.multiply(Sparse((kept.size, signal.size), row, column, np.ones(signal.size)))
    if call.operator == "ReduceMean":
        chain.scale(nearest_quotients(chain, np.full(kept.size, signal.size // kept.size)))
    shape: tuple[int, ...] = kept.shape if keep else kept.squeeze(along).shape
    return shape


def _axes(call: Call) -> list[int] | None:
    """The axes of an option, or of an operand in later opsets; None where there are none."""
    operand: Array | None = call.operands[1] if len(call.operands) > 1 else None
    stated = call.options.get("axes") if operand is None else operand
    return None if stated is None else integers(stated)


def _from_front(axes: list[int], rank: int) -> tuple[int, ...]:
    """The axes counted from the front."""
    need(all(-rank <= axis < rank for axis in axes), "there is no such axis")
    return tuple(axis % rank for axis in axes)
