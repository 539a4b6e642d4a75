"""Classifiers with operators that engine.images.graph does not know, executed by engine.onnx_torch.

They can be scanned, attacked and measured. Repairs, which need weights under the file's own names, find none.
"""

from collections.abc import Iterable

import torch
from onnx import ModelProto, helper
from torch import Tensor

from engine.errors import InputError
from engine.images.graph import Graph, UnknownOperator
from engine.images.scores import input_of, needed, scores_of
from engine.onnx_torch import module_of


def graph_of(model: ModelProto, *, where: str) -> Graph:
    """The model as a Graph; where an operator is not known to that, as a module of onnx_torch without named weights."""
    try:
        return Graph(model, where=where)
    except UnknownOperator as error:
        try:
            return ForeignGraph(model, where=where)
        except InputError:
            raise error from None


class ForeignGraph(Graph):
    """Computes the scores, with gradients; it has no weights by name, and no tensors but its input and its scores."""

    def __init__(self, model: ModelProto, *, where: str):
        torch.nn.Module.__init__(self)
        self._where = where
        self._nodes = list(model.graph.node)
        self.input, self.scores = input_of(model, where), scores_of(model, where)
        self.module = module_of(lambda: _cut(model, self.input, self.scores), where=where)

    @property
    def weights(self) -> dict[str, torch.nn.Parameter]:
        return {}

    @property
    def learned(self) -> tuple[str, ...]:
        return ()

    @property
    def device(self) -> torch.device:
        return next((tensor.device for tensor in _tensors(self.module)), torch.device("cpu"))

    def forward(self, x: Tensor) -> Tensor:
        try:
            found: Tensor = self.module(x)
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            what = f"onnx2torch's module cannot be executed ({(str(error).splitlines() or ['?'])[0]})"
            raise InputError(what, where=self._where) from None
        return found.flatten(1)

    def tensors(self, x: Tensor, names: tuple[str, ...], *, start: str | None = None) -> dict[str, Tensor]:
        if start not in (None, self.input) or set(names) - {self.input, self.scores}:
            raise InputError("its inner tensors cannot be read: it has operators unknown here", where=self._where)
        return {name: x if name == self.input else self(x) for name in names}


def _tensors(module: torch.nn.Module) -> Iterable[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _cut(model: ModelProto, start: str, end: str) -> ModelProto:
    """The part of the model from its input to this tensor."""
    part = ModelProto()
    part.CopyFrom(model)
    nodes = [model.graph.node[place] for place in needed(model.graph.node, (end,), {start})]
    del part.graph.node[:]
    part.graph.node.extend(nodes)
    del part.graph.output[:]
    part.graph.output.append(helper.make_empty_tensor_value_info(end))
    return part
