"""An ONNX model as a differentiable torch module, weight by weight under its own name.

Because every weight is the file's own tensor, in the file's own shape, what is learned is written straight back.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import Tensor

from engine.errors import InputError
from engine.images.operators import OPERATORS, Attributes, Unsupported, execute

Value = TypeVar("Value")  # what stands for a tensor
SCORES_FIRST = ("Softmax", "LogSoftmax")  # which turn scores into probabilities, in the same order


class Graph(torch.nn.Module):
    """Computes what the model says, on batches of any size; its weights are `weights`, by the file's names."""

    def __init__(self, model: ModelProto, *, where: str):
        """InputError names the first node that cannot be executed."""
        super().__init__()
        self._where = where
        self._nodes = list(model.graph.node)
        self._attributes = [
            Attributes({a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}) for node in self._nodes
        ]
        self._weights = torch.nn.ParameterDict()  # torch allows no dots in names
        self._keys: dict[str, str] = {}
        self._constants: dict[str, Tensor] = {}
        for tensor in model.graph.initializer:
            self._take(tensor.name, np.array(numpy_helper.to_array(tensor)))
        known = {tensor.name for tensor in model.graph.initializer}
        inputs = [value.name for value in model.graph.input if value.name not in known]
        if len(inputs) != 1 or len(model.graph.output) != 1:
            raise InputError("a classifier has one input and one output", where=where)
        self.input, self.output = inputs[0], model.graph.output[0].name
        for node in self._nodes:
            if node.op_type not in OPERATORS and node.op_type != "Constant":
                raise InputError(f"operator {node.op_type} is not known here", where=f"{where}, node {node.name!r}")

    def _take(self, name: str, value: np.ndarray) -> None:
        if value.dtype.kind == "f":
            self._keys[name] = f"w{len(self._keys)}"
            self._weights[self._keys[name]] = torch.nn.Parameter(torch.from_numpy(value))
        else:
            self._constants[name] = torch.from_numpy(value)

    @property
    def weights(self) -> dict[str, torch.nn.Parameter]:
        """The weights by the names that they have in the file; to be changed in place."""
        return {name: self._weights[key] for name, key in self._keys.items()}

    @property
    def device(self) -> torch.device:
        """Where its weights are, and its inputs have to be."""
        return next((weight.device for weight in self._weights.values()), torch.device("cpu"))

    @property
    def scores(self) -> str:
        """The tensor of the scores: the output, or what a softmax at the end reads."""
        last = self._producer(self.output)
        return last.input[0] if last is not None and last.op_type in SCORES_FIRST else self.output

    def forward(self, x: Tensor) -> Tensor:
        """The scores of inputs as the network reads them: [n, classes]."""
        return self.tensors(x, (self.scores,))[self.scores].flatten(1)

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
        for place in self._needed(names, set(known)):
            node = self._nodes[place]
            if node.op_type == "Constant":
                known[node.output[0]] = self._constant(place)
                continue
            inputs = [self._value(name, known) for name in node.input]
            try:
                known[node.output[0]] = execute(node.op_type, self._attributes[place], inputs)
            except (Unsupported, RuntimeError, IndexError) as error:
                what = f"operator {node.op_type} cannot be executed ({str(error).splitlines()[0]})"
                raise InputError(what, where=f"{self._where}, node {node.name!r}") from None
        return cast(dict[str, Value], {name: known[name] for name in names})

    def sides(self, start: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """The tensors from which, together with `start` and weights, the named ones follow; none of them depends on it.

        Empty where all that the named ones depend on goes through `start`.
        """
        depend = {start}
        for node in self._nodes:
            if depend & set(node.input):
                depend |= set(node.output)
        own = self._keys.keys() | self._constants.keys() | {""}
        needed = [self._nodes[place] for place in self._needed(names, {start})]
        free = {node.output[0] for node in needed if node.op_type == "Constant"}
        read = (name for node in needed if depend & set(node.output) for name in node.input)
        return tuple(dict.fromkeys(name for name in read if name not in depend | own | free))

    def _needed(self, names: tuple[str, ...], known: set[str]) -> list[int]:
        """The numbers of the nodes from which the named tensors follow, in order."""
        open_names, found = set(names) - known, []
        for place in reversed(range(len(self._nodes))):
            node = self._nodes[place]
            if open_names & set(node.output):
                found.append(place)
                open_names |= set(node.input) - known
        return found[::-1]

    def _value(self, name: str, known: Mapping[str, Value | Tensor]) -> Value | Tensor | None:
        if not name:
            return None
        if name in known:
            return known[name]
        if name in self._keys:
            return cast(Tensor, self._weights[self._keys[name]])
        if name in self._constants:
            return self._constants[name]  # whole numbers, such as shapes: they stay on the CPU
        raise InputError(f"tensor {name!r} is not known", where=self._where)

    def _constant(self, place: int) -> Tensor:
        value = self._attributes[place].values.get("value")
        if not isinstance(value, onnx.TensorProto):
            raise InputError("a Constant holds no tensor", where=f"{self._where}, node {self._nodes[place].name!r}")
        return torch.from_numpy(np.array(numpy_helper.to_array(value))).to(self.device)

    def _producer(self, name: str) -> NodeProto | None:
        return next((node for node in self._nodes if name in node.output), None)

    @property
    def nodes(self) -> tuple[NodeProto, ...]:
        """The nodes in the order of execution."""
        return tuple(self._nodes)
