"""Walks an ONNX graph, strictly: what is not known to be a plain ReLU chain is refused by name."""

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnx.defs import onnx_opset_version

from engine.errors import InputError
from engine.onnx_file.constant import FLOATS, Constant, read_tensor, type_name
from engine.onnx_file.execution import leading_zeros_obstacle, obstacle
from engine.onnx_file.operators import OPERATORS, Value
from engine.onnx_file.remedies import remedy
from engine.onnx_file.shapes import Ints, mismatch
from engine.onnx_file.signal import Piece, Signal, shape_text, size_of

OLDEST_OPSET = 7  # before it, Add, Sub and Gemm broadcast by other rules
MAX_INPUTS = 2**20
NamedShape = tuple[int | None, ...]  # None: a batch of any size
_ADVICE = "export it as one chain of affine layers and ReLUs"
_SUPPORTED = "supported are " + ", ".join(sorted([*OPERATORS, "Constant"]))
_AGAIN = "export the network again"
_TYPES = {int: AttributeProto.INT, float: AttributeProto.FLOAT, Ints: AttributeProto.INTS}
_TYPES |= {kind | None: number for kind, number in _TYPES.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """What a graph computes, and where its numbers stand.

    homes: the tensors that constants come from, by name, inside the model that was read;
    uses: how often each of them meets the signal; float32_obstacle: as in Network.
    """

    pieces: tuple[Piece, ...]
    homes: dict[str, TensorProto]
    uses: Counter
    input: tuple[str, NamedShape]
    output: tuple[str, NamedShape]
    operators: Counter
    float32_obstacle: str


def read_graph(model: ModelProto) -> Graph:
    """The chain of pieces that a model is, or InputError naming the node that forbids it."""
    return _Walk(model.graph, _check_model(model)).run()


class _Walk:
    """The state of one pass over the nodes: what each name stands for, and which names are spent.

    unread: outputs that nothing may read, with what they are; leading_zeros: the first node that adds zeros to the
    input; obstacle: the first that is not executed as analysed.
    """

    def __init__(self, graph: GraphProto, opset: int):
        self.graph = graph
        self.opset = opset
        self.homes = _initializers(graph)
        self.values: dict[str, Value] = {}
        self.spent: set[str] = set()
        self.unread: dict[str, str] = {}
        self.uses: Counter = Counter()
        self.leading_zeros = self.obstacle = ""

    def run(self) -> Graph:
        entry = self._input()
        for number, node in enumerate(self.graph.node, start=1):
            label = _label(node, number)
            try:
                self._step(node, label)
            except InputError as error:
                raise _at(error, label) from None
        exit_ = self._output()
        operators = Counter(node.op_type for node in self.graph.node)
        chain = self.values[exit_[0]].chain()
        if self.leading_zeros and (cause := leading_zeros_obstacle(chain)):
            self.obstacle = f"{self.leading_zeros}: {cause}"
        return Graph(chain, self.homes, self.uses, entry, exit_, operators, self.obstacle)

    def _input(self) -> tuple[str, NamedShape]:
        """The one input that is not an initializer becomes the signal."""
        inputs = [i for i in self.graph.input if i.name not in self.homes]
        if len(inputs) != 1:
            names = ", ".join(repr(i.name) for i in inputs) or "none"
            raise InputError(f"the network needs exactly one input, and has {names}", advice=_ADVICE)
        (info,) = inputs
        shape = _input_shape(info)
        whole = tuple(1 if d is None else d for d in shape)
        self.values[info.name] = Signal(whole, info.type.tensor_type.elem_type)
        return info.name, shape

    def _step(self, node: NodeProto, label: str) -> None:
        if node.domain not in ("", "ai.onnx"):
            name = _plain(f"{node.domain}.{node.op_type}")
            raise InputError(f"operator {name} is not supported", advice=_ADVICE)
        outputs = list(node.output)
        if node.op_type == "Dropout" and len(outputs) == 2:
            self.unread[outputs.pop()] = "what a Dropout kept"
        if len(outputs) != 1 or not outputs[0]:
            raise InputError(f"it has {len(node.output)} outputs instead of one", advice=_ADVICE)
        (name,) = outputs
        if name in self.values or name in self.homes:
            raise InputError(f"its output {name!r} exists already", advice="name tensors differently")
        self.values[name] = self._constant(node, name) if node.op_type == "Constant" else self._apply(node, label)

    def _constant(self, node: NodeProto, name: str) -> Constant:
        """The tensor of a Constant node, which can be written like an initializer; or numbers of its own."""
        if len(node.attribute) != 1 or node.input:
            raise InputError("it holds not just one tensor or number", advice="export constants as initializers")
        (attribute,) = node.attribute
        if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
            self.homes[name] = attribute.t
            return read_tensor(attribute.t, name)
        forms = {
            "value_float": AttributeProto.FLOAT,
            "value_floats": AttributeProto.FLOATS,
            "value_int": AttributeProto.INT,
            "value_ints": AttributeProto.INTS,
        }
        if attribute.type != forms.get(attribute.name) or attribute.ref_attr_name:
            raise InputError("it holds no plain tensor", advice="export constants as initializers")
        whole = "int" in attribute.name
        values = np.array(helper.get_attribute_value(attribute), np.int64 if whole else np.float64)
        if not values.size or not np.isfinite(values).all():
            raise InputError("it is empty, or has NaN or infinite values", advice=_AGAIN)
        return Constant(values, TensorProto.INT64 if whole else TensorProto.FLOAT)

    def _apply(self, node: NodeProto, label: str) -> Value:
        operator = _form(node, self.opset)
        attributes = _attributes(node, operator)
        _check_arity(node, operator)
        operands = [self._take(name, keep=node.op_type == "Shape") if name else None for name in node.input]
        result = operator(*operands, **attributes)
        if isinstance(result, Signal):
            self.uses.update(n for o in operands if isinstance(o, Constant) for n in o.names)
            if result.untouched and node.op_type in ("Add", "Sub"):
                self.leading_zeros = self.leading_zeros or label
        if not self.obstacle and (cause := obstacle(node.op_type, operands, attributes, result)):
            self.obstacle = f"{label}: {cause}"
        return result

    def _take(self, name: str, *, keep: bool) -> Value:
        """What a node reads under this name; the signal may be read only once, unless it is kept."""
        if name in self.spent and not keep:
            raise InputError(f"tensor {name!r} is read twice (a branch or a skip connection)", advice=_ADVICE)
        if name not in self.values:
            if name not in self.homes:
                raise self._missing(name)
            self.values[name] = read_tensor(self.homes[name], name)
        if isinstance(self.values[name], Signal) and not keep:
            self.spent.add(name)
        return self.values[name]

    def _missing(self, name: str) -> InputError:
        if name in self.unread:
            return InputError(f"it reads {self.unread[name]}, {name!r}", advice="export it in evaluation mode")
        return InputError(f"no initializer and no node before it gives its input {name!r}", advice=_AGAIN)

    def _output(self) -> tuple[str, NamedShape]:
        if len(self.graph.output) != 1:
            names = ", ".join(repr(o.name) for o in self.graph.output) or "none"
            raise InputError(f"the network needs exactly one output, and has {names}", advice=_ADVICE)
        (info,) = self.graph.output
        label = f"output {info.name!r}"
        signal = self.values.get(info.name)
        if not isinstance(signal, Signal):
            raise InputError(f"{label} is not computed from the input", advice=_AGAIN)
        if info.name in self.spent:
            raise InputError(f"{label} is read by another node", advice="cut the graph after its output")
        if not info.type.tensor_type.HasField("shape"):
            return info.name, signal.shape
        declared = _declared_shape(info)
        if None in declared[1:]:
            return info.name, signal.shape
        if size_of(tuple(1 if d is None else d for d in declared)) != signal.size:
            raise _at(mismatch(declared, signal.shape), label)
        return info.name, declared


def _check_model(model: ModelProto) -> int:
    """The opset of a model that may be read."""
    graph = model.graph
    if not graph.node:
        raise InputError("it has no graph with nodes, so it is no ONNX network", advice="check the file")
    versions = sorted({o.version for o in model.opset_import if o.domain in ("", "ai.onnx")})
    supported = f"export with one from {OLDEST_OPSET} to {onnx_opset_version()}"
    if len(versions) > 1:
        raise InputError(f"it names several opsets, {' and '.join(map(str, versions))}", advice=supported)
    if not versions or not OLDEST_OPSET <= versions[0] <= onnx_opset_version():
        raise InputError(f"opset {versions[0] if versions else '(none)'} is not supported", advice=supported)
    if model.functions:
        raise InputError(f"it defines functions ({model.functions[0].name!r})", advice="inline them")
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise InputError(f"initializer {name!r} is sparse", advice="export dense weights")
    return versions[0]


def _initializers(graph: GraphProto) -> dict[str, TensorProto]:
    homes = {tensor.name: tensor for tensor in graph.initializer}
    if len(homes) != len(graph.initializer):
        (name, _), *_ = Counter(tensor.name for tensor in graph.initializer).most_common(1)
        raise InputError(f"initializer {name!r} is defined twice", advice="export the network again")
    return homes


def _input_shape(info: ValueInfoProto) -> NamedShape:
    label = f"input {info.name!r}"
    kind = info.type.tensor_type.elem_type
    if not info.type.HasField("tensor_type") or kind not in FLOATS:
        raise InputError(f"{label} has type {type_name(kind)}", advice="export with float32 inputs")
    if not info.type.tensor_type.HasField("shape"):
        raise InputError(f"{label} has no shape", advice="export the network with a fixed input shape")
    shape = _declared_shape(info)
    if None in shape[1:] or shape == (None,):
        raise InputError(
            f"{label} has a dynamic shape {list(_named_shape(info))}",
            advice="fix every dimension but the batch when exporting",
        )
    if not 1 <= math.prod(d for d in shape if d is not None) <= MAX_INPUTS or min(shape[1:], default=1) < 1:
        raise InputError(f"{label} has shape {shape_text(shape)}", advice=f"use 1 to {MAX_INPUTS} inputs")
    return shape


def _declared_shape(info: ValueInfoProto) -> NamedShape:
    return tuple(d if isinstance(d, int) else None for d in _named_shape(info))


def _named_shape(info: ValueInfoProto) -> Iterator[int | str]:
    for dim in info.type.tensor_type.shape.dim:
        yield dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"


def _form(node: NodeProto, opset: int) -> Callable:
    """The operator as this opset has it."""
    if node.op_type not in OPERATORS:
        advice = remedy(node.op_type) or _SUPPORTED
        raise InputError(f"operator {_plain(node.op_type)} is not supported", advice=advice)
    versions = OPERATORS[node.op_type]
    return versions[max(since for since in versions if since <= opset)]


def _attributes(node: NodeProto, operator: Callable) -> dict[str, int | float | Ints]:
    """The node's attributes, each known and of the type of its parameter; none is missing."""
    parameters = {p.name: p for p in inspect.signature(operator).parameters.values() if p.kind is p.KEYWORD_ONLY}
    given = {}
    for attribute in node.attribute:
        known = attribute.name in parameters and attribute.name not in given
        if not known or attribute.type != _TYPES[parameters[attribute.name].annotation] or attribute.ref_attr_name:
            raise InputError(f"attribute {attribute.name!r} is not supported", advice=_ADVICE)
        value = helper.get_attribute_value(attribute)
        given[attribute.name] = tuple(value) if attribute.type == AttributeProto.INTS else value
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"attribute {attribute.name!r} is not finite", advice=_AGAIN)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in given:
            raise InputError(f"attribute {name!r} is missing", advice=_AGAIN)
    return given


def _check_arity(node: NodeProto, operator: Callable) -> None:
    parameters = inspect.signature(operator).parameters.values()
    inputs = [p for p in parameters if p.kind is p.POSITIONAL_ONLY]
    required = sum(p.default is p.empty for p in inputs)
    present = [bool(name) for name in node.input]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        fits = present and all(present)
    else:
        fits = required <= len(present) <= len(inputs) and all(present[:required])
    if not fits:
        raise InputError(f"it has {sum(present)} inputs, which {node.op_type} does not take", advice=_ADVICE)


def _label(node: NodeProto, number: int) -> str:
    name = repr(node.name) if node.name else number
    return f"node {name} ({_plain(node.op_type)})"


def _plain(text: str | bytes) -> str:
    """A word of the file without control characters; bytes are what protobuf gives where it is no text."""
    return ascii(text)[1:-1]


def _at(error: InputError, place: str) -> InputError:
    where = f"{place}: {error.where}" if error.where else place
    return InputError(error.what, where=where, advice=error.advice)
