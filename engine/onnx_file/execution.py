"""Finds where a graph's execution in float32 differs from what float32 semantics analyses (bounds/rounding.py).

Analysed is: each layer's sums over its own weights, in any order, one rounding for each operation. Results below the
normal range may be flushed to zero, weights and inputs not. So these have no float32 semantics:

  a Gemm with alpha other than 1 or -1    its sums are scaled before or after they are made, and may over- or
                                          underflow where the scaled ones do not
  computed constants                      execution may round them, or flush them to zero; partial sums of a product
                                          of matrices even where its results are exact
  factors next to a product               runtimes merge a Mul or Div with the matrix product directly before or after
                                          it, whose sums are scaled then as by alpha: onnxruntime does
  quotients                               but by powers of two they may be products with a rounded reciprocal
  normalizations                          each runtime has an order of its own
  convolutions                            fast ones (Winograd's, by Fourier transforms) make sums of other terms
  branches that meet                      layers carry on what runtimes keep, and would be rounded
  averages                                runtimes divide, or multiply by rounded reciprocals
  curves                                  runtimes approximate Sigmoid and Tanh, each in its own way
  maxima of windows                       runtimes compare; layers make differences and sums, which would be rounded
  probabilities at the end                scores that differ may become equal
  zeros added to the input                a runtime may flush an input's subnormal numbers here, before they meet
                                          weights: covered only where these are small

Everything else that counts is one rounding, and one flush, of a term or a sum: a Gemm's beta, a negation, a constant
minus the signal, a product entry by entry, zeros that are added after a layer. What bends the signal (activations.py)
gives one of its numbers, one of a constant's, or one product, and its layers are true of that if all else is taken
exactly; only their first one may flush the signal. Numbers that float32 does not hold are
looked for in the layers themselves.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.onnx_file.constant import FLOATS, Constant
from engine.onnx_file.signal import Attribute, Piece, Signal, Value

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_COMPUTE = {"Add", "Sub", "Mul", "Div", "Neg", "Relu", "Clip", "Max", "Min", "MatMul", "Gemm"}
#: Operators that have no float32 semantics with whatever numbers, and why.
NOT_AS_EXECUTED = {
    "AveragePool": "runtimes divide sums, or multiply by rounded reciprocals",
    "BatchNormalization": "runtimes normalize in different orders",
    "Conv": "a runtime may convolve by other sums, as Winograd's, of which these are no order",
    "GlobalAveragePool": "runtimes divide sums, or multiply by rounded reciprocals",
    "GlobalMaxPool": "a runtime compares numbers, of which its layers make rounded differences and sums",
    "LogSoftmax": "scores that differ may have equal logarithms of probabilities as executed",
    "Sigmoid": "runtimes approximate it, each in its own way",
    "Tanh": "runtimes approximate it, each in its own way",
    "MaxPool": "a runtime compares numbers, of which its layers make rounded differences and sums",
    "Softmax": "scores that differ may have equal probabilities as executed",
}
_SMALLEST, _LARGEST = 2.0**-126, 2.0**126  # both have normal reciprocals


def obstacle(
    operator: str, operands: Sequence[Value | None], attributes: Mapping[str, Attribute], result: Value
) -> str:
    """Returns why a node is not executed as analysed; empty if it is."""
    if operator == "Gemm" and attributes.get("alpha", 1.0) not in (1.0, -1.0):
        return "its sums are scaled by alpha, before or after they are made"
    if isinstance(result, Constant):
        return _fold_obstacle(operator, result) if operator in _COMPUTE and result.kind in FLOATS else ""
    if sum(isinstance(operand, Signal) for operand in operands) > 1:
        return "branches meet, which are carried on by layers that are not executed"
    if operator in NOT_AS_EXECUTED:
        return NOT_AS_EXECUTED[operator]
    if result.mergeable:
        return "runtimes may merge factors with the product next to them, which scales its sums"
    if operator == "Div" and not any(isinstance(by, Constant) and _powers_of_two(by.values) for by in operands[1:]):
        return "runtimes divide, or multiply by rounded reciprocals"
    return ""


def leading_zeros_obstacle(pieces: Sequence[Piece]) -> str:
    """Returns why inputs that are flushed to zero before the first layer are not covered; empty if they are.

    Such an input is off by at most 2^-126. In neuron j of n_1 inputs the flushes are then at most sum max(1, |w|) of
    its products or inputs, n_1 of sums and one of the bias, of which 2 n + 4 are covered, n being the largest width.
    Or two roundings of the bias are worth more than all of sum |w| 2^-126: they are covered too, as n_1 + 1 of
    n_1 + 4 are met.
    """
    first, width = pieces[0].affine(), max(max(piece.weight.shape) for piece in pieces)
    weight, bias = abs(first.matrix), np.abs(first.bias)
    inputs = weight.shape[1]
    most = np.maximum(weight, 1).sum(1) if isinstance(weight, np.ndarray) else _above_one(weight).sum(1) + inputs
    flushes = most + inputs + 1
    covered = (flushes <= 2 * width + 4) | (weight.sum(1) <= 2.0**103 * bias)
    return "" if covered.all() else "it may flush the smallest inputs to zero, which then meet large weights"


def _above_one(weight: "csr_array") -> "csr_array":
    """Returns max(w - 1, 0) of weights w >= 0."""
    above = weight.copy()
    above.data = np.maximum(above.data - 1, 0)
    return above


def _fold_obstacle(operator: str, result: Constant) -> str:
    if operator in ("MatMul", "Gemm"):
        return "it multiplies constant matrices, and may round their partial sums"
    size = np.abs(result.values)
    with np.errstate(over="ignore"):
        held = (result.values == result.values.astype(np.float32)) & ((size >= _SMALLEST) | (size == 0))
    return "" if held.all() else "it computes constants that float32 does not hold as normal numbers"


def _powers_of_two(values: np.ndarray) -> bool:
    mantissas = np.abs(np.frexp(values)[0])
    return bool(((mantissas == 0.5) & (np.abs(values) >= _SMALLEST) & (np.abs(values) <= _LARGEST)).all())
