"""The neurons that free inputs reach: all others have one value on a box that fixes the other inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.network import Affine, Matrix, Network

SPARSE = 0.05  # share of a cone's weights other than 0, below which it is not sooner multiplied with its zeros


@dataclass(frozen=True, eq=False)
class Reach:
    """The part of a network that some of its inputs reach.

    A neuron is reached if its row of weights has a number other than 0 at a reached neuron of the layer before, or at a
    free input; all outputs are. free: inputs, ascending; rows: of each layer the reached neurons, ascending, at least
    one. No weights are held but the network's own.
    """

    network: Network
    free: np.ndarray
    rows: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[object, ...]:
        """Parts of one shape can be stacked."""
        relus = (_relus(layer)[rows].tobytes() for layer, rows in zip(self.network.layers, self.rows))
        return ("cone", *self.widths, *relus, *(layer.curve for layer in self.network.layers))

    @property
    def is_sparse(self) -> bool:
        """True where the network holds some of its weights sparsely."""
        return any(layer.is_sparse for layer in self.network.layers)

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of its inputs, and of its neurons in each layer."""
        return (len(self.free), *map(len, self.rows))

    @cached_property
    def weights(self) -> int:
        """How many of the network's weights it has."""
        columns, found = self.free, 0
        for layer, rows in zip(self.network.layers, self.rows):
            if isinstance(layer.matrix, np.ndarray):
                found += len(rows) * len(columns)
            else:
                found += int(layer.matrix[rows][:, columns].nnz)
            columns = rows
        return found

    @property
    def fixed(self) -> np.ndarray:
        """The inputs that are not free, ascending."""
        return np.delete(np.arange(self.network.n_inputs), self.free)

    @cached_property
    def hidden(self) -> np.ndarray:
        """The number among the network's hidden neurons of each of its own: [hidden], ascending."""
        found, start = [], 0
        for layer, rows in zip(self.network.layers, self.rows):
            relus = _relus(layer)
            found.append((start + np.cumsum(relus) - 1)[rows[relus[rows]]])
            start += int(relus.sum())
        return np.concatenate(found)

    def cut(self) -> tuple[Affine, ...]:
        """The layers at reached rows and columns, with the network's own biases."""
        columns, layers = self.free, []
        for layer, rows in zip(self.network.layers, self.rows):
            relu = layer.relu if isinstance(layer.relu, bool) else layer.relu[rows]
            part = _part(layer.matrix, rows, columns)
            layers.append(Affine(part, layer.bias[rows], relu, layer.rounded, curve=layer.curve))
            columns = rows
        return tuple(layers)


def reach_of(network: Network, free: Sequence[int]) -> Reach | None:
    """The part of the network that these inputs, ascending, reach; None where they reach no neuron of some layer."""
    columns, found = np.array(free, dtype=np.intp), []
    for layer in network.layers[:-1]:
        columns = _reached(layer, columns)
        found.append(columns)
    rows = (*found, np.arange(network.n_outputs))
    return Reach(network, np.array(free, dtype=np.intp), rows) if len(free) and all(map(len, rows)) else None


def _reached(layer: Affine, columns: np.ndarray) -> np.ndarray:
    """The rows of a layer with a number other than 0 in one of these columns, ascending."""
    if isinstance(layer.matrix, np.ndarray):
        return np.flatnonzero(layer.matrix[:, columns].any(1))
    chosen = np.zeros(layer.shape[1])
    chosen[columns] = 1
    return np.flatnonzero(abs(layer.matrix).sign() @ chosen)


def _part(matrix: Matrix, rows: np.ndarray, columns: np.ndarray) -> Matrix:
    """Some rows and columns of a matrix, with their zeros unless these are nearly all; the matrix itself if all."""
    if (len(rows), len(columns)) == matrix.shape:
        return matrix
    if isinstance(matrix, np.ndarray):
        return matrix[np.ix_(rows, columns)]
    part = matrix[rows][:, columns]
    return part if part.nnz < SPARSE * len(rows) * len(columns) else part.toarray()


def _relus(layer: Affine) -> np.ndarray:
    """True for neurons with a ReLU: [out]."""
    return np.broadcast_to(layer.relu, layer.bias.shape)
