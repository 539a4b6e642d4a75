"""Walks an ONNX graph, strictly: what is not known to be a plain ReLU chain is refused by name."""

import inspect
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper
from onnx.defs import onnx_opset_version

from engine.errors import InputError
from engine.onnx_file.constant import FLOATS, Constant, read_tensor, type_name
from engine.onnx_file.operators import OPERATORS, Value, mismatch
from engine.onnx_file.signal import Piece, Shape, Signal, shape_text, size_of

OLDEST_OPSET = 7  # before it, Add, Sub and Gemm broadcast by other rules
MAX_INPUTS = 2**20
_ADVICE = "export it as one chain of " + ", ".join(sorted([*OPERATORS, "Constant"]))


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """What a graph computes, and where its numbers stand.

    homes: the tensors that constants come from, by name, inside the model that was read;
    uses: how often each of them meets the signal.
    """

    pieces: tuple[Piece, ...]
    homes: dict[str, TensorProto]
    uses: Counter
    input: tuple[str, Shape]
    output: tuple[str, Shape]
    operators: Counter


def read_graph(model: ModelProto) -> Graph:
    """The chain of pieces that a model is, or InputError naming the node that forbids it."""
    _check_model(model)
    return _Walk(model.graph).run()


class _Walk:
    """The state of one pass over the nodes: what each name stands for, and which names are spent."""

    def __init__(self, graph: GraphProto):
        self.graph = graph
        self.homes = _initializers(graph)
        self.values: dict[str, Value] = {}
        self.spent: set[str] = set()
        self.uses: Counter = Counter()

    def run(self) -> Graph:
        entry = self._input()
        for number, node in enumerate(self.graph.node, start=1):
            try:
                self._step(node)
            except InputError as error:
                raise _at(error, _label(node, number)) from None
        exit_ = self._output()
        operators = Counter(node.op_type for node in self.graph.node)
        chain = self.values[exit_[0]].chain()
        return Graph(chain, self.homes, self.uses, entry, exit_, operators)

    def _input(self) -> tuple[str, Shape]:
        """The one input that is not an initializer becomes the signal."""
        inputs = [i for i in self.graph.input if i.name not in self.homes]
        if len(inputs) != 1:
            names = ", ".join(repr(i.name) for i in inputs) or "none"
            raise InputError(f"the network needs exactly one input, and has {names}", advice=_ADVICE)
        (info,) = inputs
        shape = _input_shape(info)
        self.values[info.name] = Signal(shape, info.type.tensor_type.elem_type)
        return info.name, shape

    def _step(self, node: NodeProto) -> None:
        if node.domain not in ("", "ai.onnx"):
            name = _plain(f"{node.domain}.{node.op_type}")
            raise InputError(f"operator {name} is not supported", advice=_ADVICE)
        if len(node.output) != 1 or not node.output[0]:
            raise InputError(f"it has {len(node.output)} outputs instead of one", advice=_ADVICE)
        name = node.output[0]
        if name in self.values or name in self.homes:
            raise InputError(f"its output {name!r} exists already", advice="name tensors differently")
        if node.op_type == "Constant":
            self.values[name] = self._constant(node, name)
        else:
            self.values[name] = self._apply(node)

    def _constant(self, node: NodeProto, name: str) -> Constant:
        """The tensor of a Constant node, which can be written like an initializer."""
        if len(node.attribute) != 1 or node.input or node.attribute[0].type != AttributeProto.TENSOR:
            raise InputError("it holds no plain tensor", advice="export constants as initializers")
        self.homes[name] = node.attribute[0].t
        return read_tensor(node.attribute[0].t, name)

    def _apply(self, node: NodeProto) -> Value:
        if node.op_type not in OPERATORS:
            raise InputError(f"operator {_plain(node.op_type)} is not supported", advice=_ADVICE)
        operator = OPERATORS[node.op_type]
        attributes = _attributes(node, operator)
        _check_arity(node, operator)
        operands = [self._take(name) if name else None for name in node.input]
        if any(isinstance(operand, Signal) for operand in operands):
            self.uses.update(n for o in operands if isinstance(o, Constant) for n in o.names)
        return operator(*operands, **attributes)

    def _take(self, name: str) -> Value:
        """What a node reads under this name; the signal may be read only once."""
        if name in self.spent:
            raise InputError(f"tensor {name!r} is read twice (a branch or a skip connection)", advice=_ADVICE)
        if name not in self.values:
            if name not in self.homes:
                raise InputError(
                    f"no initializer and no node before it gives its input {name!r}",
                    advice="export the network again",
                )
            self.values[name] = read_tensor(self.homes[name], name)
        if isinstance(self.values[name], Signal):
            self.spent.add(name)
        return self.values[name]

    def _output(self) -> tuple[str, Shape]:
        if len(self.graph.output) != 1:
            names = ", ".join(repr(o.name) for o in self.graph.output) or "none"
            raise InputError(f"the network needs exactly one output, and has {names}", advice=_ADVICE)
        (info,) = self.graph.output
        label = f"output {info.name!r}"
        signal = self.values.get(info.name)
        if not isinstance(signal, Signal):
            raise InputError(f"{label} is not computed from the input", advice="export the network again")
        if info.name in self.spent:
            raise InputError(f"{label} is read by another node", advice="cut the graph after its output")
        if info.type.tensor_type.HasField("shape"):
            declared = _declared_shape(info)
            if None not in declared and None not in signal.shape and size_of(declared) != signal.size:
                raise _at(mismatch(declared, signal.shape), label)
        return info.name, signal.shape


def _check_model(model: ModelProto) -> None:
    graph = model.graph
    if not graph.node:
        raise InputError("it has no graph with nodes, so it is no ONNX network", advice="check the file")
    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= onnx_opset_version():
        raise InputError(
            f"opset {', '.join(str(v) for v in versions) or '(none)'} is not supported",
            advice=f"export with one from {OLDEST_OPSET} to {onnx_opset_version()}",
        )
    if model.functions:
        raise InputError(f"it defines functions ({model.functions[0].name!r})", advice="inline them")
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise InputError(f"initializer {name!r} is sparse", advice="export dense weights")


def _initializers(graph: GraphProto) -> dict[str, TensorProto]:
    homes = {tensor.name: tensor for tensor in graph.initializer}
    if len(homes) != len(graph.initializer):
        (name, _), *_ = Counter(tensor.name for tensor in graph.initializer).most_common(1)
        raise InputError(f"initializer {name!r} is defined twice", advice="export the network again")
    return homes


def _input_shape(info: ValueInfoProto) -> Shape:
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


def _declared_shape(info: ValueInfoProto) -> Shape:
    return tuple(d if isinstance(d, int) else None for d in _named_shape(info))


def _named_shape(info: ValueInfoProto) -> Iterator[int | str]:
    for dim in info.type.tensor_type.shape.dim:
        yield dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?"


def _attributes(node: NodeProto, operator) -> dict[str, int | float]:
    """The node's attributes, each known and of the type of its default."""
    parameters = inspect.signature(operator).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    types = {int: AttributeProto.INT, float: AttributeProto.FLOAT}
    given = {}
    for attribute in node.attribute:
        known = attribute.name in defaults and attribute.name not in given
        if not known or attribute.type != types[type(defaults[attribute.name])] or attribute.ref_attr_name:
            raise InputError(f"attribute {attribute.name!r} is not supported", advice=_ADVICE)
        given[attribute.name] = helper.get_attribute_value(attribute)
        if not math.isfinite(given[attribute.name]):
            raise InputError(f"attribute {attribute.name!r} is not finite", advice="export the network again")
    return given


def _check_arity(node: NodeProto, operator) -> None:
    inputs = [p for p in inspect.signature(operator).parameters.values() if p.kind is p.POSITIONAL_ONLY]
    required = sum(p.default is p.empty for p in inputs)
    present = [bool(name) for name in node.input]
    if not required <= len(present) <= len(inputs) or not all(present[:required]):
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
