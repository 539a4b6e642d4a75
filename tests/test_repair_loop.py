"""The repair loop: what it believes, keeps, resumes and says; conflicts between properties; the state on disk."""

import itertools
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import network, random_network

from engine import Options, Problem, verify_all
from engine.acasxu.files import property_path
from engine.acasxu.properties import benchmark_instances
from engine.errors import InputError
from engine.network import Affine
from engine.repair import step
from engine.repair.attempt import Cost, Tried, Weighed, prove
from engine.repair.edit import edited
from engine.repair.loop import Failed, Held, Repaired, repair
from engine.repair.methods import METHODS
from engine.repair.milp import settings as linear
from engine.repair.possible.conflict import conflict
from engine.repair.state import FILE, State
from engine.repair.task import METHOD_NAMES, Box, Candidate, Counterexample, RepairOptions, Task
from engine.search.problem import Progress
from engine.solvers import smt
from engine.vnnlib import load_property

ENDS = {"lower": [-1.0], "upper": [1.0]}
QUICK = RepairOptions(points=2000, proof_timeout=10.0, device="cpu")

#: y0 = 0.25 + relu(-x) / 2, y1 = 0.25 + 0.4 relu(-x), y2 = 2, y3 = relu(x)
SMALL = executable(
    network(
        [[[1.0], [-1.0]], [[0.0, 0.5], [0.0, 0.4], [0.0, 0.0], [1.0, 0.0]]],
        [[0.0, 0.0], [0.25, 0.25, 2.0, 0.0]],
        name="small",
    )
)


def below(output: int, limit: Fraction, low, high, name: str):
    """y[output] <= limit is unsafe on [low, high]."""
    outputs = [int(j == output) for j in range(4)]
    return prop(case([low], [high], [row(outputs, -limit, n_inputs=1)]), n_outputs=4, name=name)


def above(output: int, limit: Fraction, low, high, name: str):
    """y[output] >= limit is unsafe on [low, high]."""
    outputs = [-int(j == output) for j in range(4)]
    return prop(case([low], [high], [row(outputs, limit, n_inputs=1)]), n_outputs=4, name=name)


LEFT = below(1, Fraction(3, 5), -1, Fraction(-3, 4), "left")  # violated: y1 is 0.55 at -3/4
RIGHT = below(3, Fraction(3, 5), Fraction(1, 2), 1, "right")  # violated: y3 is 0.5 at 1/2
HELD = below(0, Fraction(1, 5), -1, 1, "held")


#: a network and a property of it that a first look does not decide
HARD = executable(random_network((2, 40, 40, 40, 2), seed=1))
DEEP = prop(case([-8, -8], [8, 8], [row([1, 0], 20)]), n_outputs=2, name="deep")


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    sizes = {"DOMAIN": 2000, "TARGET": 1000, "KEEP": 500, "FRESH": 2000, "MARGINS": (0.03, 0.003)}
    for name, number in sizes.items():
        monkeypatch.setattr(linear, name, number)


@pytest.fixture
def offers(monkeypatch):
    """Lets the method `milp` offer the networks of a test; counts what is asked of it."""

    def set_offers(*networks, before=lambda number, say: None, name="milp", provisional=False):
        asked = []

        def method(task, evidence, say, **options):
            for number, net in enumerate(networks):
                before(number, say)
                asked.append((number, list(evidence.counterexamples), list(evidence.boxes), evidence.lowest))
                yield Candidate(net(task.network) if callable(net) else net, f"offer {number}", provisional)

        monkeypatch.setitem(METHODS, name, lambda: method)
        return asked

    return set_offers


@pytest.fixture
def proofs(monkeypatch):
    """The networks that were tried to be proved."""
    seen = []

    def counted(task, weighed, options, **rest):
        seen.append(weighed.network.sha256)
        return prove(task, weighed, options, **rest)

    monkeypatch.setattr(step, "prove", counted)
    return seen


def weighed(net) -> Weighed:
    """A candidate of no method in particular."""
    return Weighed("milp", Candidate(net, "offer"), Cost(0, 0, False, 0))


def is_proved(attempt) -> bool:
    return isinstance(attempt, Tried) and bool(attempt.verdicts)


def raised(net, output: int, by: float):
    """One output's bias raised."""
    last = net.layers[-1]
    bias = last.bias.copy()
    bias[output] += by
    return edited(net, {len(net.layers) - 1: (last.weight, bias)})


def exactly_holds(net, *properties) -> bool:
    """By z3 in exact rationals, which the loop has no part in."""
    return all(smt.solve(net, each, timeout=20).status == "unsat" for each in properties)


# What comes out


def test_what_holds_is_left_alone(offers, proofs):
    asked = offers(SMALL)
    found = repair(SMALL, [HELD], preserve=[LEFT], **ENDS, options=QUICK)
    assert isinstance(found, Held) and [p.name for p, _ in found.proved] == ["held"]
    assert [p.name for p in found.violated] == ["left"] and not found.undecided
    assert not asked and not proofs


def test_a_repair_is_one():
    settings = replace(QUICK, method="milp", by_method={"milp": {"backend": "highs"}})
    found = repair(SMALL, [LEFT], preserve=[HELD, RIGHT], **ENDS, options=settings)
    assert isinstance(found, Repaired) and found.network.shape == SMALL.shape
    assert [p.name for p, _ in found.proved] == ["left", "held"] and [p.name for p in found.violated] == ["right"]
    assert all(verdict.word == "unsat" and verdict.proof for _, verdict in found.proved)
    assert exactly_holds(found.network, LEFT, HELD) and not exactly_holds(SMALL, LEFT)
    (chosen,) = found.chosen
    assert chosen.cost.perfect and chosen.method == "milp" and chosen.outcome == "proved"


def test_a_joint_repair_keeps_the_first():
    settings = replace(QUICK, method="milp", by_method={"milp": {"backend": "highs"}})
    found = repair(SMALL, [LEFT, HELD, RIGHT], **ENDS, options=settings)
    assert isinstance(found, Repaired) and found.targets == (LEFT, RIGHT) and len(found.chosen) == 2
    assert sorted(p.name for p, _ in found.proved) == ["held", "left", "right"]
    assert exactly_holds(found.network, LEFT, RIGHT, HELD)


def test_what_an_earlier_step_repaired_is_not_repaired_again(offers, proofs):
    """`lower` follows from LEFT: the second step only proves it."""
    lower = below(1, Fraction(29, 50), -1, Fraction(-3, 4), "lower")
    asked = offers(lambda net: raised(net, 1, 0.125))
    found = repair(SMALL, [LEFT, lower], **ENDS, options=replace(QUICK, method="milp"))
    assert isinstance(found, Repaired) and len(found.chosen) == 1 and len(asked) == 1 and len(proofs) == 2
    assert sorted(p.name for p, _ in found.proved) == ["left", "lower"]


def test_the_same_seed_gives_the_same():
    settings = replace(QUICK, method="milp", seed=3, by_method={"milp": {"backend": "highs"}})
    one, two = (repair(SMALL, [LEFT], **ENDS, options=settings) for _ in range(2))
    assert one.network.sha256 == two.network.sha256
    assert [(a.note, a.outcome, a.cost) for a in one.attempts] == [(a.note, a.outcome, a.cost) for a in two.attempts]


# What is believed


def test_wrong_networks_are_never_believed(offers):
    """The original, one that breaks what held, one that hardly repairs; each is followed by what was met."""
    asked = offers(SMALL, raised(raised(SMALL, 1, 0.5), 0, -0.25), raised(SMALL, 1, 0.03))
    found = repair(SMALL, [LEFT], preserve=[HELD], **ENDS, options=replace(QUICK, method="milp"))
    assert isinstance(found, Failed) and not found.timed_out and found.target is LEFT
    assert [a.words for a in found.attempts][0] == {"left": "sat"} and len(found.attempts) == 3
    assert found.attempts[1].words["held"] == "sat"
    assert not any(map(is_proved, found.attempts))
    assert [len(counterexamples) for _, counterexamples, _, _ in asked] == [0, 1, 2]
    first, second = asked[2][1]
    assert (first.property, second.property) == (0, 1) and -1 <= first.point[0] <= -0.75
    assert "of 3 candidates none could be proved" in found.reason


def test_the_best_is_taken(offers):
    """Fewer changed advisories first, then fewer weights; nothing is tried after a perfect one."""
    worse = lambda net: raised(raised(net, 1, 0.125), 0, 0.5)
    perfect = lambda net: raised(net, 1, 0.125)
    everywhere = lambda net: raised(raised(net, 1, 0.125), 3, 4.0)
    asked = offers(everywhere, SMALL, worse, perfect, worse)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    costs = [a.cost for a in found.attempts]
    assert costs[0].changed > 0 and costs[1] == Cost(0, 0, False, 0) and not is_proved(found.attempts[1])
    assert found.chosen[0].note == "offer 3" or costs[2].perfect
    assert len(asked) == len(found.attempts) == (3 if costs[2].perfect else 4)
    assert found.chosen[0].cost == min(a.cost for a in found.attempts if is_proved(a))


def test_what_changes_more_than_the_best_is_not_proved(offers, proofs, monkeypatch):
    costs = iter([Cost(5, 0, False, 3), Cost(5, 0, False, 3), Cost(7, 0, False, 1), Cost(5, 0, False, 2)])
    monkeypatch.setattr(step, "cost_of", lambda *args, **rest: (next(costs), ()))
    offers(*[lambda net: raised(net, 1, 0.125)] * 4)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    left = "not tried to prove: another changes less"
    assert [a.outcome for a in found.attempts] == ["proved", left, left, "proved"]
    assert len(proofs) == 2 and found.chosen[0].note == "offer 3"


def test_a_provisional_candidate_waits_for_a_better_one(offers):
    """The wait is over at once with a better one, and where the method ends the candidate is proved after all."""
    everywhere = lambda net: raised(raised(net, 1, 0.125), 3, 4.0)
    perfect = lambda net: raised(net, 1, 0.125)
    offers(everywhere, perfect, everywhere, provisional=True)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    assert [(a.note, a.outcome[:9]) for a in found.attempts] == [("offer 1", "proved"), ("offer 0", "not tried")]
    offers(everywhere, SMALL, provisional=True)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    assert isinstance(found, Repaired) and found.chosen[0].note == "offer 0" and found.chosen[0].cost.changed > 0


def test_a_provisional_candidate_is_refuted_at_once(offers):
    """And what it changes, and where it fails, is handed on before the next is asked for."""
    broken = lambda net: raised(net, 3, 4.0)
    asked = offers(broken, SMALL, provisional=True)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    assert isinstance(found, Failed) and found.attempts[0].words == {"left": "sat"}
    assert len(asked[1][1]) == 1


def test_costs_are_ordered():
    assert Cost(1, 0, False, 9) < Cost(1, 0, True, 1) < Cost(2, 0, False, 1)  # of equals, what has a theorem
    assert (
        Cost(0, 0, False, 9) < Cost(1, 0, False, 1) < Cost(1, 0, False, 2)
        and Cost(0, 0, False, 9).perfect
        and not Cost(1, 0, False, 1).perfect
    )


def test_patience_ends_the_search_for_a_better_one(offers):
    everywhere = lambda net: raised(raised(net, 1, 0.125), 3, 4.0)
    asked = offers(*[everywhere] * 5)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp", patience=1e-9))
    assert isinstance(found, Repaired) and len(asked) <= 2


def test_open_boxes_are_handed_on(offers, monkeypatch):
    """A candidate given up leaves boxes, which the method sees and the failure names."""
    box = Box(0, 0, np.array([-1.0]), np.array([-0.75]))
    given_up = lambda task, weighed, options, **rest: Tried(weighed, {"left": "timeout"}, 0.5, 1.0, boxes=(box,))
    monkeypatch.setattr(step, "prove", given_up)
    asked = offers(SMALL, SMALL)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    assert asked[1][2] == [box] and asked[1][3] == 0.5 and found.boxes == (box,)
    assert "offer 0: not proved: left timeout" in found.reason


def test_what_was_left_open_gets_more_time(offers, monkeypatch):
    """The most proved one, where no candidate is proved in a share of the time; it counts once."""
    box, tried = Box(0, 0, np.array([-1.0]), np.array([-0.75])), []

    def short(task, weighed, options, **rest):
        network = weighed.network
        tried.append((network.sha256, options.timeout))
        if network is SMALL:
            found = Counterexample(0, 0, np.float32([-1]))
            return Tried(weighed, {"left": "sat"}, 0.0, 1.0, counterexamples=(found,))
        return Tried(weighed, {"left": "timeout"}, network.layers[-1].bias[3], 1.0, boxes=(box,))

    monkeypatch.setattr(step, "prove", short)
    one, two = raised(SMALL, 3, 0.25), raised(SMALL, 3, 0.5)
    offers(one, SMALL, two)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp", proof_timeout=8.0))
    assert isinstance(found, Failed) and "of 3 candidates" in found.reason
    assert tried == [(one.sha256, 2.0), (SMALL.sha256, 2.0), (two.sha256, 2.0), (two.sha256, 8.0)]


def test_a_proof_that_takes_longer_is_found(offers, monkeypatch):
    """What is proved with all the time is a repair; nothing else gets more time then."""
    box, right = Box(0, 0, np.array([-1.0]), np.array([-0.75])), raised(SMALL, 1, 0.125)

    def slow(task, weighed, options, **rest):
        if options.timeout < 8:
            return Tried(weighed, {"left": "timeout"}, 0.5, 1.0, boxes=(box,))
        return prove(task, weighed, options, **rest)

    monkeypatch.setattr(step, "prove", slow)
    offers(right, raised(SMALL, 1, 0.25))
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp", proof_timeout=8.0))
    assert isinstance(found, Repaired) and found.network is right
    assert [a.outcome for a in found.attempts] == ["proved", "not proved: left timeout"]


def test_what_is_nearly_proved_gets_all_of_its_time_at_once(offers, monkeypatch):
    """No other candidate is tried before, and what had all of its time gets no more."""
    box, tried = Box(0, 0, np.array([-1.0]), np.array([-0.75])), []

    def open_to_the_end(task, weighed, options, **rest):
        tried.append((weighed.note, options.timeout))
        return Tried(weighed, {"left": "timeout"}, 0.99, options.timeout, boxes=(box,))

    monkeypatch.setattr(step, "prove", open_to_the_end)
    offers(raised(SMALL, 1, 0.125), raised(SMALL, 1, 0.25))
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp", proof_timeout=8.0))
    assert isinstance(found, Failed)
    assert tried == [("offer 0", 2.0), ("offer 0", 8.0), ("offer 1", 2.0), ("offer 1", 8.0)]


def test_samples_that_a_proved_candidate_changed_are_evidence(monkeypatch):
    """They are points of the domain at which its advisory is not the original's."""
    other, seen = raised(raised(SMALL, 1, 0.125), 3, 4.0), []

    def method(task, evidence, say, **options):
        yield Candidate(other, "other")
        seen.extend(evidence.changed)

    monkeypatch.setitem(METHODS, "milp", lambda: method)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    assert found.chosen[0].cost.changed >= len(seen) > 0
    x = np.array(seen)
    assert (SMALL.evaluate(x).argmin(1) != other.evaluate(x).argmin(1)).all()


def test_boxes_of_an_undecided_candidate():
    """A search without room says which boxes are open; they lie in the property's."""
    task = Task(HARD, (DEEP,), (), np.array([-8.0, -8]), np.array([8.0, 8]))
    found = prove(task, weighed(HARD), Options(batch=1, max_open=1, device="cpu", open_boxes=8, proofs=True))
    assert found.words == {"deep": "unknown"} and not found.verdicts and 0 <= found.proved < 1
    assert found.boxes and all((abs(b.lower) <= 8).all() and (b.lower <= b.upper).all() for b in found.boxes)


def test_no_network_could():
    """y1 at -3/4 is both to exceed 1 there, as held, and to stay below 1/2: nothing is offered that is proved."""
    held = above(1, Fraction(3, 5), Fraction(-3, 4), Fraction(-3, 4), "at most 3/5")
    target = below(1, Fraction(7, 10), Fraction(-3, 4), -1 + Fraction(3, 8), "at least 7/10")
    with pytest.raises(InputError, match="at least 7/10 and at most 3/5 contradict each other"):
        repair(SMALL, [target], preserve=[held], **ENDS, options=QUICK)
    beside = replace(held, cases=(replace(held.cases[0], lower=(Fraction(-49, 64),), upper=(Fraction(-49, 64),)),))
    target = replace(target, cases=(replace(target.cases[0], lower=(Fraction(-3, 4),)),))
    assert conflict([target, beside]) is None
    lipschitz = replace(QUICK, method="milp", by_method={"milp": {"backend": "highs", "strategies": ("shift",)}})
    found = repair(
        executable(network([[[0.0]], [[0.0]] * 4], [[1.0], [0.25, 0.5, 2.0, 3.0]])),
        [target],
        preserve=[beside],
        **ENDS,
        options=lipschitz,
    )
    assert isinstance(found, Failed) and found.reason and not found.timed_out


# Time


def test_no_time_for_the_original():
    settings = replace(QUICK, timeout=1e-9)
    found = repair(SMALL, [LEFT], **ENDS, options=settings)
    assert isinstance(found, Failed) and found.timed_out and not found.attempts
    found = repair(HARD, [DEEP], lower=[-8.0] * 2, upper=[8.0] * 2, options=settings)
    assert isinstance(found, Failed) and found.timed_out and found.target is DEEP
    assert found.reason == "the time was over before the original was verified"


def test_a_method_that_takes_too_long_is_ended(offers):
    """It is ended where it says what it is at, and what was found before counts."""
    late = []

    def before(number, say):
        for _ in itertools.count() if number == 1 else ():
            late.append(number)
            say("thinking")

    everywhere = lambda net: raised(raised(net, 1, 0.125), 3, 4.0)
    offers(everywhere, SMALL, before=before)
    settings = replace(QUICK, method="milp", timeout=1.0, patience=60.0, points=100)
    found = repair(SMALL, [LEFT], **ENDS, options=settings)
    assert isinstance(found, Repaired) and late and found.seconds < 20
    offers(SMALL, SMALL, before=before)
    found = repair(SMALL, [LEFT], **ENDS, options=settings)
    assert isinstance(found, Failed) and found.timed_out and len(found.attempts) == 1


def test_a_proof_that_takes_too_long_is_ended(offers, monkeypatch):
    """No attempt is made of it, so that a later run with more time tries it again."""

    def slow(task, candidate, options, *, on_progress):
        for _ in itertools.count():
            on_progress(Progress(1, 0, 0, 1, 0.0, 0.0))

    monkeypatch.setattr(step, "prove", slow)
    offers(SMALL)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp", timeout=1.0))
    assert isinstance(found, Failed) and found.timed_out and not found.attempts and found.boxes == ()
    assert found.reason == "the time was over before anything was tried"


def test_an_undecided_original_is_a_target(offers, monkeypatch):
    """Nothing is proved of it in no time, so that all is asked of the candidates."""
    settings = replace(QUICK, method="milp", proof_timeout=1e-9)
    offers(HARD)
    found = repair(HARD, [DEEP], lower=[-8.0] * 2, upper=[8.0] * 2, options=settings)
    assert isinstance(found, Failed) and found.attempts[0].words == {"deep": "timeout"} and not found.timed_out
    monkeypatch.setattr(RepairOptions, "search", lambda *_: Options(batch=1, max_open=1, device="cpu", proofs=True))
    far = prop(case([0, 0], [0, 0], [row([1, 0], 40)]), n_outputs=2, name="far")
    # there is room for one box: enough for a point
    found = repair(HARD, [far], preserve=[DEEP], lower=[-8.0] * 2, upper=[8.0] * 2, options=settings)
    assert isinstance(found, Held) and found.undecided == (DEEP,) and found.violated == ()


@pytest.mark.parametrize("name", ["timeout", "proof_timeout"])
def test_times_are_positive(name):
    with pytest.raises(InputError, match=f"{name} is 0"):
        RepairOptions(**{name: 0})


# Several properties, several methods


def test_reasons_are_those_of_the_step_that_failed(offers):
    """The first step succeeds; what is said of the second names none of the first one's attempts."""
    offers(lambda net: raised(net, 1, 0.125))
    found = repair(SMALL, [LEFT, RIGHT], **ENDS, options=replace(QUICK, method="milp"))
    assert isinstance(found, Failed) and found.target is RIGHT
    outcomes = [a.outcome for a in found.attempts]  # RIGHT is tried after LEFT, then before it
    assert outcomes == ["proved", *["not proved: right sat"] * 4]
    assert "of 2 candidates none" in found.reason and "right sat" in found.reason


def test_what_cannot_be_repaired_after_others_is_tried_before_them(monkeypatch):
    method, asked = METHODS["milp"](), []

    def stubborn(task, evidence, say, **options):
        asked.append(task.targets[0].name)
        if task.targets[0] is LEFT or LEFT not in task.properties:
            yield from method(task, evidence, say, **options)

    monkeypatch.setitem(METHODS, "milp", lambda: stubborn)
    settings = replace(QUICK, method="milp", by_method={"milp": {"backend": "highs"}})
    found = repair(SMALL, [LEFT, HELD, RIGHT], **ENDS, options=settings)
    assert isinstance(found, Repaired) and found.targets == (RIGHT, LEFT)
    assert asked == ["left", "right", "right", "left"]
    assert [attempt.network for attempt in found.chosen][-1] is found.network and len(found.chosen) == 2
    assert exactly_holds(found.network, LEFT, RIGHT, HELD)


def test_nothing_is_offered(offers):
    offers()
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    assert isinstance(found, Failed) and found.reason == "no method had anything to offer" and found.boxes == ()


def test_auto_goes_on_where_a_method_cannot_be_used(offers):
    def unusable(task, evidence, say, **options):
        raise InputError("it has no hidden layer", where="idle")
        yield

    perfect = lambda net: raised(net, 1, 0.125)
    for name in METHODS:
        offers(perfect, name=name)
    METHODS["milp"] = lambda: unusable  # offers() restores it
    found = repair(SMALL, [LEFT], **ENDS, options=QUICK)
    assert isinstance(found, Repaired) and found.chosen[0].method != "milp"
    assert found.skipped == ("milp: idle: it has no hidden layer",)
    failed = repair(SMALL, [LEFT, RIGHT], **ENDS, options=QUICK)  # several steps say it, one line is left
    assert isinstance(failed, Failed) and failed.skipped == found.skipped
    with pytest.raises(InputError, match="no hidden layer"):
        repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))


def test_a_method_that_could_not_be_used_comes_again_after_the_next(offers, monkeypatch):
    asked = []

    def noted(name):
        def method(task, evidence, say, **options):
            asked.append((name, "structural" in options, options.get("patient")))
            if name == "milp" and not options["patient"]:
                raise InputError("its linear programs take long")
            yield from ()

        return lambda: method

    offers()  # restores the methods
    for name in METHODS:
        monkeypatch.setitem(METHODS, name, noted(name))
    monkeypatch.setattr("engine.repair.methods._is_small", lambda network: False)
    assert isinstance(repair(SMALL, [LEFT], **ENDS, options=QUICK), Failed)
    milp = [("milp", False, False), ("gradient", False, None), ("milp", False, True), ("milp", True, True)]
    assert asked == [*milp, ("idle", False, None), ("smt", False, None)]


def test_methods_by_name():
    assert RepairOptions().methods == tuple(METHODS) == METHOD_NAMES and RepairOptions("smt").methods == ("smt",)
    with pytest.raises(InputError, match="unknown method 'magic'; use auto, "):
        RepairOptions(method="magic")


def test_it_says_what_it_is_at(offers):
    offers(SMALL, before=lambda number, say: say("looking"))
    said = []
    repair(SMALL, [LEFT, RIGHT], **ENDS, options=replace(QUICK, method="milp"), say=said.append)
    assert said[0] == "verifying the original"
    assert said[1].startswith("left, 1 of 2: milp: looking (0 tried")
    assert said[2].startswith("left, 1 of 2: milp: comparing: offer 0")
    assert said[3].startswith("left, 1 of 2: milp: proving: offer 0")


# Properties that contradict each other


def test_a_contradictory_pair_is_named():
    low, high = above(0, Fraction(1), -1, 0, "low"), below(0, Fraction(1), 0, 1, "high")
    apart = below(0, Fraction(1), Fraction(1, 9), 1, "apart")
    assert conflict([HELD, low, apart, high]) == (low, high)
    assert conflict([low, apart, HELD]) is None
    with pytest.raises(InputError, match="^low and high contradict each other|low and high contradict each other"):
        repair(SMALL, [low], preserve=[high], **ENDS, options=QUICK)


def test_a_pair_of_strict_rows_leaves_a_point():
    """y0 > 1 and y0 < 1 unsafe leave y0 = 1; y0 >= 1 and y0 < 1 leave nothing."""
    rows = {strict: row([-1], 1, n_inputs=1, strict=strict) for strict in (True, False)}
    low = prop(case([0], [1], [row([1], -1, n_inputs=1, strict=True)]))
    assert conflict([low, prop(case([0], [1], [rows[True]]))]) is None
    assert conflict([low, prop(case([0], [1], [rows[False]]))]) is not None


def test_rows_with_inputs_are_taken_where_boxes_meet():
    """y0 <= x and y0 >= 1 - x are contradictory from 1/2 on alone."""
    rising = prop(case([0], [1], [row([1], inputs=[-1], n_inputs=1)]), name="rising")
    falling = lambda low: prop(case([low], [1], [row([-1], 1, inputs=[-1], n_inputs=1)]), name="falling")
    assert conflict([rising, falling(Fraction(2, 5))]) is not None
    assert conflict([rising, prop(case([0], [Fraction(1, 5)], falling(0).cases[0].unsafe[0].rows))]) is None


def test_a_polytope_without_rows_cannot_be_missed():
    everything = prop(case([0], [1], []), name="everything")
    assert conflict([HELD, everything]) == (everything,)
    with pytest.raises(InputError, match="everything cannot be satisfied by any network"):
        repair(SMALL, [everything], **ENDS, options=QUICK)


def test_a_property_that_contradicts_itself():
    nothing = prop(case([0], [1], [row([1], n_inputs=1)], [row([-1], n_inputs=1)]), name="nothing")
    assert conflict([nothing]) == (nothing,)


def test_the_properties_of_a_benchmark_network_do_not_contradict_each_other():
    """P5 wants a strong advisory where P7 wants none: they are about different networks."""
    loaded = {number: load_property(property_path(number)) for number in range(1, 11)}
    numbers = {}
    for spec, index in benchmark_instances():
        numbers.setdefault(index, set()).add(spec.number)
    assert len(numbers) == 45 and set.union(*numbers.values()) == set(loaded)
    for some in set(map(frozenset, numbers.values())):
        assert conflict([loaded[number] for number in some]) is None
    assert conflict([loaded[1], loaded[5], loaded[7]]) == (loaded[5], loaded[7])


def test_thousands_of_point_boxes_are_soon_looked_at(monkeypatch):
    """z3 is asked once for what they have in common."""
    import engine.repair.possible.conflict as module

    calls, covered = [], module._all_covered
    monkeypatch.setattr(module, "_all_covered", lambda polytopes: calls.append(1) or covered(polytopes))
    points = prop(
        *[case([Fraction(i, 999)], [Fraction(i, 999)], [row([1, -1], n_inputs=1)]) for i in range(999)], n_outputs=2
    )
    assert conflict([points]) is None and len(calls) == 1


# The state on disk


def attempts_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()[1:]]


ABOUT = {"network": SMALL.sha256, "seed": 0, "timeout": None}


def test_a_run_is_resumed_without_proving_again(offers, proofs, tmp_path):
    """The same outcome; only what was proved is proved again."""
    half = lambda net: raised(net, 1, 0.03)
    offers(SMALL, half, lambda net: raised(net, 1, 0.125))
    settings = replace(QUICK, method="milp")
    one = repair(SMALL, [LEFT], preserve=[HELD], **ENDS, options=settings, state=State(tmp_path, ABOUT))
    assert len(proofs) == 3 and len(attempts_of(tmp_path)) == 2
    asked = offers(SMALL, half, lambda net: raised(net, 1, 0.125))
    two = repair(SMALL, [LEFT], preserve=[HELD], **ENDS, options=settings, state=State(tmp_path, ABOUT))
    assert len(proofs) == 4 and len(attempts_of(tmp_path)) == 2
    assert one.network.sha256 == two.network.sha256
    assert [(a.words, a.proved, a.cost) for a in one.attempts] == [(a.words, a.proved, a.cost) for a in two.attempts]
    met = [c.point.tolist() for attempt in one.attempts for c in attempt.counterexamples]
    assert [c.point.tolist() for c in asked[2][1]] == met and len(met) == 2


def test_what_had_all_of_its_time_is_not_tried_again_when_resumed(offers, monkeypatch, tmp_path):
    """However much of it was proved."""
    box, tried = Box(0, 0, np.array([-1.0]), np.array([-0.75])), []

    def open_to_the_end(task, weighed, options, **rest):
        tried.append(options.timeout)
        return Tried(weighed, {"left": "timeout"}, 0.99, options.timeout, boxes=(box,))

    monkeypatch.setattr(step, "prove", open_to_the_end)
    settings = replace(QUICK, method="milp", proof_timeout=8.0)
    for _ in range(2):
        offers(raised(SMALL, 1, 0.125))
        assert isinstance(repair(SMALL, [LEFT], **ENDS, options=settings, state=State(tmp_path, ABOUT)), Failed)
    assert tried == [2.0, 8.0]


def test_each_step_of_a_joint_repair_has_its_own_attempts(offers, proofs, tmp_path):
    """A network that failed in the first step is judged anew in the second: property 0 is another one there."""
    both = lambda net: raised(raised(net, 1, 0.125), 3, 0.25)
    offers(raised(SMALL, 3, 0.03), both)
    repair(SMALL, [LEFT, RIGHT], **ENDS, options=replace(QUICK, method="milp"), state=State(tmp_path, ABOUT))
    assert len(proofs) == len(set(proofs)) + 1  # the second step begins with what the first one took
    state, task = State(tmp_path, ABOUT), Task(SMALL, (LEFT,), (), None, None)
    net = raised(SMALL, 3, 0.03)
    assert state.known(weighed(net), task) is not None
    assert state.known(weighed(net), replace(task, keep=(HELD,))) is None


def kept_state(folder):
    """A state with one failed attempt, and that attempt."""
    state, task = State(folder, ABOUT), Task(SMALL, (LEFT,), (), None, None)
    found = Counterexample(0, 0, np.array([-0.75], np.float32))
    boxes = (Box(0, 0, np.array([-1.0]), np.array([-0.75])),)
    attempt = Tried(weighed(SMALL), {"left": "sat"}, 0.25, 1.5, (found,), boxes)
    state.keep(attempt, task)
    return task, attempt


def test_what_is_kept_is_read_exactly(tmp_path):
    task, attempt = kept_state(tmp_path / "new" / "folder")
    read = State(tmp_path / "new" / "folder", ABOUT).known(weighed(SMALL), task)
    assert (read.words, read.proved, read.seconds) == (attempt.words, attempt.proved, attempt.seconds)
    assert read.counterexamples[0].point == attempt.counterexamples[0].point
    assert read.counterexamples[0].point.dtype == np.float32
    assert (read.boxes[0].lower, read.boxes[0].upper) == (-1.0, -0.75)
    assert State(None).known(weighed(SMALL), task) is None


def test_what_was_proved_is_not_kept(tmp_path):
    state = State(tmp_path, ABOUT)
    state.keep(Tried(weighed(SMALL), {}, 1.0, 1.0, verdicts=(1,)), Task(SMALL, (LEFT,), (), None, None))
    assert attempts_of(tmp_path) == []


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_is_dropped(cut, tmp_path):
    task, _ = kept_state(tmp_path)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:-cut])
    assert State(tmp_path, ABOUT).known(weighed(SMALL), task) is None
    kept_state(tmp_path)
    assert (tmp_path / FILE).read_bytes() == whole


def test_a_first_line_that_was_cut_off_is_written_again(tmp_path):
    (tmp_path / FILE).write_text('{"network"')
    kept_state(tmp_path)
    assert State(tmp_path, ABOUT).known(weighed(SMALL), Task(SMALL, (LEFT,), (), None, None)) is not None


def test_the_state_of_another_repair_is_refused(tmp_path):
    kept_state(tmp_path)
    with pytest.raises(InputError, match="state of another repair: seed differ; choose another folder") as error:
        State(tmp_path, ABOUT | {"seed": 1})
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="extra, seed differ"):
        State(tmp_path, {"extra": 1, "network": SMALL.sha256, "timeout": None})


@pytest.mark.parametrize("line", ["no json", "[]", "3", "{}", '{"sha256": "a"}', "\x00", '{"sha256": ["a"]}'])
def test_other_lines_are_refused(line, tmp_path):
    kept_state(tmp_path)
    with (tmp_path / FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"attempts\.jsonl: line 3 cannot be read; remove the folder"):
        State(tmp_path, ABOUT)


@pytest.mark.parametrize("first", ["[]", "7", "no json"])
def test_other_first_lines_are_refused(first, tmp_path):
    (tmp_path / FILE).write_text(first + "\n")
    with pytest.raises(InputError, match="line 1 cannot be read"):
        State(tmp_path, ABOUT)


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="the state cannot be kept there"):
        State(tmp_path / "file", ABOUT)
    (tmp_path / FILE).write_bytes(b"\xff\n")
    with pytest.raises(InputError, match="the state cannot be kept there"):
        State(tmp_path, ABOUT)


def test_a_folder_that_is_lost_meanwhile(tmp_path):
    state = State(tmp_path / "state", ABOUT)
    (tmp_path / "state" / FILE).unlink()
    (tmp_path / "state").rmdir()
    with pytest.raises(InputError, match="the state cannot be kept there"):
        state.keep(Tried(weighed(SMALL), {}, 0.0, 1.0), Task(SMALL, (LEFT,), (), None, None))


def test_verdicts_do_not_depend_on_the_loop(offers):
    """A candidate with layers that its ONNX bytes do not hold is proved by its layers, and written from them."""
    last = SMALL.layers[-1]
    bias = last.bias.copy()
    bias[1] += 0.125
    changed = replace(SMALL, layers=(SMALL.layers[0], Affine(last.weight, bias, False)))
    offers(changed)
    found = repair(SMALL, [LEFT], **ENDS, options=replace(QUICK, method="milp"))
    assert isinstance(found, Repaired) and verify_all([Problem(found.network, LEFT)], Options())[0].word == "unsat"
