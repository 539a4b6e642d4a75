"""A node's operator and attributes, as the parameters of operators.py and shapes.py demand them."""

import inspect
import math

from onnx import AttributeProto, NodeProto, helper

from engine.errors import InputError
from engine.onnx_file.operators import OPERATORS
from engine.onnx_file.remedies import remedy
from engine.onnx_file.shapes import Operator
from engine.onnx_file.signal import Attribute, Ints

AS_A_CHAIN = "export it as one chain of affine layers and ReLUs"
EXPORT_AGAIN = "export the network again"
SUPPORTED = tuple(sorted([*OPERATORS, "Constant", "ConstantOfShape"]))
_KINDS: dict[type, int] = {
    int: AttributeProto.INT,
    float: AttributeProto.FLOAT,
    str: AttributeProto.STRING,
    Ints: AttributeProto.INTS,
}
_TYPES: dict[object, int] = {form: number for kind, number in _KINDS.items() for form in (kind, kind | None)}


def operator_of(node: NodeProto, opset: int) -> Operator:
    """Returns a node's operator as this opset has it. InputError where it is not supported."""
    if node.op_type not in OPERATORS:
        advice = remedy(node.op_type) or f"supported are {', '.join(SUPPORTED)}"
        raise InputError(f"operator {printable(node.op_type)} is not supported", advice=advice)
    versions = OPERATORS[node.op_type]
    return versions[max(since for since in versions if since <= opset)]


def attributes_of(node: NodeProto, operator: Operator) -> dict[str, Attribute]:
    """Returns a node's attributes. InputError where one is unknown, of the wrong type, not finite, or missing."""
    parameters = {p.name: p for p in inspect.signature(operator).parameters.values() if p.kind is p.KEYWORD_ONLY}
    given: dict[str, Attribute] = {}
    for attribute in node.attribute:
        known = attribute.name in parameters and attribute.name not in given
        if not known or attribute.type != _TYPES[parameters[attribute.name].annotation] or attribute.ref_attr_name:
            raise InputError(f"attribute {attribute.name!r} is not supported", advice=AS_A_CHAIN)
        value = helper.get_attribute_value(attribute)
        given[attribute.name] = _given(value)
        if value == []:  # for onnxruntime an empty list of axes means all of them
            raise InputError(f"attribute {attribute.name!r} is an empty list", advice=EXPORT_AGAIN)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"attribute {attribute.name!r} is not finite", advice=EXPORT_AGAIN)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in given:
            raise InputError(f"attribute {name!r} is missing", advice=EXPORT_AGAIN)
    return given


def _given(value: object) -> Attribute:
    """Returns an attribute's value as operators take it."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, bytes):
        return printable(value.decode(errors="backslashreplace"))
    assert isinstance(value, (int, float))
    return value


def check_arity(node: NodeProto, operator: Operator) -> None:
    """Raises InputError where a node has more or fewer inputs than its operator takes."""
    parameters = inspect.signature(operator).parameters.values()
    inputs = [p for p in parameters if p.kind is p.POSITIONAL_ONLY]
    required = sum(p.default is p.empty for p in inputs)
    present = [bool(name) for name in node.input]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        fits = present and all(present)
    else:
        fits = required <= len(present) <= len(inputs) and all(present[:required])
    if not fits:
        raise InputError(f"it has {sum(present)} inputs, which {node.op_type} does not take", advice=AS_A_CHAIN)


def node_label(node: NodeProto, number: int) -> str:
    """Returns a node's name, or its number if it has none, for errors."""
    name = repr(node.name) if node.name else number
    return f"node {name} ({printable(node.op_type)})"


def printable(word: str | bytes) -> str:
    """Returns a word of the file without control characters. Protobuf gives bytes where it is no text."""
    return ascii(word)[1:-1]
