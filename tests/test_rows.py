"""Where weights of rows start: close to the best combination of planes, by linear programs."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from engine.bounds.crown import Boxes
from engine.search.rows import starting_weights


def best_bound(planes: np.ndarray) -> float:
    """The largest minimum over [-1, 1]^n of a convex combination of planes [rows, n + 1]: a matrix game's value.

    It is the least t with all planes at most t somewhere on the box.
    """
    n = planes.shape[1] - 1
    table = np.column_stack([planes[:, :-1], -np.ones(len(planes))])
    found = linprog([0] * n + [1], table, -planes[:, -1], bounds=[(-1, 1)] * n + [(None, None)])
    return found.fun


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_weights_are_nearly_the_best(rows):
    random = np.random.default_rng(rows)
    planes = torch.tensor(random.normal(size=(50, rows, 4)))
    box = torch.arange(50)
    boxes = Boxes(
        torch.zeros(50, dtype=torch.long),
        -torch.ones(50, 3).double(),
        torch.ones(50, 3).double(),
        torch.zeros(50, 0),
        torch.zeros(50, 0),
    )
    alone = planes[:, :, -1] - planes[:, :, :-1].abs().sum(2)
    weights = starting_weights(boxes, box, planes, torch.zeros(50, rows, dtype=torch.bool), alone.argmax(1))
    assert (weights >= 0).all() and torch.allclose(weights.sum(1), torch.ones(50).double())
    plane = (weights.unsqueeze(1) @ planes)[:, 0]
    bound = plane[:, -1] - plane[:, :-1].abs().sum(1)
    assert (bound >= alone.max(1).values - 1e-12).all()  # never worse than the best row alone
    best = np.array([best_bound(one) for one in planes.numpy()])
    gained = (bound - alone.max(1).values).sum() / max((best - alone.max(1).values.numpy()).sum(), 1e-9)
    assert rows == 1 or gained > 0.7


def test_padding_has_no_weight():
    planes = torch.tensor([[[1.0, 0.5], [9.0, 9.0]]]).double()
    boxes = Boxes(
        torch.zeros(1, dtype=torch.long),
        -torch.ones(1, 1).double(),
        torch.ones(1, 1).double(),
        torch.zeros(1, 0),
        torch.zeros(1, 0),
    )
    weights = starting_weights(boxes, torch.tensor([0]), planes, torch.tensor([[False, True]]), torch.tensor([0]))
    assert weights.tolist() == [[1.0, 0.0]]
