"""Repairs of networks whose outputs are no scores: tolerances, sizes of outputs, parts, and programs with prices."""

from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
import torch
from cases import case, executable, prop, row
from conftest import network

from engine.comparison.decision import Decision
from engine.comparison.difference import Difference
from engine.comparison.measured import FidelityRecord
from engine.errors import InputError
from engine.evaluation import scores
from engine.repair.edit import edited
from engine.repair.loop import Failed, Repaired, repair
from engine.repair.methods import METHODS
from engine.repair.milp import settings as linear
from engine.repair.milp.limits import held
from engine.repair.milp.programs.cuts import solve
from engine.repair.milp.programs.program import Program
from engine.repair.samples import look_at, regions
from engine.repair.service import repair_network
from engine.repair.task import Candidate, RepairOptions, Task
from engine.repair.views.parts import parts
from engine.repair.views.scale import scaled, unit_of, unscaled
from engine.vnnlib.writer import property_text

#: y = 2 relu(x) + relu(x - 0.8) - 1.5 relu(-x), and a neuron that never fires on [-1, 1]
BENT = executable(network([[[1.0], [1.0], [-1.0], [1.0]], [[2.0, 1.0, -1.5, 0.5]]], [[0.0, -0.8, 0.0, -1.5], [0.0]]))
#: violated from 0.65 on: y is at most 1.3 on [0.5, 0.7]
LOW = prop(case([Fraction(1, 2)], [Fraction(7, 10)], [row([-1], Fraction(13, 10), n_inputs=1)]), n_outputs=1)
HIGH = prop(case([-1], [Fraction(-1, 2)], [row([1], Fraction(7, 5), n_inputs=1)]), n_outputs=1)  # y >= -1.4
END = np.ones(1)
TASK = Task(BENT, (LOW,), (), -END, END, decision=Decision.UNKNOWN, tolerance=0.1)
FEW = RepairOptions(points=2000, grid=5, device="cpu", timeout=60, keep_outputs=Fraction(1, 10))


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    for name, number in {"DOMAIN": 2000, "TARGET": 1000, "KEEP": 300, "FRESH": 2000}.items():
        monkeypatch.setattr(linear, name, number)


def test_points_change_where_an_output_changes_by_more():
    before = torch.tensor([[0.0, 1.0], [2.0, 1.0], [0.0, 0.0]])
    found = Difference(Decision.UNKNOWN, 0.5)
    found.add(np.zeros((3, 1)), before, before + torch.tensor([[0.5, -0.5], [0.0, 0.6], [-0.7, 0.0]]))
    assert (found.points, found.changed, len(found.examples)) == (3, 2, 2)
    assert found.agreement == pytest.approx(1 / 3) and found.order_kept is None
    assert Difference(Decision.UNKNOWN).agreement is None


def test_a_record_says_the_tolerance_and_is_read_again():
    record = FidelityRecord(3, 2, 1, {}, 0.25)
    assert FidelityRecord.from_json(record.to_json()) == record
    assert "tolerance" not in FidelityRecord(3, 2, 1, {}).to_json()


@pytest.mark.parametrize(("size", "unit"), [(1.0, 1.0), (8.0, 1.0), (1 / 128, 1.0), (1e6, 2.0**-19), (1e-6, 2.0**21)])
def test_outputs_of_unusual_sizes_are_multiplied_by_a_power_of_two(size, unit):
    last = BENT.layers[-1]
    task = replace(TASK, network=edited(BENT, {1: (size * last.weight, size * last.bias)}))
    assert unit_of(task) == unit


def test_a_scaled_task_is_the_same_task():
    unit = 2.0**-7
    seen = scaled(TASK, unit)
    x = np.linspace(-1, 1, 41, dtype=np.float32)[:, None]
    assert np.array_equal(scores(seen.network, x), scores(BENT, x) * np.float32(unit))
    assert seen.tolerance == TASK.tolerance * unit
    ((before,), (after,)) = ([region.unsafe for region in regions(each)] for each in (TASK, seen))
    distances = before.distance(x, scores(BENT, x)), after.distance(x, scores(seen.network, x))
    assert np.allclose(distances[0] * unit, distances[1], atol=1e-7)
    back = unscaled(Candidate(seen.network, "note"), BENT, unit)
    assert all(np.array_equal(a.weight, b.weight) for a, b in zip(back.network.layers, BENT.layers))
    assert back.note == "note (of outputs times 0.0078125)"


def test_limits_are_those_of_the_tolerance_outside_the_boxes():
    x = np.array([[-0.5], [0.51], [0.69], [0.9]], np.float32)
    where = regions(TASK)
    samples = look_at(BENT, where, x)
    floor, cap = held(samples, where, samples.y, np.array([-1.0]), tolerance=0.1)
    assert np.allclose(cap, [0.08, np.inf, np.inf, 0.08]) and (floor == -np.inf).all()
    floor, cap = held(samples, where, samples.y + 0.2, np.array([-1.0]), tolerance=0.1)  # z has to bring it back
    assert np.allclose(floor, [0.12, -np.inf, -np.inf, 0.12]) and np.allclose(cap, [0.28, np.inf, np.inf, 0.28])


def test_parts_have_a_direction_each():
    both = replace(LOW, cases=LOW.cases + HIGH.cases)
    assert [part.cases for part in parts(both)] == [LOW.cases, HIGH.cases]
    between = prop(case([0], [1], [row([-1], 1, n_inputs=1)], [row([1], 0, n_inputs=1)]), n_outputs=1)
    assert [len(part.cases[0].unsafe) for part in parts(between)] == [1, 1]
    never = prop(  # neither of two outputs is to be the lowest: both are raised
        case([0], [1], *([row([(i == j) - (i == 2) for i in range(3)], n_inputs=1)] for j in (0, 1))), n_outputs=3
    )
    assert parts(never) == (never,) and parts(LOW) == (LOW,)
    many = replace(LOW, cases=5 * LOW.cases)
    assert parts(many) == (many,)


def test_what_must_hold_holds_and_the_rest_has_a_price():
    """w = 1 is needed at the first point; the cap of the second, at which it is half as large, is missed by 0.2."""
    program = Program(
        np.array([[1.0], [0.5]], np.float32),
        np.zeros(2),
        np.array([1.0, -np.inf]),
        np.array([np.inf, 0.3]),
        np.array([0.0, 0.0]),
        np.array([np.inf, 0.0]),
    )
    assert solve(program, backend="highs") is None
    for norm in ("l1", "scores", "max"):
        priced = replace(program, norm=norm, optional=np.array([False, True]))
        w = solve(priced, backend="highs").w
        assert np.allclose(w, [1, 0], atol=1e-4) and np.allclose(priced.missed(w), [0, 0.2], atol=1e-4)
        assert priced.missed(w)[0] == 0


@pytest.mark.parametrize("factor", [1.0, 2.0**-12])
def test_outputs_are_kept_outside_the_boxes(factor):
    last = BENT.layers[-1]
    original = executable(network([BENT.layers[0].weight, factor * last.weight], [BENT.layers[0].bias, last.bias]))
    both = replace(LOW, cases=LOW.cases + HIGH.cases)
    asked = scaled(replace(TASK, targets=(both,)), factor).targets[0]
    text = property_text(asked).encode()
    asked = replace(asked, sha256=sha256(text).hexdigest(), name="both")
    options = replace(FEW, keep_outputs=Fraction(1, 10) * Fraction(factor))
    found = repair_network(original, [asked], options=options, files={asked.sha256: text})
    assert found.network is not None, found.reason
    x = np.linspace(-1, 1, 2001, dtype=np.float32)[:, None]
    y, _before = scores(found.network, x)[:, 0] / factor, scores(BENT, x)[:, 0]
    inside = ((x >= 0.5) & (x <= 0.7))[:, 0], (x <= -0.5)[:, 0]
    assert (y[inside[0]] < 1.3).all() and (y[inside[1]] > -1.4).all()


def test_a_decision_and_a_tolerance_are_refused():
    with pytest.raises(InputError, match="the decision is what is to stay"):
        repair_network(BENT, [LOW], decision=Decision.LOWEST, options=FEW)
    with pytest.raises(InputError, match="keep_outputs is 0"):
        RepairOptions(keep_outputs=Fraction(0))


def test_auto_takes_nothing_that_keeps_outputs_nowhere(monkeypatch):
    """The output lowered by 2 everywhere is safe, and 20 tolerances away; one method asked for by name may do it."""

    def low(task, evidence, say, **options):
        yield Candidate(edited(task.network, {1: (task.network.layers[1].weight, np.array([-2.0]))}), "lowered")

    for name in METHODS:
        monkeypatch.setitem(METHODS, name, lambda name=name: low if name == "smt" else lambda *_, **__: iter(()))
    domain = (-END, END)
    found = repair(BENT, [LOW], lower=domain[0], upper=domain[1], decision=Decision.UNKNOWN, options=FEW)
    assert isinstance(found, Failed) and not found.timed_out
    assert found.reason == "no candidate keeps the outputs; the nearest, by smt, changes them at 90% of samples"
    assert {each.outcome for each in found.attempts} == {"not tried to prove: it changes too many samples"}
    alone = replace(FEW, method="smt")
    found = repair(BENT, [LOW], lower=domain[0], upper=domain[1], decision=Decision.UNKNOWN, options=alone)
    assert isinstance(found, Repaired) and found.chosen[0].note == "lowered"
