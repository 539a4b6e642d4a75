"""What a dense layer reads and says for the images of a task: the numbers that the programs are made of."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.images.classifier import BATCH, Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet, Integers
from engine.images.layers import Layer
from engine.images.repair.nnrepair.program import Doubles
from engine.network import Affine, Network
from engine.repair.localize import activation_difference


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Images at a dense layer. inputs: float64 [n, in]; sums: its outputs before the activation, [n, out]; labels: the
    right ones, [n]; passing: True where the network says the right class already."""

    inputs: Doubles
    sums: Doubles
    labels: Integers
    passing: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, which: np.ndarray) -> "Samples":
        """Those with these numbers, or where a mask is true."""
        return Samples(self.inputs[which], self.sums[which], self.labels[which], self.passing[which])


@torch.no_grad()
def samples_of(classifier: Classifier, graph: Graph, layer: Layer, images: ImageSet) -> Samples:
    """The images at this layer of the graph."""
    inputs, sums, passing = [], [], []
    for part in images.batches(BATCH):
        x = classifier.inputs(torch.from_numpy(part.images).to(graph.device))
        found = graph.tensors(x, (layer.input, layer.output, graph.scores))
        inputs.append(found[layer.input].flatten(1).double().cpu().numpy())
        sums.append(found[layer.output].flatten(1).double().cpu().numpy())
        passing.append(found[graph.scores].flatten(1).argmax(1).cpu().numpy() == part.labels)
    return Samples(np.concatenate(inputs), np.concatenate(sums), images.labels, np.concatenate(passing))


def joined(parts: list[Samples]) -> Samples:
    """All samples of some sets."""
    return Samples(*(np.concatenate([getattr(part, n) for part in parts]) for n in Samples.__slots__))


def edge_scores(row: Doubles, failing: Doubles, passing: Doubles) -> Doubles:
    """NNrepair's score of a neuron's edges [in]: mean |activation x weight| over failing minus passing inputs.

    row: the neuron's weights [in]. The scores are 0 where there are no inputs of one kind.
    """
    if not len(failing) or not len(passing):
        return np.zeros(len(row))
    neuron = Network((Affine(row[None], np.zeros(1), relu=False),))
    found: Doubles = activation_difference(neuron, failing, passing)[0][0]
    return found
