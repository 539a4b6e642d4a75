"""Candidate points from linear programs: the deepest where signs are fixed, whatever the inputs' size."""

import numpy as np
import pytest
from cases import row
from conftest import network

from engine.property import Polytope
from engine.search.deepest import deepest

#: y = max(x0 + x1, 0) - max(x0 - x1, 0)
PAIR = network([[[1.0, 1.0], [1.0, -1.0]], [[1.0, -1.0]]], [[0.0, 0.0], [0.0]])


@pytest.mark.parametrize("size", [2.0**-30, 1.0, 2.0**30])
@pytest.mark.parametrize(
    "signs, point",
    [
        ((1, 1), (1, -1)),
        ((-1, 1), (1, -1)),
        ((1, -1), (-1, 1)),
        ((-1, -1), (-1, 1)),
    ],
)
def test_the_deepest_point_is_found(signs, point, size):
    """y <= 0 is met deepest, with these signs, at (or as deep as at) this corner."""
    ends = np.full(2, -size), np.full(2, size)
    on = np.array(signs) > 0
    found = deepest(PAIR, Polytope((row([1]),)), *ends, on=on, signs=np.array(signs))
    assert ((ends[0] <= found) & (found <= ends[1])).all()
    z = np.array([[1, 1], [1, -1]]) @ found
    assert (np.array(signs) * z >= -1e-9 * size).all()
    value = lambda x: float(np.where(on, np.array([[1, 1], [1, -1]]) @ x, 0) @ [1, -1])
    assert value(found) <= value(size * np.array(point)) + 1e-9 * size


def test_signs_that_exclude_each_other_have_no_point():
    """x0 <= -1 - 3 and x0 >= 4 - 3 are not met together."""
    net = network([[[1.0, 0.0], [-1.0, 0.0]], [[1.0, 1.0]]], [[-2.0, -2.0], [0.0]])
    both = np.array([1, 1], np.int8)
    assert deepest(net, Polytope((row([1]),)), -np.ones(2), np.ones(2), on=both > 0, signs=both) is None


def test_all_rows_count():
    """The point is deep in every row: x0 <= 0 and -x0 <= 1 are met best at -1/2."""
    rows = row([0], 0, inputs=[1, 0]), row([0], -1, inputs=[-1, 0])
    found = deepest(PAIR, Polytope(rows), -2 * np.ones(2), 2 * np.ones(2), on=np.ones(2, bool), signs=np.zeros(2))
    assert found[0] == pytest.approx(-0.5)
