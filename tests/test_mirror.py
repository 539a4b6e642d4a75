"""Networks with negated outputs: what holds of the highest output is what holds of their lowest."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import random_network
from test_cli_repair import PROPERTIES, SMALL

from engine.comparison.decision import Decision
from engine.comparison.mirror import mirrored, unmirrored
from engine.comparison.preservation import preservation
from engine.errors import InputError
from engine.network import Affine, Network
from engine.onnx_file import rewritten
from engine.repair.edit import edited
from engine.repair.loop import Repaired, repair
from engine.repair.methods import as_lowest
from engine.repair.milp import settings as linear
from engine.repair.task import RepairOptions, Task


def test_the_outputs_are_negated_and_negated_again():
    net = executable(random_network((3, 5, 4), seed=0))
    x = np.random.default_rng(0).normal(size=(50, 3))
    assert (mirrored(net).evaluate(x) == -net.evaluate(x)).all()
    assert (Decision.HIGHEST.of(net.evaluate(x)) == Decision.LOWEST.of(mirrored(net).evaluate(x))).all()
    last = net.layers[-1]
    changed = edited(net, {1: (last.weight, last.bias + 1)})
    assert unmirrored(rewritten(mirrored(changed)), net).onnx_bytes == changed.onnx_bytes
    assert unmirrored(mirrored(net), net).sha256 == net.sha256, "where nothing is changed the file is the same"


def test_the_first_of_equals():
    y = np.array([[1.0, 0.0, 1.0, 0.0]])
    for sign in (1, -1):
        assert (Decision.LOWEST.of(sign * y), Decision.HIGHEST.of(sign * y)) == ((1, 0) if sign == 1 else (0, 1))


def test_the_task_asks_the_same():
    net = random_network((2, 4, 3), seed=0)
    asked = prop(case([0, 0], [1, 1], [row([1, -2, 0], 3, inputs=[1, 0], strict=True)], [row([0, 1, 1])]), n_outputs=3)
    task = Task(net, (asked,), (asked,), np.zeros(2), np.ones(2), decision=Decision.HIGHEST)
    seen, x = as_lowest(task), (Fraction(1, 2), Fraction(1))
    assert seen.decision is Decision.LOWEST and as_lowest(seen) is seen
    random = np.random.default_rng(0)
    for y in random.integers(-3, 4, (60, 3)).tolist():
        negated = [-v for v in y]
        for before, after in zip(task.properties, seen.properties):
            assert before.cases[0].violated_at(x, y) == after.cases[0].violated_at(x, negated)


def test_outputs_of_a_relu_cannot_be_negated():
    net = random_network((2, 4, 3), seed=0)
    last = Network((*net.layers[:-1], replace(net.layers[-1], relu=True)), "net")
    with pytest.raises(InputError, match="net: its outputs come out of a ReLU"):
        mirrored(last)


def test_a_repair_for_the_highest_is_that_of_the_mirror_image(monkeypatch):
    """Weight by weight, and proved of the network itself."""
    for name, number in {"DOMAIN": 1000, "TARGET": 500, "KEEP": 300, "FRESH": 1000, "MARGINS": (0.03,)}.items():
        monkeypatch.setattr(linear, name, number)
    settings = RepairOptions(method="milp", points=1000, device="cpu")
    image = executable(mirrored(SMALL))
    task = Task(image, (PROPERTIES["left"],), (), np.zeros(1), np.ones(1), decision=Decision.HIGHEST)
    (seen,) = as_lowest(task).targets
    found = repair(SMALL, [PROPERTIES["left"]], lower=[-1], upper=[1], options=settings)
    other = repair(image, [seen], lower=[-1], upper=[1], decision=Decision.HIGHEST, options=settings)
    assert isinstance(found, Repaired) and isinstance(other, Repaired)
    for a, b in zip(found.network.layers, mirrored(other.network).layers):
        assert (a.weight == b.weight).all() and (a.bias == b.bias).all()
    assert other.chosen[0].note.endswith("(of the negated outputs)") and other.chosen[0].cost == found.chosen[0].cost


def test_preservation_of_the_highest():
    """Where the highest output may differ, against samples: y = (x, 0, -2) and (x - 1/4, 0, -2) differ on (0, 1/4)."""

    def line(bias):
        return Network((Affine(np.array([[1.0], [0.0], [0.0]]), np.array([bias, 0.0, -2.0]), False),))

    pair, box = (line(0.0), line(-0.25)), {"lower": (Fraction(-1),), "upper": (Fraction(1),), "timeout": 20}
    assert Fraction(1, 8) <= preservation(*map(mirrored, pair), enough=0.13, **box).open <= Fraction(13, 100)
    assert preservation(*pair, **box).open == 0, "the last is lowest everywhere"
