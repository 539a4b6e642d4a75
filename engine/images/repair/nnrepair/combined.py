"""Experts in one network: merged into the layer's own weights, or side by side behind the part that they share.

    merged       the layer with all their changes added: the file keeps its shape
    naive        the first expert, in the order of its F1 on validation images, that gives its own class; where none
                 does, the original
    confidence   the expert that gives its own class with the highest probability; where none does, the original
    votes        each expert that gives its own class votes for it; the original's probabilities break ties

In the last three the layers up to the changed one are run once; what follows is run for each expert.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from engine.images.classifier import Classifier, classifier_of
from engine.images.graph import Graph
from engine.images.layers import Layer
from engine.images.repair.nnrepair.experts import Expert

Tensors = Mapping[str, np.ndarray]


def changed_weights(graph: Graph, layer: Layer, experts: Sequence[Expert]) -> dict[str, np.ndarray]:
    """The layer's weight and bias, by name, with the changes of these experts added: as float32 holds them."""
    weight = graph.weights[layer.weight].detach().double().cpu().numpy()
    change = sum((expert.weight for expert in experts), np.zeros_like(weight if layer.axis == 0 else weight.T))
    found = {layer.weight: weight + (change if layer.axis == 0 else change.T)}
    assert layer.bias is not None
    bias = graph.weights[layer.bias].detach().double().cpu().numpy()
    found[layer.bias] = bias + sum((expert.bias for expert in experts), np.zeros(bias.size)).reshape(bias.shape)
    return {name: value.astype(np.float32) for name, value in found.items()}


def merged(classifier: Classifier, graph: Graph, layer: Layer, experts: Sequence[Expert]) -> Classifier:
    """The same file with all changes in the layer."""
    return classifier.with_weights(changed_weights(graph, layer, experts))


def side_by_side(
    classifier: Classifier, graph: Graph, layer: Layer, experts: Sequence[Expert], *, combine: str
) -> Classifier:
    """One file that runs the shared part once, then the original's end and each expert's, and combines their scores.

    Its scores are those of the network that is followed; for votes, the number of votes, plus half the original's
    probability.
    """
    writer = _Writer(classifier.model(), graph, layer)
    ends = [(expert.label, writer.end(f"expert{expert.label}", graph, [expert])) for expert in experts]
    output = COMBINERS[combine](writer, graph.scores, ends, classifier.classes)
    model = writer.model(output)
    return classifier_of(model, name=classifier.name, scaling=classifier.scaling, layout=classifier.layout)


class _Writer:
    """Adds nodes to a model."""

    def __init__(self, model: ModelProto, graph: Graph, layer: Layer):
        self._model, self._layer = model, layer
        self._tail = _tail(model, layer, graph.scores)

    def end(self, name: str, graph: Graph, experts: Sequence[Expert]) -> str:
        """A copy of the nodes from the layer to the scores, with other weights; the name of its scores."""
        fresh = changed_weights(graph, self._layer, experts)
        names = {old: f"{name}/{old}" for node in self._tail for old in node.output} | {
            old: f"{name}/{old}" for old in fresh
        }
        for old, value in fresh.items():
            self.constant(names[old], value)
        for node in self._tail:
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{name}/{node.name}"
            del copy.input[:], copy.output[:]
            copy.input.extend(names.get(old, old) for old in node.input)
            copy.output.extend(names[old] for old in node.output)
            self._model.graph.node.append(copy)
        return names[graph.scores]

    def constant(self, name: str, value: np.ndarray) -> str:
        """Adds a constant; its name."""
        self._model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: int) -> str:
        """Adds a node; the name of its output."""
        node = helper.make_node(kind, list(inputs), [output], name=f"combined: {output}")
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self._model.graph.node.append(node)
        return output

    def model(self, output: str) -> ModelProto:
        """The model whose output is this tensor, under the name of the old one."""
        old = self._model.graph.output[0].name
        for node in self._model.graph.node:
            for place, name in enumerate(node.output):
                if name == old:
                    node.output[place] = f"original/{old}"
            for place, name in enumerate(node.input):
                if name == old:
                    node.input[place] = f"original/{old}"
        self.node("Identity", [f"original/{old}" if output == old else output], old)
        return self._model


def _tail(model: ModelProto, layer: Layer, scores: str) -> list[NodeProto]:
    """The nodes that depend on the layer's weights, up to the scores."""
    changed = {layer.weight, layer.bias}
    found = []
    for node in model.graph.node:
        if changed & set(node.input):
            changed |= set(node.output)
            copy = NodeProto()
            copy.CopyFrom(node)
            found.append(copy)
        if scores in node.output:
            break
    return found


Ends = Sequence[tuple[int, str]]  # the label of an expert, and the name of its scores [n, classes]


def _claim(writer: _Writer, label: int, scores: str) -> str:
    """True where an expert gives its own class: [n, 1]."""
    best = writer.node("ArgMax", [scores], f"{scores}/class", axis=1, keepdims=1)
    own = writer.constant(f"{scores}/label", np.array([[label]], np.int64))
    return writer.node("Equal", [best, own], f"{scores}/claim")


def _naive(writer: _Writer, original: str, ends: Ends, classes: int) -> str:
    chosen = original
    for label, scores in reversed(ends):
        chosen = writer.node("Where", [_claim(writer, label, scores), scores, chosen], f"{scores}/first")
    return chosen


def _confidence(writer: _Writer, original: str, ends: Ends, classes: int) -> str:
    chosen, best = original, writer.constant("combined/none", np.array([[-1.0]], np.float32))
    for label, scores in ends:
        shares = writer.node("Softmax", [scores], f"{scores}/probabilities", axis=1)
        place = writer.constant(f"{scores}/place", np.array([label], np.int64))
        own = writer.node("Gather", [shares, place], f"{scores}/probability", axis=1)
        higher = writer.node("Greater", [own, best], f"{scores}/higher")
        taken = writer.node("And", [_claim(writer, label, scores), higher], f"{scores}/taken")
        chosen = writer.node("Where", [taken, scores, chosen], f"{scores}/chosen")
        best = writer.node("Where", [taken, own, best], f"{scores}/best")
    return chosen


def _votes(writer: _Writer, original: str, ends: Ends, classes: int) -> str:
    half = writer.constant("combined/half", np.array([[0.5]], np.float32))
    shares = writer.node("Softmax", [original], "combined/original", axis=1)
    total = writer.node("Mul", [shares, half], "combined/ties")
    for label, scores in ends:
        own = writer.constant(f"{scores}/own", (np.arange(classes) == label).astype(np.float32)[None])
        given = writer.node("Cast", [_claim(writer, label, scores)], f"{scores}/given", to=TensorProto.FLOAT)
        vote = writer.node("Mul", [given, own], f"{scores}/vote")
        total = writer.node("Add", [total, vote], f"{scores}/votes")
    return total


COMBINERS = {"naive": _naive, "confidence": _confidence, "votes": _votes}
