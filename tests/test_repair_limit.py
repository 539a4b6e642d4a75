"""A limit of how much scores may change: proved where a repair keeps it, said where none does; costs count scores."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import executable
from conftest import random_network
from test_repair_loop import ENDS, HELD, LEFT, QUICK, SMALL, exactly_holds, raised

from engine.cli import main
from engine.comparison.difference import Difference
from engine.comparison.largest_change import ProvedChange
from engine.errors import InputError
from engine.exact import evaluate
from engine.repair.attempt import Cost
from engine.repair.loop import Failed, Repaired, repair
from engine.repair.methods import METHODS, passes
from engine.repair.milp import settings as linear
from engine.repair.record import RepairRecord, ScoresRecord, not_below
from engine.repair.scores.change import ScoreChange
from engine.repair.scores.limit import ScoreLimit, least_change
from engine.repair.task import Candidate, RepairOptions
from engine.search.verify import verify
from engine.vnnlib.writer import property_text

LIMIT = Fraction(1, 5)
LARGE = random_network((5, 50, 50, 50, 50, 5), seed=0)


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    for name, number in {"DOMAIN": 2000, "TARGET": 1000, "KEEP": 500, "FRESH": 2000, "MARGINS": (0.03, 0.003)}.items():
        monkeypatch.setattr(linear, name, number)


@pytest.fixture
def offers(monkeypatch):
    """Lets all methods offer the networks of a test, made of the task's."""

    def set_offers(*edits, method="milp"):
        def offered(task, evidence, say, **options):
            for number, edit in enumerate(edits):
                yield Candidate(edit(task.network), f"offer {number}")

        monkeypatch.setitem(METHODS, method, lambda: offered)

    return set_offers


def options(most, **more) -> RepairOptions:
    return replace(QUICK, method="milp", max_score_change=Fraction(most), **more)


def largest(net) -> Fraction:
    points = [(Fraction(v),) for v in np.linspace(-1, 1, 201)]
    return max(abs(a - b) for p in points for a, b in zip(evaluate(SMALL, p), evaluate(net, p)))


@pytest.mark.parametrize("more", [{}, {"guarantee": "structural"}])
def test_a_repair_keeps_the_limit(more):
    found = repair(SMALL, [LEFT], preserve=[HELD], **ENDS, options=options(LIMIT, **more))
    assert isinstance(found, Repaired) and exactly_holds(found.network, LEFT, HELD)
    assert found.change is not None and largest(found.network) <= found.change.bound <= LIMIT
    assert found.chosen[0].words["outputs within 0.2"] == "unsat"


def test_candidates_beyond_are_passed_over(offers):
    """The first at samples; the second keeps it."""
    offers(lambda net: raised(net, 1, 0.5), lambda net: raised(net, 1, 0.125))
    found = repair(SMALL, [LEFT], **ENDS, options=options(LIMIT))
    assert isinstance(found, Repaired) and found.chosen[0].note == "offer 1" and len(found.attempts) == 1
    assert found.change.bound == LIMIT


def test_what_is_not_proved_is_no_repair(offers, monkeypatch):
    """Though no sample is beyond the limit."""
    offers(lambda net: raised(net, 1, 0.125))
    unproved = lambda *nets, **rest: ProvedChange(Fraction(7, 2), 9, 1.0)
    monkeypatch.setattr("engine.repair.scores.limit.largest_change", unproved)
    found = repair(SMALL, [LEFT], **ENDS, options=options(LIMIT))
    assert isinstance(found, Failed) and found.attempts[0].outcome == "not proved: outputs within 0.2 not proved"
    assert found.reason == (
        "1 candidates were passed over, as no proof keeps all outputs within 0.2: "
        "the nearest is proved to stay within 3.5"
    )


def test_where_none_keeps_it_one_line_says_how_near_the_best_came(offers):
    offers(lambda net: raised(net, 1, 0.75), lambda net: raised(net, 1, 0.5))
    found = repair(SMALL, [LEFT], **ENDS, options=options(LIMIT))
    assert isinstance(found, Failed) and not found.attempts
    assert found.reason == (
        "2 candidates were passed over, as no proof keeps all outputs within 0.2: "
        "the nearest changes one by 0.5 at a sample"
    )


def test_the_limit_is_about_the_original_not_the_step_before(offers):
    """Two steps of 0.125 are 0.25."""
    limit = ScoreLimit(SMALL, (Fraction(-1),), (Fraction(1),), LIMIT, seed=0)
    once = raised(SMALL, 1, 0.125)
    assert limit.kept_at_samples(once) and limit.is_proved(once, 5.0)
    assert not limit.kept_at_samples(raised(once, 1, 0.125)) and limit.passed_over == 1


def test_a_limit_below_what_the_property_needs():
    """y1 is 0.55 at -3/4, and has to be above 3/5."""
    with pytest.raises(
        InputError, match="no repair keeps all outputs within 0.01: at a counterexample of left some"
    ) as e:
        repair(SMALL, [LEFT], **ENDS, options=options(Fraction(1, 100)))
    assert "at least 0.0" in str(e.value)
    found = verify(SMALL, LEFT, QUICK.search())
    least = least_change(LEFT, found, (Fraction(-1),), (Fraction(1),))
    (x,) = found.counterexample.point
    assert least == Fraction(3, 5) - evaluate(SMALL, (x,))[1] > 0
    assert least_change(LEFT, found, (Fraction(0),), (Fraction(1),)) == 0  # outside, nothing is limited


@pytest.mark.parametrize("most", [Fraction(0), Fraction(-1)])
def test_senseless_limits(most):
    with pytest.raises(InputError, match="max_score_change is .*, and a repair changes some output"):
        RepairOptions(max_score_change=most)


# Costs


def change(most: float, *, mean: float = 0.0, range_: float = 1.0) -> ScoreChange:
    return ScoreChange(mean, most, 1.0, range_)


def test_costs_count_how_much_scores_change():
    sizes = (0.0, 0.125, 0.126, 0.25, 1.0, 1000.0, float("inf"))
    assert [change(most).magnitude for most in sizes] == [0, 0, 1, 1, 3, 13, 99]
    assert change(1.0, range_=0.0).magnitude == 99
    assert change(0.25, mean=0.0125).magnitude == 3  # 0.0125 on average are as bad as 0.75 at one point
    assert Cost(0, 0, True, 9) < Cost(0, 1, False, 1) < Cost(1, 0, False, 1)
    little, much = Cost(0, 3, True, 9, change(1.0)), Cost(0, 4, True, 9, change(1.01))
    assert little.leaves_scores and much.perfect and not much.leaves_scores
    assert "outputs change by 0.5 on average, 2 at most" in str(Cost(0, 0, True, 9, change(2.0, mean=0.5)))


def test_after_a_repair_that_moves_scores_far_another_is_looked_for(offers):
    """In the next methods; y2 is 2 everywhere and lowest nowhere."""
    far = lambda net: raised(raised(net, 1, 0.125), 2, 500.0)
    offers(far)
    offers(lambda net: raised(net, 1, 0.125), method="gradient")
    found = repair(SMALL, [LEFT], **ENDS, options=QUICK)
    assert [attempt.method for attempt in found.chosen] != ["milp"]
    assert found.chosen[0].cost.magnitude < found.attempts[0].cost.magnitude and found.attempts[0].outcome == "proved"


def test_programs_with_a_theorem_come_first_where_scores_are_limited():
    asked = [(name, each.guarantee) for name, each in passes(RepairOptions(max_score_change=LIMIT), LARGE)]
    assert asked[:2] == [("milp", "structural"), ("milp", None)]
    asked = [(name, each.guarantee) for name, each in passes(RepairOptions(), LARGE)]
    assert asked[:3] == [("milp", None), ("milp", "structural"), ("gradient", None)]
    assert [name for name, _ in passes(RepairOptions(method="smt"), LARGE)] == ["smt"]


def test_programs_know_the_limit():
    """A shift by what is needed, and no more than the limit at any sample."""
    found = repair(SMALL, [LEFT], **ENDS, options=options(Fraction(1, 8), guarantee="structural"))
    assert isinstance(found, Repaired) and largest(found.network) <= Fraction(1, 8)


# Order of scores


def difference(before, after) -> Difference:
    found = Difference()
    found.add(np.zeros((len(before), 1)), torch.tensor(before), torch.tensor(after))
    return found


def test_the_order_of_scores():
    """The decision stays, and the second best changes at one of three points."""
    before = [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    found = difference(before, [[0.0, 1.0, 2.0], [0.0, 3.0, 2.0], [0.0, 1.5, 2.0]])
    assert (found.changed, found.reordered, found.order_kept) == (0, 1, 1 - 1 / 3)
    assert difference(before[:1], [[0.0, 0.0, 2.0]]).reordered == 0  # of equals the first


# Record, command line


def test_a_record_says_what_is_proved():
    found = ScoresRecord.of(ProvedChange(Fraction(1, 3), 5, 0.5), Fraction(1, 2))
    assert Fraction(found.bound) >= Fraction(1, 3) and not_below(Fraction(1, 2)) == 0.5
    record = RepairRecord("repaired", scores=found)
    assert record.change_in_words == (
        "no output changes by more than 0.334 in the domain, where at most 0.5 was asked for: proved"
    )
    unknown = ScoresRecord.of(ProvedChange(None, 0, 0.1), None)
    assert replace(record, scores=unknown).change_in_words == "how much outputs change in the domain is not proved"
    assert RepairRecord.from_json({"output_change": {"bound": 2.0}}).scores == ScoresRecord(bound=2.0)
    assert RepairRecord.from_json({"output_change": [1]}).scores is None


@pytest.fixture
def command(tmp_path):
    (tmp_path / "small.onnx").write_bytes(executable(SMALL).onnx_bytes)
    (tmp_path / "left.vnnlib").write_text(property_text(LEFT))
    (tmp_path / "out").mkdir()
    given = str(tmp_path / "small.onnx"), str(tmp_path / "left.vnnlib"), "--out", str(tmp_path / "out" / "r.onnx")
    few = "--samples", "1000", "--grid", "5", "--device", "cpu", "--decision", "lowest", "--domain"
    return lambda *more: main(["repair", *given, *few, str(tmp_path / "left.vnnlib"), *more])


def test_the_command_says_the_proved_change(command, capsys):
    assert command("--max-score-change", "0.2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["output_change"]["bound"] <= 0.2 == found["output_change"]["limit"]
    assert all("order_kept" in region for region in found["fidelity"]["regions"].values())
    assert command("--force") == 0
    assert "no output changes by more than 0." in capsys.readouterr().out


@pytest.mark.parametrize("most", ["0", "-1", "nan", "inf", "much"])
def test_the_command_refuses_senseless_limits(command, capsys, most):
    assert command("--max-score-change", most) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--max-score-change" in line and "is no decimal number above 0" in line


def test_the_command_refuses_what_no_repair_keeps(command, capsys):
    assert command("--max-score-change", "1e-6") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no repair keeps all outputs within 0.000001: at a counterexample of left" in line
