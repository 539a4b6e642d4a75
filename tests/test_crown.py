"""Backward substitution against hand-worked numbers, exact evaluation and float32 execution."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import (
    FLOAT32,
    MIXED,
    NETWORKS,
    SEMANTICS,
    batch,
    check_hidden,
    check_rows,
    crown_rows,
    output_rows,
    traces,
    with_layers,
)
from conftest import network, random_network
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bounds.crown import Boxes, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.stack import Stack

NAMED = [(name, s) for name in [*NETWORKS, *MIXED] for s in SEMANTICS if s == "real" or name in FLOAT32]


def check_crown(stack: Stack, boxes: Boxes, *, count: int = 4, seed: int = 0) -> None:
    """Hidden bounds and bounds of rows are sound on every box."""
    evidence = traces(stack, boxes, count=count, seed=seed)
    rows = output_rows(stack.n_outputs, seed=seed)
    lines = tighten(stack, boxes)
    check_hidden(boxes, evidence)
    check_rows(crown_rows(stack, boxes, lines, rows), rows, evidence)


@pytest.mark.parametrize("name, semantics", NAMED)
def test_sound(name, semantics):
    check_crown(*batch(name, semantics=semantics))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_sound_on_any_network(data):
    """Random widths, activations, boxes and numbers of networks."""
    widths = data.draw(st.lists(st.integers(1, 5), min_size=3, max_size=6))
    seeds = data.draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=3))
    some = lambda n: st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
    relu = [True, *(data.draw(st.booleans() | some(n)) for n in widths[2:])]  # one ReLU at least
    if widths[1] > 1:
        relu[0] = data.draw(st.just(True) | some(widths[1]).filter(np.any))
    networks = [with_layers(random_network(widths, seed=seed), relu=tuple(relu)) for seed in seeds]
    stack = Stack(networks, semantics=data.draw(st.sampled_from(SEMANTICS)))
    n = data.draw(st.integers(len(seeds), 6))
    numbers = st.floats(-4, 4, width=32)
    ends = st.lists(st.tuples(numbers, numbers).map(sorted), min_size=widths[0], max_size=widths[0])
    lower, upper = torch.tensor([data.draw(ends) for _ in range(n)], dtype=torch.float64).unbind(2)
    which = torch.arange(n) * len(seeds) // n
    check_crown(stack, Boxes(which, lower, upper, *hidden_intervals(stack, which, lower, upper)), count=2)


def one_box(net, lower, upper):
    stack = Stack([net])
    ends = [torch.tensor([side], dtype=torch.float64) for side in (lower, upper)]
    return stack, Boxes(torch.tensor([0]), *ends, *hidden_intervals(stack, torch.tensor([0]), *ends))


def test_by_hand_with_slopes_of_a_half():
    """z = x1 +- x2 on [-1, 1]^2: both lie in [-2, 2], so h <= z / 2 + 1, h >= 0, and 0 <= h1 + h2 <= 3."""
    stack, boxes = one_box(network([[[1, 1], [1, -1]], [[1, 1]]], [[0, 0], [0]]), [-1, -1], [1, 1])
    found = crown_rows(stack, boxes, tighten(stack, boxes), [[1.0, 0.0], [-1.0, 0.0]])[0]
    # the hidden ends are rounded outward to float32, which costs the intercept 2^-22
    assert found.tolist() == pytest.approx([0, -3], abs=2e-6)
    assert found[0] <= 0 and found[1] <= -3


def test_by_hand_with_rounded_slopes():
    """z1 in [-1, 1.5], z2 in [-1/2, 2]: chords 0.6 and 0.8 become 614/1024 and 819/1024."""
    stack, boxes = one_box(network([[[1, 1], [1, -1]], [[1, -1]]], [[0, 0], [0]]), [0, -1], [1, 0.5])
    lines = tighten(stack, boxes)
    assert boxes.l[0].tolist() == pytest.approx([-1, -0.5], abs=1e-6)
    assert boxes.u[0].tolist() == pytest.approx([1.5, 2], abs=1e-6)
    # h1 - h2 >= z1 - (819/1024 z2 + 205/512): least at (0, -1)
    # h2 - h1 >= z2 - (614/1024 z1 + 205/512 * 3/2): least at (0, 0.5)
    want = [-1 - 819 / 1024 - 205 / 512, -0.5 - 0.5 * 614 / 1024 - 205 / 512 * 1.5]
    found = crown_rows(stack, boxes, lines, [[1.0, 0.0], [-1.0, 0.0]])[0]
    assert found.tolist() == pytest.approx(want, abs=2e-6)
    assert (found <= torch.tensor(want).double()).all()


def test_constants_are_added():
    stack, boxes = one_box(network([[[1]], [[1]]], [[5], [7]]), [0], [1])
    found = crown_rows(stack, boxes, tighten(stack, boxes), [[1.0, 100.0], [-1.0, 100.0]])[0]
    assert found.tolist() == pytest.approx([112, 87], abs=1e-9)


def test_tight_where_nothing_is_open():
    """With every sign known a bound is the network's own minimum, but for rounding."""
    stack, boxes = one_box(network([[[1, 0], [0, 1]], [[1, -1]]], [[5, 5], [0]]), [-1, -1], [1, 1])
    found = crown_rows(stack, boxes, tighten(stack, boxes), [[1.0, 0.0], [-1.0, 0.0]])
    assert found[0].tolist() == pytest.approx([-2, -2], abs=1e-9)


def test_never_worse_than_what_was_known():
    """tighten() keeps the better of old and new bounds, so that children inherit."""
    for name in ("deep", "wide", "affine_inside"):
        stack, boxes = batch(name)
        before = replace(boxes, l=boxes.l.clone(), u=boxes.u.clone())
        tighten(stack, boxes)
        assert (boxes.l >= before.l).all() and (boxes.u <= before.u).all()
        assert (boxes.l > before.l).any() and (boxes.u < before.u).any()


def test_boxes_do_not_mix():
    """Bounds of a box do not depend on its company, but for rounding."""
    for name in ("shallow", "deep", "affine_inside"):
        stack, boxes = batch(name)
        together = replace(boxes, l=boxes.l.clone(), u=boxes.u.clone())
        rows = output_rows(stack.n_outputs)
        found = crown_rows(stack, together, tighten(stack, together), rows)
        for i in range(len(boxes)):
            alone = Stack([stack.networks[boxes.network[i]]])
            box = Boxes(
                torch.tensor([0]), *(t[i : i + 1].clone() for t in (boxes.lower, boxes.upper, boxes.l, boxes.u))
            )
            mine = crown_rows(alone, box, tighten(alone, box), rows)
            torch.testing.assert_close(mine[0], found[i], rtol=1e-5, atol=1e-5)


def test_chunks_of_rows_change_nothing(monkeypatch):
    """Rows are bounded in chunks; a chunk may begin and end anywhere in a batch of several networks."""
    stack, whole = batch("wide")
    parts = replace(whole, l=whole.l.clone(), u=whole.u.clone())
    tighten(stack, whole)
    monkeypatch.setattr("engine.bounds.crown.MAX_ROWS", 7)
    tighten(stack, parts)
    torch.testing.assert_close(parts.l, whole.l, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(parts.u, whole.u, rtol=1e-6, atol=1e-7)
