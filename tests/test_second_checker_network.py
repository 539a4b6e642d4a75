"""Layers of the second checker's networks that are worked out by hand."""

from fractions import Fraction

import numpy as np
import onnx
import pytest
from onnx_graphs import model, node
from second_checker_network import UNREADABLE, read_chain


@pytest.mark.parametrize("size, rounded", [(2, False), (3, True), (6, True)])
def test_means_are_of_the_nearest_numbers(size, rounded):
    """1 / 3 is no float64 number: W holds the nearest one, and the network is rounded."""
    chain = read_chain(model([node("ReduceMean", "x", "y", axes=[1])], shape=(1, size)))
    assert [layer.weights for layer in chain.layers] == [[[1] * size], [[Fraction(1 / size)]]]
    assert chain.rounded is rounded and (chain.network("real").blocks[0].g > 0) is rounded


MOVES = {
    "Squeeze": ([node("Squeeze", "x", "y")], [2]),
    "Unsqueeze": ([node("Unsqueeze", "x a", "y")], [1, 1, 2]),
    "Flatten": ([node("Flatten", "x", "y", axis=2)], [2, 1]),
    "Reshape": ([node("Reshape", "x s", "y")], [1, 2, 1]),
    "by a shape": ([node("Squeeze", "x", "q"), node("Shape", "x", "n"), node("Reshape", "q n", "y")], [1, 2]),
    "Cast": ([node("Cast", "x", "y", to=onnx.TensorProto.DOUBLE)], [1, 2]),
}


@pytest.mark.parametrize("name", MOVES)
def test_nodes_without_a_layer(name):
    nodes, shape = MOVES[name]
    chain = read_chain(model(nodes, {"a": np.array([0]), "s": np.array([0, -1, 1])}, shape=(1, 2)))
    assert chain.shape == shape and [layer.weights for layer in chain.layers] == [[[1, 0], [0, 1]]]


@pytest.mark.parametrize("kind, to", [(onnx.TensorProto.FLOAT, onnx.TensorProto.INT64), (onnx.TensorProto.DOUBLE, 1)])
def test_no_number_is_cast_to_a_smaller_type(kind, to):
    with pytest.raises((ValueError, *UNREADABLE)):
        read_chain(model([node("Cast", "x", "y", to=to)], shape=(1, 2), kind=kind))
