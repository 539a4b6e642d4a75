"""Repairs with a theorem for every input: the programs' shifts, what is passed over, and the command line."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import network
from test_repair_loop import ENDS, HELD, LEFT, QUICK, RIGHT, SMALL, above, below, exactly_holds, raised

from engine.cli import main
from engine.comparison.decision import Decision
from engine.comparison.structure import Claim, structure
from engine.errors import InputError
from engine.evaluation import scores
from engine.onnx_file import load_network
from engine.repair.loop import Failed, Repaired, repair
from engine.repair.methods import METHODS
from engine.repair.milp import settings as linear
from engine.repair.milp.demands import LEFT as KEPT
from engine.repair.milp.demands import Demand
from engine.repair.milp.shifts import solve_shifts
from engine.repair.milp.structural import shift_directions
from engine.repair.samples import draw, look_at, regions
from engine.repair.task import Candidate, RepairOptions, Task
from engine.vnnlib.writer import property_text

STRUCTURAL = replace(QUICK, guarantee="structural")


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    for name, number in {"DOMAIN": 2000, "TARGET": 1000, "KEEP": 500, "FRESH": 2000, "MARGINS": (0.03, 0.003)}.items():
        monkeypatch.setattr(linear, name, number)


# The whole


def test_a_repair_has_a_theorem():
    found = repair(SMALL, [LEFT], preserve=[HELD], **ENDS, options=STRUCTURAL)
    assert isinstance(found, Repaired) and exactly_holds(found.network, LEFT, HELD)
    assert structure(SMALL, found.network).outputs == (Claim.EQUAL, Claim.RAISED, Claim.EQUAL, Claim.EQUAL)
    assert found.chosen[0].cost.perfect and not found.chosen[0].cost.unbound
    assert "theorem for every input" in str(found.chosen[0].cost)


def test_a_score_that_has_to_be_lowered_is():
    high = above(1, Fraction(3, 5), -1, Fraction(-7, 8), "high")  # violated: y1 is 0.65 at -1
    found = repair(SMALL, [high], **ENDS, options=STRUCTURAL)
    assert isinstance(found, Repaired) and exactly_holds(found.network, high)
    assert structure(SMALL, found.network).outputs[1] is Claim.LOWERED


def test_several_targets_have_one_theorem():
    """About the original, not about the step before."""
    tall = below(2, Fraction(21, 10), -1, 1, "tall")
    found = repair(SMALL, [LEFT, tall], **ENDS, options=STRUCTURAL)
    assert isinstance(found, Repaired) and exactly_holds(found.network, LEFT, tall) and len(found.chosen) == 2
    assert structure(SMALL, found.network).outputs == (Claim.EQUAL, Claim.RAISED, Claim.RAISED, Claim.EQUAL)


def test_where_too_many_advisories_would_change_nothing_is_offered():
    """y3 is lowest left of 1/4, and every feature that raises it at 1/2 raises it there, too."""
    found = repair(SMALL, [RIGHT], **ENDS, options=STRUCTURAL)
    assert isinstance(found, Failed) and "no edit with a theorem for every input" in found.reason


def test_of_the_highest_output_it_is_the_mirror_image():
    mirrored = executable(replace(SMALL, layers=(SMALL.layers[0], negated(SMALL.layers[1]))))
    low = prop(case([-1], [Fraction(-3, 4)], [row([0, -1, 0, 0], Fraction(-3, 5), n_inputs=1)]), n_outputs=4)
    found = repair(mirrored, [low], **ENDS, decision=Decision.HIGHEST, options=STRUCTURAL)
    assert isinstance(found, Repaired) and exactly_holds(found.network, low)
    assert structure(mirrored, found.network).outputs[1] is Claim.LOWERED


def negated(layer):
    return replace(layer, matrix=-layer.weight, bias=-layer.bias)


def test_a_property_of_several_scores():
    """y0 <= 4/5 is unsafe, and so is y1 <= 7/10: no shift of one score helps against both."""
    low = [row([1, 0, 0, 0], Fraction(-4, 5), n_inputs=1)], [row([0, 1, 0, 0], Fraction(-7, 10), n_inputs=1)]
    both = prop(case([-1], [Fraction(-9, 10)], *low), n_outputs=4)
    found = repair(SMALL, [both], **ENDS, options=STRUCTURAL)
    assert isinstance(found, Repaired) and exactly_holds(found.network, both)
    assert structure(SMALL, found.network).outputs == (Claim.RAISED, Claim.RAISED, Claim.EQUAL, Claim.EQUAL)


def test_candidates_without_a_theorem_are_passed_over(monkeypatch):
    def method(task, evidence, say, **options):
        yield Candidate(raised(raised(task.network, 1, 0.125), 0, 0.25), "two scores")
        yield Candidate(raised(executable(replace(task.network)), 1, 0.125), "one score")

    free = lambda net: replace(net, layers=(replace(net.layers[0], matrix=1.5 * net.layers[0].weight), net.layers[1]))

    def hopeless(task, evidence, say, **options):
        yield Candidate(executable(free(task.network)), "free")
        yield Candidate(executable(free(task.network)), "free again")

    for name, offers in {"smt": method, "gradient": hopeless}.items():
        monkeypatch.setitem(METHODS, name, lambda offers=offers: offers)
    assert isinstance(repair(SMALL, [LEFT], **ENDS, options=replace(STRUCTURAL, method="smt")), Repaired)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(STRUCTURAL, method="gradient"))
    assert isinstance(found, Failed) and not found.attempts
    assert found.reason == "2 candidates were passed over, as they give no theorem for every input"


def test_guarantees_are_known():
    with pytest.raises(InputError, match="unknown guarantee 'absolute'"):
        RepairOptions(guarantee="absolute")
    assert RepairOptions(guarantee="structural").methods == ("milp",)
    assert RepairOptions(guarantee="structural", method="smt").methods == ("smt",)


# The programs


def task_of(*targets, keep=()) -> Task:
    return Task(SMALL, targets, keep, np.array([-1.0]), np.array([1.0]))


def seen(task):
    where = regions(task)
    x, owner = draw(task, where, np.random.default_rng(0), domain=2000, target=1000, keep=500)
    return where, look_at(task.network, where, x, owner)


def test_directions_help_against_every_polytope():
    assert [v.tolist() for v in shift_directions(regions(task_of(LEFT)))] == [[0, 1, 0, 0]]
    one_of_two = prop(case([-1], [1], [row([1, -1, 0, 0], n_inputs=1)], [row([0, 1, -1, 0], n_inputs=1)]), n_outputs=4)
    found = [v.tolist() for v in shift_directions(regions(task_of(one_of_two)))]
    assert found == [[1, 1, 0, 0], [1, 0, -1, 0], [0, -1, -1, 0]]


@pytest.mark.parametrize("bias", [True, False])
def test_shifts_mend_samples_and_keep_advisories(bias):
    task = task_of(LEFT, keep=(HELD,))
    where, samples = seen(task)
    found = solve_shifts(samples, where, np.array([0.0, 1.0, 0.0, 0.0]), 0.03, bias=bias)
    assert (found.weights >= 0).all() and found.missed < 1e-4 and str(found) == "+y1"
    assert bias or found.weights[:, -1] == 0
    y = scores(found.network(SMALL), samples.x)
    inside = where[0].holds(samples.x)
    assert (y[inside, 1] > 0.6 + 0.03 - 1e-4).all() and (y >= samples.y - 1e-6).all()
    assert (y.argmin(1) == samples.lowest).all()


def test_where_not_all_advisories_can_stay_the_fewest_change():
    """y3 is lowest on the right, and has to be above what is lowest else."""
    high = prop(case([0], [Fraction(1, 100)], [row([0, 0, 0, 1], Fraction(-1, 2), n_inputs=1)]), n_outputs=4)
    where, samples = seen(task_of(high))
    found = solve_shifts(samples, where, np.array([0.0, 0.0, 0.0, 1.0]), 0.03, bias=True)
    if found is not None:
        assert found.missed > 0
    lowered = solve_shifts(samples, where, np.array([0.0, 0.0, 0.0, -1.0]), 0.03, bias=True)
    assert lowered is None  # it cannot help


def test_a_demand_tells_the_worst_samples():
    rows, slopes = np.array([[0.0, 1.0], [-3.0, -2.0], [5.0, 5.0]]), np.array([[1.0], [-1.0]])
    usable = np.array([[True, False]] * 3)
    demand = Demand(np.arange(3), rows, slopes, np.full(3, 2.0), usable, once=True)
    assert not demand.is_hopeless and demand.short(np.zeros((3, 1))).tolist() == [1.0, 4.0, -3.0]
    at, slope, need = demand.violated(np.zeros((3, 1), np.float32), 0.0)
    assert at.tolist() == [0, 1] and slope.tolist() == [[1.0], [1.0]] and need.tolist() == [2.0, 5.0]
    assert not len(demand.violated(np.zeros((3, 1), np.float32), 0.0).at)  # told once
    assert Demand(np.arange(1), rows[:1], slopes, np.full(1, 2.0), ~usable[:1] & False, once=True).is_hopeless
    assert 0 < KEPT < 1


# The command line


@pytest.fixture
def files(tmp_path):
    (tmp_path / "small.onnx").write_bytes(SMALL.onnx_bytes)
    for each in (LEFT, HELD):
        (tmp_path / f"{each.name}.vnnlib").write_text(property_text(each))
    return tmp_path


def run(files, *more) -> int:
    few = "--samples", "1000", "--grid", "5", "--device", "cpu", "--decision", "lowest"
    given = str(files / "small.onnx"), str(files / "left.vnnlib"), "--out", str(files / "out" / "repaired.onnx")
    (files / "out").mkdir(exist_ok=True)
    return main(["repair", *given, *few, *more])


def test_the_command_says_the_theorem(files, capsys):
    assert run(files, "--guarantee", "structural") == 0
    said = (
        "proved for every input, inside the domain and outside: outputs 0, 2 and 3 are unchanged; output 1 is nowhere"
    )
    assert said in capsys.readouterr().out
    assert run(files, "--guarantee", "structural", "--force", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["structure"]["theorem"] is True
    assert found["structure"]["outputs"] == ["equal", "raised", "equal", "equal"]
    repaired = load_network(files / "out" / "repaired.onnx")
    assert structure(load_network(files / "small.onnx"), repaired).is_theorem(Decision.LOWEST)


def test_where_none_is_found_nothing_is_written(files, monkeypatch, capsys):
    free = network([[[1.0], [-1.5]], [[0.0, 0.5], [0.0, 0.5], [0.0, 0.0], [1.0, 0.0]]], [[0.0, 0.0], [0.5, 0.5, 2, 0]])
    monkeypatch.setitem(METHODS, "milp", lambda: lambda *_, **__: iter([Candidate(executable(free), "free")]))
    assert run(files, "--guarantee", "structural") == 1
    err = capsys.readouterr().err
    assert "1 candidates were passed over, as they give no theorem for every input" in err and "nothing was" in err
    assert not list((files / "out").iterdir())
