"""Advice about operators that are not supported."""

_RELU_ONLY = "train the network with ReLU instead"
_CUT = "cut the graph before it, and ask about the scores that it reads"
_MATRIX = "write it as the matrix product that it is: MatMul or Gemm"
_ADD = "write it as Add"
_FOLD = "fold constants when exporting, for example with onnxsim"
_QUANTIZED = "export the float32 network from before it was quantized"
_CONTROL = "export the network with fixed shapes and without control flow"

_REMEDIES = {
    _RELU_ONLY: "Softplus Softsign Elu Selu Celu Gelu Erf Exp Log Mish HardSwish Sin Cos Pow",
    _CUT: "Hardmax ArgMax ArgMin TopK",
    _MATRIX: "ConvTranspose Einsum",
    _ADD: "Sum",
    _FOLD: "Sqrt Reciprocal Range Where Equal Tile ReduceProd",
    _QUANTIZED: "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearMatMul QLinearConv MatMulInteger",
    _CONTROL: "If Loop Scan NonZero",
}
_BY_OPERATOR = {name: advice for advice, names in _REMEDIES.items() for name in names.split()}


def remedy(operator: str) -> str:
    """Returns the advice on an operator; empty if none is known."""
    return _BY_OPERATOR.get(operator, "")
