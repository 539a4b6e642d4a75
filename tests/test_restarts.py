"""Descent from many points of the open boxes: where it finds what descent from the best samples does not."""

import pytest
import torch
from cases import case, executable, prop, row
from conftest import network

from engine.bounds.blocks import make_stack
from engine.deadline import NEVER
from engine.search import branch_and_bound, restarts
from engine.search import state as state_module
from engine.search.frontier import Frontier
from engine.search.problem import Options, Problem
from engine.search.restarts import due, restart
from engine.search.state import Known, ProblemState
from engine.search.suspects import Suspects
from engine.search.verify import verify

#: y = 1 - max(1.5 - 60 (|x0 - 1/4| + |x1 - 3/8|), 0): flat but for a pit of 0.00125 of the unit square, and unsafe on a
#: ninth of that
PIT = network(
    [[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [[-60.0] * 4], [[-1.0]]],
    [[-0.25, 0.25, -0.375, 0.375], [1.5], [1.0]],
)


def opened(split_at: float | None = None) -> tuple[Frontier, ProblemState]:
    """The question whether y > 0 on the unit square; what is open is the whole box, or what lies left of this x0."""
    problem = Problem(PIT, prop(case([0, 0], [1, 1], [row([1], n_inputs=2)])))
    stack = make_stack([PIT], device=torch.device("cpu"), semantics="real")
    frontier = Frontier([PIT], stack, (1, 1), max_open=16, recorder=None)
    state = ProblemState(0, problem)
    (slot,), _ = frontier.begin([(state, 0)], NEVER)
    if split_at is not None:
        nodes = frontier.read([slot])
        nodes.upper[:, 0] = split_at
        (slot,) = frontier.put(nodes)
    state.open[slot] = Known(0.0, -1.0)
    return frontier, state


@torch.no_grad()
def found(frontier: Frontier, state: ProblemState):
    return restart(frontier._stack, frontier, state, NEVER)


@pytest.mark.parametrize("boxes", range(5))
def test_a_pit_is_found_that_few_points_lie_in(boxes):
    frontier, state = opened()
    state.boxes = boxes
    points = found(frontier, state)
    assert float(points.value.min()) < 0
    assert ((points.point >= 0) & (points.point <= 1)).all()
    values = torch.from_numpy(PIT.evaluate(points.point.numpy()))[:, 0]
    assert torch.allclose(values, points.value)
    assert state.restart_at == boxes + restarts.EVERY


def test_starts_lie_in_open_boxes_alone():
    """The pit lies right of 1/8, beyond the reach of steps and moves together from the left part: they find nothing."""
    frontier, state = opened(0.125)
    root, x = restarts._starts(frontier, state, 1000, torch.Generator().manual_seed(0))
    assert (x[:, 0] <= 0.125).all() and x[:, 0].max() > 0.12 and x[:, 1].max() > 0.95
    assert len(root) == 1000


@pytest.mark.parametrize("proved, starts", [(0.0, 8192), (0.75, 2048), (1 - 1e-9, 256)])
def test_starts_are_fewer_where_more_is_proved(proved, starts, monkeypatch):
    frontier, state = opened()
    state.proved = proved
    counts = []
    descend = restarts.descend
    monkeypatch.setattr(restarts, "descend", lambda *a, **k: counts.append(len(a[3])) or descend(*a, **k))
    found(frontier, state)
    assert counts[0] == starts and max(counts[1:], default=0) <= starts


def test_turns():
    """The first comes after 32,768 boxes, never without open boxes or once a point is known."""
    _, state = opened()
    assert not due(state)
    state.boxes = 32_768
    assert due(state)
    state.restart_at = 32_769
    assert not due(state)
    state.boxes = 32_769
    assert due(state)
    state.open.clear()
    assert not due(state)


def test_the_search_takes_what_it_finds(monkeypatch):
    """The counterexample is the very point that the restart gives."""
    pit = torch.tensor([[0.25, 0.375]], dtype=torch.float64)
    given = lambda stack, frontier, state, deadline: Suspects(
        torch.tensor(list(state.roots)), pit, torch.tensor([-0.5], dtype=torch.float64)
    )
    monkeypatch.setattr(state_module, "LONG", 1)
    monkeypatch.setattr(branch_and_bound, "restart", given)
    property = opened()[1].problem.property
    verdict = verify(executable(PIT), property, Options(device="cpu", batch=1))
    assert verdict.word == "sat" and verdict.counterexample.inputs == (0.25, 0.375)
