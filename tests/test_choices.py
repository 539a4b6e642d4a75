"""Which neurons are tuned, and how a localization orders them for any method."""

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import random_network

from engine.errors import InputError
from engine.repair.gradient import choices as module
from engine.repair.gradient import guides
from engine.repair.gradient.choices import choices
from engine.repair.gradient.method import gradient
from engine.repair.localize import Localization, localize
from engine.repair.smt.method import by_output
from engine.repair.task import Evidence, Task

NET = executable(random_network((2, 6, 6, 3), seed=0))
TARGET = prop(case([-1, -1], [1, 1], [row([0, 1, 0], "1/4")]), n_outputs=3)  # unsafe: y1 <= -1/4


@pytest.fixture
def task(monkeypatch) -> Task:
    for name in ("DOMAIN", "AROUND", "IN_BOX", "KEPT"):
        monkeypatch.setattr(guides, name, 500)
    return Task(NET, (TARGET,), (), np.full(2, -1.0), np.full(2, 1.0))


def found(task, **options) -> list[list[dict]]:
    return [group for _, group in choices(task, Evidence(), **options)]


def test_outputs_come_first_then_more_and_more_neurons(task, monkeypatch):
    monkeypatch.setattr(module, "SCHEDULE", (2, 4, 100))
    outputs, *hidden = found(task)
    assert all(list(chosen) == [2] for chosen in outputs) and {2: [1]} in outputs
    assert [len(chosen[1]) for group in hidden for chosen in group] == [2, 4, 6]
    assert all(chosen[2] == [0, 1, 2] for group in hidden for chosen in group)
    sizes = [set(chosen[1]) for group in hidden for chosen in group]
    assert sizes[0] < sizes[1] < sizes[2]


def test_so_many_neurons_at_once(task):
    ((chosen,),) = found(task, neurons=3)
    assert len(chosen[1]) == 3 and chosen[2] == [0, 1, 2]
    ((chosen,),) = found(task, neurons=99, outputs=False)
    assert chosen == {1: list(range(6))}


def test_one_layer_has_outputs_only(task):
    net = executable(random_network((2, 3), seed=0))
    flat = Task(net, task.targets, (), task.lower, task.upper)
    assert len(found(flat, neurons=3)) == 1


@pytest.mark.parametrize("kind", ["vere", "nnrepair"])
def test_a_localization_orders_them(task, kind):
    order = localize(task, Evidence()).after(kind)
    outputs, *hidden = found(task, localization=kind)
    assert [chosen[2] for chosen in outputs][:3] == [[j] for _, j in order.best_neurons(layer=2)]
    ((chosen,),) = found(task, localization=kind, neurons=2)
    assert {(1, i) for i in chosen[1]} == set(order.best_neurons(2, layer=1))


def test_localizations_alone():
    both = Localization(
        (np.array([0.5, 1.0]), np.array([0.75])), (np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[2.0, 3.0]]))
    )
    vere, nnrepair = both.after("vere"), both.after("nnrepair")
    assert both.after(None) is both
    assert [part.tolist() for part in vere.edges] == [[[0.5, 0.5], [1.0, 1.0]], [[0.375, 0.75]]]
    assert [part.tolist() for part in nnrepair.neurons] == [[2.0, 0.0], [3.0]]
    assert nnrepair.best_neurons() == [(1, 0), (0, 0), (0, 1)] and vere.best_neurons() == both.best_neurons()
    assert [tuple(place)[:2] for place in both.table(kind="nnrepair")] == nnrepair.best_neurons()
    assert {tuple(place) for place in both.table(kind="nnrepair")} == {tuple(place) for place in both.table()}
    with pytest.raises(InputError, match="unknown localization 'magic'; use vere, nnrepair"):
        both.after("magic")


def test_smt_takes_either(task):
    both = localize(task, Evidence())
    orders = {kind: by_output(both.after(kind)) for kind in (None, "vere", "nnrepair")}
    edges = {str(order) for order in orders.values()}
    assert len(edges) == 3 and len({str(sorted(order[1][0])) for order in orders.values()}) == 1


@pytest.mark.parametrize(
    "options, message",
    [({"objective": "magic"}, "unknown objective"), ({"localization": "magic"}, "unknown localization")],
)
def test_unknown_options_are_refused(task, options, message):
    with pytest.raises(InputError, match=message):
        next(gradient(task, Evidence(), lambda text: None, **options))


def test_a_proxy_box_needs_a_hidden_layer(task):
    flat = Task(executable(random_network((2, 3), seed=0)), task.targets, (), task.lower, task.upper)
    with pytest.raises(InputError, match="no hidden layer"):
        next(gradient(flat, Evidence(), lambda text: None, objective="proxy"))
