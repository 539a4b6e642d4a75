"""An ONNX model as a differentiable torch module, weight by weight under its own name.

engine.onnx_torch executes more operators, but its modules rename, fold and copy the weights. Here every weight is the
file's own tensor, in the file's own shape, so that what is learned is written straight back, and a layer, a neuron or
an edge is named as the file names it. Models with other operators are executed by onnx_torch: see foreign.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar, cast

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import Tensor

from engine.errors import InputError
from engine.images.node_inputs import Attributes, Unsupported
from engine.images.operators import OPERATORS, execute
from engine.images.scores import input_of, needed, scores_of

Value = TypeVar("Value")  # what stands for a tensor
STATISTICS = slice(3, 5)  # inputs of BatchNormalization that are measured, not learned


class UnknownOperator(InputError):
    """The model needs an operator that is not in OPERATORS."""


class Graph(torch.nn.Module):
    """Computes what the model says, on batches of any size; its weights are `weights`, by the file's names.

    input: the name of the input tensor. scores: that of the scores, before any softmax at the end. Softmax, argmax and
    maps of labels after the scores are never executed.
    """

    def __init__(self, model: ModelProto, *, where: str):
        """UnknownOperator names the first node that cannot be executed; InputError says what else is no classifier."""
        super().__init__()
        self._where = where
        self._nodes = list(model.graph.node)
        self._weights = torch.nn.ParameterDict()  # torch allows no dots in names
        self._keys: dict[str, str] = {}
        self._constants: dict[str, Tensor] = {}
        for tensor in model.graph.initializer:
            self._take(tensor.name, np.array(numpy_helper.to_array(tensor)))
        self.input, self.scores = input_of(model, where), scores_of(model, where)
        places = needed(self._nodes, (self.scores,), {self.input})
        for node in (self._nodes[place] for place in places):
            if node.domain not in ("", "ai.onnx") or node.op_type not in (*OPERATORS, "Constant"):
                raise UnknownOperator(
                    f"operator {node.op_type} is not known here", where=f"{where}, node {node.name!r}"
                )
        opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
        self._attributes = self._all_attributes(opset)

    def _take(self, name: str, value: np.ndarray) -> None:
        if value.dtype.kind == "f":
            self._keys[name] = f"w{len(self._keys)}"
            self._weights[self._keys[name]] = torch.nn.Parameter(torch.from_numpy(value))
        elif value.dtype.kind in "iub":
            self._constants[name] = torch.from_numpy(value.astype(np.bool_ if value.dtype.kind == "b" else np.int64))

    def _all_attributes(self, opset: int) -> list[Attributes]:
        """Each node's attributes, and whether it depends on the images; constants are taken out."""
        varying, found = {self.input}, []
        for node in self._nodes:
            values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._constants.update(_constant(node.output[0], values))
            if varying & set(node.input):
                varying |= set(node.output)
            found.append(Attributes(values, opset=opset, varying=bool(varying & set(node.output))))
        return found

    @property
    def weights(self) -> dict[str, torch.nn.Parameter]:
        """The weights by the names that they have in the file; to be changed in place."""
        return {name: self._weights[key] for name, key in self._keys.items()}

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the weights that training may change: all but the means and variances of normalizations."""
        measured = {
            name for node in self._nodes if node.op_type == "BatchNormalization" for name in node.input[STATISTICS]
        }
        return tuple(name for name in self._keys if name not in measured)

    @property
    def device(self) -> torch.device:
        """Where its weights are, and its inputs have to be."""
        return torch.device("cpu") if self._like is None else self._like.device

    @property
    def _like(self) -> Tensor | None:
        """A tensor of the type and on the device of its weights; None without any."""
        return next(iter(self._weights.values()), None)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of inputs as the network reads them: [n, classes], in the type of its weights."""
        kind = x.dtype if self._like is None else self._like.dtype
        return self.tensors(x.to(kind), (self.scores,))[self.scores].flatten(1)

    def tensors(self, x: Tensor, names: tuple[str, ...], *, start: str | None = None) -> dict[str, Tensor]:
        """The named tensors where the input is x, or where tensor `start` is x."""
        return self.evaluate({start or self.input: x}, names, execute)

    def evaluate(
        self,
        given: Mapping[str, Value],
        names: tuple[str, ...],
        execute: Callable[[str, Attributes, list[Value | Tensor | None]], Value],
    ) -> dict[str, Value]:
        """The named tensors that follow from the given ones, in whatever stands for a tensor.

        execute(operator, attributes, inputs) is the output of one node. Its inputs are such values, or tensors where
        they are the graph's own weights and constants, or None where one is left out.
        """
        known: dict[str, Value | Tensor] = dict(given)
        for place in needed(self._nodes, names, set(known)):
            node = self._nodes[place]
            if node.op_type == "Constant":
                continue
            inputs = [self._value(name, known) for name in node.input]
            try:
                known[node.output[0]] = execute(node.op_type, self._attributes[place], inputs)
            except (Unsupported, RuntimeError, IndexError, TypeError, ValueError) as error:
                what = f"operator {node.op_type} cannot be executed ({(str(error).splitlines() or ['?'])[0]})"
                raise InputError(what, where=f"{self._where}, node {node.name!r}") from None
        return cast(dict[str, Value], {name: self._value(name, known) for name in names})

    def sides(self, start: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """The tensors from which, together with `start` and weights, the named ones follow; none of them depends on it.

        Empty where all that the named ones depend on goes through `start`.
        """
        depend = {start}
        for node in self._nodes:
            if depend & set(node.input):
                depend |= set(node.output)
        own = self._keys.keys() | self._constants.keys() | {""}
        after = [self._nodes[place] for place in needed(self._nodes, names, {start})]
        read = (name for node in after if depend & set(node.output) for name in node.input)
        return tuple(dict.fromkeys(name for name in read if name not in depend | own))

    def _value(self, name: str, known: Mapping[str, Value | Tensor]) -> Value | Tensor | None:
        if not name:
            return None
        if name in known:
            return known[name]
        if name in self._keys:
            weight: Tensor = self._weights[self._keys[name]]
            return weight
        if name in self._constants:
            value = self._constants[name]
            # shapes stay on the CPU, as whole numbers; other constants go where the weights are
            return value.to(self._like) if value.is_floating_point() and self._like is not None else value
        raise InputError(f"tensor {name!r} is not known", where=self._where)

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """The nodes in the order of execution."""
        return tuple(self._nodes)


def _constant(name: str, values: Mapping[str, object]) -> Iterable[tuple[str, Tensor]]:
    """The tensor of a Constant node, in whichever attribute it is; nothing where that holds no numbers."""
    for key, value in values.items():
        if key == "value" and isinstance(value, onnx.TensorProto):
            array = np.array(numpy_helper.to_array(value))
            if array.dtype.kind in "iubf":
                yield name, torch.from_numpy(array)
        elif key in ("value_int", "value_float", "value_ints", "value_floats") and isinstance(
            value, int | float | Sequence
        ):
            yield name, torch.tensor(value)
