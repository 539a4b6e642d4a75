"""Walks an ONNX graph, strictly: everything that is not known to be a plain ReLU chain is refused by name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

from engine.errors import InputError
from engine.onnx_file.constant import MAX_FOLD, Constant, read_tensor
from engine.onnx_file.declared import checked_opset, declared_shape, initializers, input_shape
from engine.onnx_file.endings import demand_open
from engine.onnx_file.execution import leading_zeros_obstacle, obstacle
from engine.onnx_file.meeting import demand_branches
from engine.onnx_file.nodes import (
    AS_A_CHAIN,
    EXPORT_AGAIN,
    attributes_of,
    check_arity,
    node_label,
    operator_of,
    printable,
)
from engine.onnx_file.shapes import ints_of, mismatch
from engine.onnx_file.signal import Attribute, NamedShape, Piece, Signal, Value, size_of

MAX_MADE = 1 << 28  # numbers of 8 bytes in which the layers of all signals are held (2 GiB)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """The function that a graph computes, and the places of its numbers.

    pieces: the layers; homes: the tensors that constants come from, by name, inside the model that was read;
    uses: how often each of them meets the signal; float32_obstacle, ending: as in Network; kinds: the number types of
    input and output.
    """

    pieces: tuple[Piece, ...]
    homes: dict[str, TensorProto]
    uses: Counter[str]
    input: tuple[str, NamedShape]
    output: tuple[str, NamedShape]
    operators: Counter[str]
    float32_obstacle: str
    kinds: tuple[int, int]
    ending: str


def read_graph(model: ModelProto) -> Graph:
    """Returns the chain of pieces that a model is. InputError, which names the node, if it is no chain."""
    return _Walk(model.graph, checked_opset(model)).run()


class _Walk:
    """The state of one pass over the nodes.

    values: what each name stands for; unread: outputs that nothing may read, with what they are; leading_zeros: the
    first node that adds zeros to the input, or clips it nowhere; obstacle: the first node that is not executed as
    analysed, with the reason; made: the numbers of 8 bytes in which the layers of all signals are held.
    """

    def __init__(self, graph: GraphProto, opset: int) -> None:
        self.graph = graph
        self.opset = opset
        self.homes = initializers(graph)
        self.values: dict[str, Value] = {}
        self.unread: dict[str, str] = {}
        self.uses: Counter[str] = Counter()
        self.leading_zeros = self.obstacle = ""
        self.made = 0

    def run(self) -> Graph:
        entry = self._input()
        kind = self.values[entry[0]].kind
        for number, node in enumerate(self.graph.node, start=1):
            label = node_label(node, number)
            try:
                self._step(node, label)
            except InputError as error:
                raise _at(error, label) from None
        output, signal = self._output()
        operators = Counter(node.op_type for node in self.graph.node)
        chain = signal.chain()
        if self.leading_zeros and (cause := leading_zeros_obstacle(chain)):
            self.obstacle = f"{self.leading_zeros}: {cause}"
        kinds = kind, signal.kind
        return Graph(chain, self.homes, self.uses, entry, output, operators, self.obstacle, kinds, signal.ending)

    def _input(self) -> tuple[str, NamedShape]:
        """Makes the one input that is not an initializer the signal. Returns its name and shape."""
        inputs = [i for i in self.graph.input if i.name not in self.homes]
        if len(inputs) != 1:
            names = ", ".join(repr(i.name) for i in inputs) or "none"
            raise InputError(f"the network needs exactly one input, and has {names}", advice=AS_A_CHAIN)
        (info,) = inputs
        shape = input_shape(info)
        whole = tuple(1 if d is None else d for d in shape)
        self.values[info.name] = Signal(whole, info.type.tensor_type.elem_type)
        return info.name, shape

    def _step(self, node: NodeProto, label: str) -> None:
        if node.domain not in ("", "ai.onnx"):
            name = printable(f"{node.domain}.{node.op_type}")
            raise InputError(f"operator {name} is not supported", advice=AS_A_CHAIN)
        outputs = list(node.output)
        for name in outputs:
            if name in self.values or name in self.homes:
                raise InputError(f"its output {name!r} exists already", advice="name tensors differently")
        if node.op_type == "Dropout" and len(outputs) == 2:
            self.unread[outputs.pop()] = "what a Dropout kept"
        values = self._values(node, outputs[0] if outputs else "", label)
        if len(outputs) != len(values) or not all(outputs):
            count = "one" if len(values) == 1 else len(values)
            raise InputError(f"it has {len(node.output)} outputs instead of {count}", advice=AS_A_CHAIN)
        self.values |= zip(outputs, values)

    def _values(self, node: NodeProto, name: str, label: str) -> tuple[Value, ...]:
        """Returns what a node gives."""
        if node.op_type == "Constant":
            return (self._constant(node, name),)
        if node.op_type == "ConstantOfShape":
            return (self._filled(node),)
        return self._apply(node, label)

    def _filled(self, node: NodeProto) -> Constant:
        """Returns the tensor of a ConstantOfShape node: one number, everywhere."""
        given = {attribute.name: attribute for attribute in node.attribute}
        if len(node.input) != 1 or len(node.attribute) > 1 or set(given) - {"value"}:
            raise InputError("it has not one shape and one value", advice=EXPORT_AGAIN)
        shape = ints_of(self._take(node.input[0]), "the shape")
        if min(shape, default=1) < 1 or size_of(shape) > MAX_FOLD:
            raise InputError(f"shape {list(shape)} is too large, or empty", advice="fold constants when exporting")
        if "value" not in given:
            return Constant(np.zeros(shape), TensorProto.FLOAT)
        number = read_tensor(given["value"].t, "value")
        if number.values.size != 1:
            raise InputError("it fills with several numbers", advice=EXPORT_AGAIN)
        return Constant(np.full(shape, number.values.ravel()[0]), number.kind)

    def _constant(self, node: NodeProto, name: str) -> Constant:
        """Returns the tensor of a Constant node, which can be written like an initializer, or numbers of its own."""
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
            raise InputError("it is empty, or has NaN or infinite values", advice=EXPORT_AGAIN)
        return Constant(values, TensorProto.INT64 if whole else TensorProto.FLOAT)

    def _apply(self, node: NodeProto, label: str) -> tuple[Value, ...]:
        operator = operator_of(node, self.opset)
        attributes = attributes_of(node, operator)
        check_arity(node, operator)
        operands = [self._take(name) if name else None for name in node.input]
        demand_open(node.op_type, operands)
        demand_branches(node.op_type, sum(isinstance(operand, Signal) for operand in operands))
        result = operator(*operands, **attributes)
        results = result if isinstance(result, tuple) else (result,)
        for value in results:
            self._note(node, label, operands, attributes, value)
        return results

    def _note(
        self,
        node: NodeProto,
        label: str,
        operands: Sequence[Value | None],
        attributes: Mapping[str, Attribute],
        result: Value,
    ) -> None:
        """Notes which constants meet the signal, and what is not executed as analysed."""
        if isinstance(result, Signal):
            self._count(operands, result)
            self.uses.update(n for o in operands if isinstance(o, Constant) for n in o.names)
            if result.untouched and node.op_type in ("Add", "Sub", "Clip"):
                self.leading_zeros = self.leading_zeros or label
        if not self.obstacle and (cause := obstacle(node.op_type, operands, attributes, result)):
            self.obstacle = f"{label}: {cause}"

    def _count(self, operands: Sequence[Value | None], result: Signal) -> None:
        """Raises InputError where all nodes together make too many weights, of branches that end nowhere, too."""
        self.made += result.held - min(operand.held for operand in operands if isinstance(operand, Signal))
        if self.made > MAX_MADE:
            what = f"nodes make layers of more than {MAX_MADE:,} numbers of 8 bytes in all"
            raise InputError(what, advice="use a smaller network")

    def _take(self, name: str) -> Value:
        """Returns what a name stands for."""
        if name not in self.values:
            if name not in self.homes:
                raise self._missing(name)
            self.values[name] = read_tensor(self.homes[name], name)
        return self.values[name]

    def _missing(self, name: str) -> InputError:
        if name in self.unread:
            return InputError(f"it reads {self.unread[name]}, {name!r}", advice="export it in evaluation mode")
        return InputError(f"no initializer and no node before it gives its input {name!r}", advice=EXPORT_AGAIN)

    def _output(self) -> tuple[tuple[str, NamedShape], Signal]:
        """Returns name and shape of the one output, and what it is."""
        if len(self.graph.output) != 1:
            names = ", ".join(repr(o.name) for o in self.graph.output) or "none"
            raise InputError(f"the network needs exactly one output, and has {names}", advice=AS_A_CHAIN)
        (info,) = self.graph.output
        label = f"output {info.name!r}"
        signal = self.values.get(info.name)
        if not isinstance(signal, Signal):
            raise InputError(f"{label} is not computed from the input", advice=EXPORT_AGAIN)
        declared = declared_shape(info) if info.type.tensor_type.HasField("shape") else None
        if declared is None or None in declared[1:]:
            return (info.name, signal.shape), signal
        if size_of(tuple(1 if d is None else d for d in declared)) != signal.size:
            raise _at(mismatch(declared, signal.shape), label)
        return (info.name, declared), signal


def _at(error: InputError, place: str) -> InputError:
    where = f"{place}: {error.where}" if error.where else place
    return InputError(error.what, where=where, advice=error.advice)
