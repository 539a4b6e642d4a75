"""The ONNX operators that are known, in all their forms: section 3's table, as files spell it."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from onnx import TensorProto

from engine.audit.data import Array
from engine.audit.failures import need

#: The types of numbers that are known.
FLOATS: dict[int, type[np.floating[Any]]] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.DOUBLE: np.float64,
}
INTEGERS: dict[int, type[np.integer[Any]] | type[np.bool_]] = {
    TensorProto.INT64: np.int64,
    TensorProto.INT32: np.int32,
    TensorProto.BOOL: np.bool_,
}

Options: TypeAlias = dict[str, Any]  # of the types that FORMS says
Operands: TypeAlias = list[Array | None]  # None where one is left out


class Form(NamedTuple):
    """A form of an operator: the opset where it begins, how many inputs, the options' types.

    required: the options that there must be.
    """

    opset: int
    least: int
    most: int
    options: Mapping[str, type]
    required: tuple[str, ...] = ()


VALUES = {
    "value": TensorProto,
    "value_float": float,
    "value_floats": list,
    "value_int": int,
    "value_ints": list,
}
FACTORS = {"alpha": float, "beta": float, "transA": int, "transB": int}
SLICE = {"starts": list, "ends": list, "axes": list}
REDUCTION = {"axes": list, "keepdims": int}
LATER_REDUCTION = {"keepdims": int, "noop_with_empty_axes": int}
WINDOWS = {"auto_pad": bytes, "kernel_shape": list, "pads": list, "strides": list}
CONVOLUTION = {**WINDOWS, "dilations": list, "group": int}
AVERAGE = {**WINDOWS, "count_include_pad": int}
LATER_AVERAGE = {**AVERAGE, "ceil_mode": int}
LAST_AVERAGE = {**LATER_AVERAGE, "dilations": list}
MAXIMUM = {**WINDOWS, "storage_order": int}
LATER_MAXIMUM = {**MAXIMUM, "ceil_mode": int, "dilations": list}
PADDING = {"mode": bytes, "pads": list, "value": float}
NORMALIZATION = {"epsilon": float, "momentum": float, "spatial": int, "training_mode": int}

FORMS: dict[str, list[Form]] = {
    "Constant": [Form(7, 0, 0, {"value": TensorProto}), Form(12, 0, 0, VALUES)],
    "Identity": [Form(7, 1, 1, {})],
    "Dropout": [Form(7, 1, 1, {"ratio": float}), Form(12, 1, 3, {"seed": int})],
    "Cast": [Form(7, 1, 1, {"to": int, "saturate": int}, ("to",))],
    "Flatten": [Form(7, 1, 1, {"axis": int})],
    "Reshape": [Form(7, 2, 2, {"allowzero": int})],
    "Transpose": [Form(7, 1, 1, {"perm": list})],
    "Squeeze": [Form(7, 1, 1, {"axes": list}), Form(13, 1, 2, {})],
    "Unsqueeze": [Form(7, 1, 1, {"axes": list}), Form(13, 2, 2, {})],
    "Shape": [Form(7, 1, 1, {"start": int, "end": int})],
    "ConstantOfShape": [Form(7, 1, 1, {"value": TensorProto})],
    "Gather": [Form(7, 2, 2, {"axis": int})],
    "Slice": [Form(7, 1, 1, SLICE, ("starts", "ends")), Form(10, 3, 5, {})],
    "Split": [
        Form(7, 1, 1, {"axis": int, "split": list}, ("split",)),
        Form(13, 2, 2, {"axis": int}),
        Form(18, 1, 2, {"axis": int, "num_outputs": int}),
    ],
    "Expand": [Form(7, 2, 2, {})],
    "Concat": [Form(7, 1, 99, {"axis": int}, ("axis",))],
    "ReduceSum": [Form(7, 1, 1, REDUCTION), Form(13, 1, 2, LATER_REDUCTION)],
    "ReduceMean": [Form(7, 1, 1, REDUCTION), Form(18, 1, 2, LATER_REDUCTION)],
    "Pad": [
        Form(7, 1, 1, PADDING, ("pads",)),
        Form(11, 2, 3, {"mode": bytes}),
        Form(18, 2, 4, {"mode": bytes}),
    ],
    "Conv": [Form(7, 2, 3, CONVOLUTION)],
    "AveragePool": [
        Form(7, 1, 1, AVERAGE, ("kernel_shape",)),
        Form(10, 1, 1, LATER_AVERAGE, ("kernel_shape",)),
        Form(19, 1, 1, LAST_AVERAGE, ("kernel_shape",)),
    ],
    "GlobalAveragePool": [Form(7, 1, 1, {})],
    "MaxPool": [
        Form(7, 1, 1, WINDOWS, ("kernel_shape",)),
        Form(8, 1, 1, MAXIMUM, ("kernel_shape",)),
        Form(10, 1, 1, LATER_MAXIMUM, ("kernel_shape",)),
    ],
    "GlobalMaxPool": [Form(7, 1, 1, {})],
    "Relu": [Form(7, 1, 1, {})],
    "Sigmoid": [Form(7, 1, 1, {})],
    "Tanh": [Form(7, 1, 1, {})],
    "Clip": [Form(7, 1, 1, {"min": float, "max": float}), Form(11, 1, 3, {})],
    "Max": [Form(7, 2, 2, {})],
    "Min": [Form(7, 2, 2, {})],
    "Abs": [Form(7, 1, 1, {})],
    "LeakyRelu": [Form(7, 1, 1, {"alpha": float})],
    "PRelu": [Form(7, 2, 2, {})],
    "Softmax": [Form(7, 1, 1, {"axis": int})],
    "LogSoftmax": [Form(7, 1, 1, {"axis": int})],
    "HardSigmoid": [Form(7, 1, 1, {"alpha": float, "beta": float})],
    "ThresholdedRelu": [Form(7, 1, 1, {"alpha": float})],
    "Add": [Form(7, 2, 2, {})],
    "Sub": [Form(7, 2, 2, {})],
    "Mul": [Form(7, 2, 2, {})],
    "Div": [Form(7, 2, 2, {})],
    "Neg": [Form(7, 1, 1, {})],
    "MatMul": [Form(7, 2, 2, {})],
    "Gemm": [Form(7, 2, 3, FACTORS)],
    "BatchNormalization": [Form(7, 5, 5, NORMALIZATION)],
}


class Call(NamedTuple):
    """One node. at: which of the operands is the signal, None where it is none of them.

    opset: the version of the operators.
    """

    operator: str
    operands: Operands
    options: Options
    at: int | None
    opset: int


def check_form(call: Call) -> None:
    """Malformed unless the operator is known, with these options and so many operands."""
    need(call.operator in FORMS, "this operator is not supported")
    form = [form for form in FORMS[call.operator] if form.opset <= call.opset][-1]
    known = all(form.options.get(name) is type(value) for name, value in call.options.items())
    need(known and [] not in call.options.values(), "this option is not supported")
    there = all(name in call.options for name in form.required)
    need(there, "an option is missing")
    fits = form.least <= len(call.operands) <= form.most
    given = all(operand is not None for operand in call.operands[: form.least])
    need(fits and given, "this form is not supported")
