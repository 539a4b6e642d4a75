"""Bounds of hidden neurons through those that are not idle: the same as through all, in parts and filled up."""

from dataclasses import replace

import pytest
import torch
from cases import batch, check_hidden, traces
from conftest import random_network

from engine.bounds import descent, products
from engine.bounds.crown import Boxes, is_open, tighten
from engine.bounds.descent import MIN_INPUTS, Part
from engine.bounds.interval import hidden_intervals
from engine.bounds.products import Segments, matmul
from engine.bounds.stack import Stack

WIDTHS = [3, 9, 8, 7, 2]


def small_boxes(count: int = 40, networks: int = 3) -> tuple[Stack, Boxes]:
    """Boxes so small that many neurons are idle on all of a network's, and others on some."""
    stack = Stack([random_network(WIDTHS, seed=seed) for seed in range(networks)])
    generator = torch.Generator().manual_seed(0)
    lower = torch.rand(count, 3, dtype=torch.float64, generator=generator)
    upper = lower + 0.3 * torch.rand(count, 3, dtype=torch.float64, generator=generator)
    network = torch.arange(count) * networks // count
    return stack, Boxes(network, lower, upper, *hidden_intervals(stack, network, lower, upper))


def tightened(stack: Stack, boxes: Boxes) -> Boxes:
    boxes = replace(boxes, l=boxes.l.clone(), u=boxes.u.clone())
    tighten(stack, boxes)
    return boxes


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Sums of another order differ by rounding alone, rarely over the edge of a float32 number."""
    return torch.allclose(a, b, rtol=2.0**-22, atol=1e-12) and bool((a == b).double().mean() > 0.99)


@pytest.mark.parametrize("most", [1, 3, 256])
def test_idle_neurons_change_no_bound(most, monkeypatch):
    stack, boxes = small_boxes()
    assert bool((boxes.u <= 0).all(0).any()) and bool((boxes.u <= 0).any())
    monkeypatch.setattr(descent, "MAX_BOXES", most)
    found = tightened(stack, boxes)
    monkeypatch.setattr(descent, "MAX_COPIED", 0)  # all boxes as one part, with all neurons
    whole = tightened(stack, boxes)
    assert close(found.l, whole.l) and close(found.u, whole.u)
    check_hidden(found, traces(stack, found, count=4, seed=1))


def test_what_is_idle_on_some_boxes_is_kept(monkeypatch):
    """A part that goes by its first box alone gives wrong bounds."""
    original = descent.Part.follow

    def wrong(self, of, lines, used):
        original(self, of, lines, used[[self.first]].expand_as(used))

    monkeypatch.setattr(descent.Part, "follow", wrong)
    stack, boxes = small_boxes()
    found = tightened(stack, boxes)
    with pytest.raises(AssertionError):
        check_hidden(found, traces(stack, found, count=20, seed=1))


@pytest.mark.parametrize("name", ["deep", "absolute_value", "affine_inside"])
def test_filled_up_runs_change_no_bound(name, monkeypatch):
    stack, boxes = batch(name, semantics="real")
    plain = tightened(stack, boxes)
    monkeypatch.setattr(descent, "MAX_COPIED", 0)
    monkeypatch.setattr(products, "FILLED_ON", ("cpu",))
    filled = tightened(stack, boxes)
    assert close(plain.l, filled.l) and close(plain.u, filled.u)


@pytest.mark.parametrize("sides", [(), (2,)])
@pytest.mark.parametrize("lengths", [(1, 1, 1), (4, 1, 2), (1, 7, 3)])
def test_filled_up_runs_have_the_same_products(lengths, sides, monkeypatch):
    """Each row is multiplied with its own network's matrix, also where the stack has networks without rows."""
    monkeypatch.setattr(products, "FILLED_ON", ("cpu",))
    starts = torch.tensor([0, *lengths]).cumsum(0).tolist()
    runs = Segments(zip((0, 2, 3), starts, starts[1:]))
    rows = torch.randint(-9, 9, (*sides, sum(lengths), 5)).double()
    matrices = torch.randint(-9, 9, (4, 5, 6)).double()
    assert runs.filled is not None
    expected = torch.cat([rows[..., i:j, :] @ matrices[net] for net, i, j in runs], -2)
    assert torch.equal(matmul(rows, matrices, runs), expected)


def test_runs_of_very_different_length_are_not_filled_up(monkeypatch):
    monkeypatch.setattr(products, "FILLED_ON", ("cpu",))
    monkeypatch.setattr(products, "FEW_ROWS", 10)
    assert Segments([(0, 0, 1), (1, 1, 2), (2, 2, 3), (3, 3, 4), (4, 4, 5), (5, 5, 100)]).filled is None
    assert Segments([(0, 0, 50), (1, 50, 100)]).filled is not None
    assert Segments([(0, 0, 50)]).filled is None and Segments().filled is None


@pytest.mark.parametrize("inputs", [MIN_INPUTS, MIN_INPUTS + 1])
def test_what_boxes_have_in_common_changes_no_bound(inputs, monkeypatch):
    """Boxes of many inputs that signs of the first two layers tell apart: the same bounds as one by one."""
    stack = Stack([random_network((inputs, 10, 12, 8, 2), seed=0)])
    ends = torch.full((1, inputs), -0.2, dtype=torch.float64), torch.full((1, inputs), 0.3, dtype=torch.float64)
    zero = torch.tensor([0])
    whole = Boxes(zero, *ends, *hidden_intervals(stack, zero, *ends))
    tighten(stack, whole)
    split = is_open(whole.l, whole.u)[0, :22].nonzero()[:, 0]
    assert len(split) > 12
    l, u = whole.l.repeat(len(split) + 1, 1), whole.u.repeat(len(split) + 1, 1)
    place = torch.arange(len(split))
    u[place[::2], split[::2]] = 0
    l[place[1::2], split[1::2]] = 0
    used = []
    find = Part.find_common

    def watched(part, products):
        find(part, products)
        used.append(len(part.common[1]))

    monkeypatch.setattr(Part, "find_common", watched)
    network = torch.zeros(len(l), dtype=torch.long)
    together = Boxes(network, *(end.expand(len(l), -1).contiguous() for end in ends), l.clone(), u.clone())
    tighten(stack, together)
    # of the first layer the neurons that are split somewhere differ, and the constant counts as different
    assert used == ([] if inputs == MIN_INPUTS else [1 + int((split < 10).sum())])
    for i in range(len(l)):
        alone = Boxes(zero, *ends, l[i : i + 1].clone(), u[i : i + 1].clone())
        tighten(stack, alone)
        assert torch.allclose(together.l[i], alone.l[0], rtol=1e-6, atol=1e-6)
        assert torch.allclose(together.u[i], alone.u[0], rtol=1e-6, atol=1e-6)
    assert not torch.equal(together.u[0, 22:], together.u[-1, 22:])
