"""Methods by turns: one that comes to nothing makes room for the next, and what it left waiting is proved."""

import time
from dataclasses import replace
from fractions import Fraction
from math import inf

import pytest
from conftest import random_network
from test_repair_loop import ENDS, LEFT, QUICK, SMALL, exactly_holds, raised

from engine.repair.loop import Repaired, repair
from engine.repair.methods import METHODS, passes, turn
from engine.repair.milp.feature import STRATEGIES
from engine.repair.record import RepairRecord, ScoresRecord
from engine.repair.task import Candidate, RepairOptions

IN_TURNS = replace(QUICK, timeout=400.0)


@pytest.fixture
def talks(monkeypatch):
    """Lets milp yield what a test offers, then talk for ever; each word takes ten seconds of a clock put forward."""
    for name in ("gradient", "idle", "smt"):
        monkeypatch.setitem(METHODS, name, lambda: lambda *_, **__: iter(()))
    clock, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + ahead[0])

    def talk(*edits):
        def milp(task, evidence, say, **options):
            for edit in edits:
                yield Candidate(edit(task.network), "milp's", provisional=True)
            while True:
                ahead[0] += 10.0
                say("talking")

        monkeypatch.setitem(METHODS, "milp", lambda: milp)
        return milp

    return talk


def test_the_next_method_has_its_turn(talks, monkeypatch):
    talks()
    good = raised(SMALL, 1, 0.5)
    monkeypatch.setitem(METHODS, "gradient", lambda: lambda *_, **__: iter([Candidate(good, "gradient's")]))
    found = repair(SMALL, [LEFT], **ENDS, options=IN_TURNS)
    assert isinstance(found, Repaired) and found.chosen[0].note == "gradient's"


def test_what_waits_is_proved_after_the_turn(talks):
    talks(lambda net: raised(net, 1, 0.5))
    found = repair(SMALL, [LEFT], **ENDS, options=replace(IN_TURNS, patience=1000.0))
    assert isinstance(found, Repaired) and found.chosen[0].note == "milp's" and exactly_holds(found.network, LEFT)


def test_programs_have_less_time_where_least_squares_follow():
    large = random_network((5, 50, 50, 50, 50, 5), seed=0)
    assert turn("milp", SMALL, 100.0) == 40.0
    assert turn("milp", large, 100.0) == 60.0
    assert turn("milp", large, inf) == 150.0
    assert turn("smt", SMALL, inf) == inf


def asked(options):
    """Each method with the kind of programs that it may solve, in their order, for a small network."""
    return [
        (name, each.guarantee or each.by_method.get(name, {}).get("strategies"))
        for name, each in passes(options, SMALL)
    ]


def test_programs_with_prices_come_first_where_least_squares_follow():
    prices, exact, theorem = (("milp", kind) for kind in (("priced",), tuple(STRATEGIES), "structural"))
    least_squares, rest = ("gradient", None), [("idle", None), ("smt", None)]
    assert asked(RepairOptions()) == [prices, least_squares, exact, theorem, *rest]
    assert asked(RepairOptions(keep_outputs=Fraction(1, 10))) == [prices, least_squares, exact, *rest]
    assert asked(RepairOptions(max_score_change=Fraction(1, 10))) == [theorem, prices, least_squares, exact, *rest]
    chosen = RepairOptions(by_method={"milp": {"strategies": ("shift",)}})
    assert asked(chosen) == [("milp", ("shift",)), least_squares, theorem, *rest]
    assert asked(RepairOptions(method="milp")) == [("milp", None)]


def test_a_proof_is_not_cut_by_the_end_of_a_turn(talks, monkeypatch):
    """The clock is put forward by more than a turn whenever something is compared."""
    clock = time.monotonic
    passed = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + passed[0])

    def late(task, evidence, say, **options):
        good = raised(task.network, 1, 0.5)
        passed[0] += 230.0
        yield Candidate(good, "milp's")
        raise AssertionError("its turn is over")

    monkeypatch.setitem(METHODS, "milp", lambda: late)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(IN_TURNS, patience=1e6))
    assert isinstance(found, Repaired) and found.chosen[0].note == "milp's"


@pytest.mark.parametrize("bound, said", [(0.2, "0.2"), (0.1234567, "0.124"), (0.125, "0.125")])
def test_a_bound_is_not_said_to_be_beyond_its_limit(bound, said):
    record = RepairRecord.__new__(RepairRecord)
    object.__setattr__(record, "scores", ScoresRecord(bound, float(Fraction(1, 5)), 1.0))
    assert record.change_in_words.startswith(f"no output changes by more than {said} in the domain, where at most 0.2")
