"""Verdicts against z3's exact answers and a MILP, covers, counterexamples, ties, limits."""

import csv
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from cases import (
    case,
    check_counterexample,
    check_cover,
    check_verdict,
    exact_trace,
    executable,
    prop,
    proved_cases,
    row,
)
from conftest import network, random_network

from engine.acasxu.files import property_path
from engine.bounds.crown import Boxes, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.property import Polytope, Property
from engine.search import branch_and_bound, state
from engine.search.branching import split_input, split_sign, splits
from engine.search.frontier import root_nodes
from engine.search.pool import Nodes
from engine.search.problem import Options, Problem
from engine.search.verify import verify, verify_all
from engine.solvers.milp import solve_box
from engine.solvers.smt import solve
from engine.vnnlib import load_property

QUICK = {"timeout": 5, "device": "cpu"}


# --- against z3 ---------------------------------------------------------------------------------


def random_case(random: np.random.Generator, net, kind: str):
    """A case whose thresholds lie near values the network takes, so that answers differ."""
    lower = random.integers(-8, 8, net.n_inputs) / 4
    upper = lower + random.integers(0, 9, net.n_inputs) / 4
    points = lower + (upper - lower) * random.random((200, net.n_inputs))
    outputs = net.evaluate(points)

    def one_row(quantile):
        c = random.integers(-3, 4, net.n_outputs) / 2
        a = random.integers(-2, 3, net.n_inputs) / 4 * (kind == "inputs")
        level = np.quantile(outputs @ c + points @ a, quantile) - random.choice([0, 0.05, 0.5])
        strict = bool(random.integers(2))
        return row(c.tolist(), -round(level * 64) / 64, inputs=a.tolist(), strict=strict)

    count = {"single": (1, 1), "or": (3, 1), "and": (1, 3), "both": (2, 2), "inputs": (2, 2)}[kind]
    quantile = 0.0 if count[1] == 1 else 0.15
    return case(lower, upper, *[[one_row(quantile) for _ in range(count[1])] for _ in range(count[0])])


def random_question(seed: int):
    random = np.random.default_rng(seed)
    kind = ("single", "or", "and", "both", "inputs")[seed % 5]
    widths = [(2, 5, 2), (1, 4, 4, 1), (2, 4, 3, 3), (3, 6, 2)][seed % 4]
    net = executable(random_network(widths, seed=seed))
    cases = [random_case(random, net, kind) for _ in range(1 + seed % 3)]
    return net, prop(*cases, n_outputs=net.n_outputs)


@cache
def z3_says(seed: int) -> str:
    """The answer to the random question: the same whoever asks."""
    return solve(*random_question(seed), timeout=20).status


@pytest.mark.parametrize("first", [0, 10, 20, 30, *(pytest.param(n, marks=pytest.mark.slow) for n in (40, 50))])
def test_verdicts_are_those_of_z3(first):
    """Ties apart (which may stay open) every answer must be the exact one, by z3 in rationals."""
    decided = []
    for seed in range(first, first + 10):
        net, question = random_question(seed)
        truth = z3_says(seed)
        verdict = verify(net, question, Options(timeout=2, device="cpu", seed=seed))
        check_verdict(verdict, net, question, truth=truth if truth != "unknown" else None)
        decided.append(verdict.word in ("sat", "unsat"))
    assert sum(decided) >= 8  # an engine that decides nothing is not tested here


def test_the_questions_have_both_answers():
    answers = [z3_says(seed) for seed in range(20)]
    assert answers.count("sat") >= 4 and answers.count("unsat") >= 4


def test_one_run_of_all_questions_gives_the_same_verdicts():
    """Instances that share batches keep their own rows, boxes and networks; verdicts come back in order."""
    problems = [Problem(*random_question(seed)) for seed in range(30)]
    seen = {}
    together = verify_all(problems, Options(timeout=5, device="cpu"), on_verdict=seen.__setitem__)
    assert [seen[i] for i in range(len(problems))] == together
    for seed, (problem, verdict) in enumerate(zip(problems, together)):
        check_verdict(verdict, problem.network, problem.property, truth=z3_says(seed))


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_a_combination_of_rows_is_needed(semantics):
    """y1 <= -1/4 and y2 <= -1/4 where y1 + y2 = 1: each row alone is met."""
    net = executable(network([[[1.0], [-1.0]], [[1.0, -1.0], [-1.0, 1.0]]], [[0, 0], [0, 1]]))
    rows = [row([1, 0], Fraction(1, 4), n_inputs=1), row([0, 1], Fraction(1, 4), n_inputs=1)]
    question = prop(case([-3], [3], rows), n_outputs=2)
    assert solve(net, question).status == "unsat"
    assert verify(net, question, Options(semantics=semantics, **QUICK)).word == "unsat"


# --- against a MILP -----------------------------------------------------------------------------


def milp_agrees(net, question: Property, *, seed: int, width: float, count: int) -> list[str]:
    """Small boxes of a property's first case: the engine and the MILP must not contradict each other."""
    random = np.random.default_rng(seed)
    whole = question.cases[0]
    lower, upper = (np.array([float(v) for v in side]) for side in (whole.lower, whole.upper))
    words = []
    for _ in range(count):
        start = lower + (upper - lower) * (1 - width) * random.random(len(lower))
        low = np.clip(start, lower, upper)
        part = case(low.tolist(), np.clip(low + (upper - lower) * width, lower, upper).tolist())
        part = type(part)(part.lower, part.upper, whole.unsafe)
        ends = [torch.tensor([[float(v) for v in side]]) for side in (part.lower, part.upper)]
        ends = [end.double() for end in ends]
        stack, zero = Stack([net]), torch.tensor([0])
        boxes = Boxes(zero, *ends, *hidden_intervals(stack, zero, *ends))
        tighten(stack, boxes)
        known = {"l": boxes.l[0], "u": boxes.u[0]}
        found = solve_box(net, part, lower=ends[0][0], upper=ends[1][0], **known, timeout=10)
        asked = prop(part, n_outputs=net.n_outputs)
        verdict = verify(net, asked, Options(timeout=5, device="cpu"))
        check_verdict(verdict, net, asked)
        if found.status != "unknown":
            assert verdict.word != {"feasible": "unsat", "infeasible": "sat"}[found.status]
        if found.status == "feasible" and verdict.word == "sat":
            value = exact_trace(net, found.point).y
            assert len(value) == net.n_outputs and found.margin > 0
        words.append((found.status, verdict.word))
    return words


def test_milp_agrees_on_stand_ins(standin_networks):
    words = []
    for name, number in (("tau_0", 2), ("tau_0", 4), ("tau_80", 7), ("tau_0", 8)):
        question = load_property(property_path(number))
        words += milp_agrees(standin_networks[f"standin_{name}"], question, seed=number, width=0.1, count=3)
    assert sum(pair in (("infeasible", "unsat"), ("feasible", "sat")) for pair in words) >= 9


def test_milp_agrees_on_published_networks(acasxu_data):
    from engine.onnx_file import load_network

    words = []
    for name, number in (("1_9", 7), ("2_9", 8), ("4_2", 2), ("3_3", 2), ("5_3", 2)):
        net = load_network(next((acasxu_data / "onnx").glob(f"*_{name}_batch_2000.onnx*")))
        words += milp_agrees(net, load_property(property_path(number)), seed=number, width=0.06, count=2)
    assert sum(pair in (("infeasible", "unsat"), ("feasible", "sat")) for pair in words) >= 7


@cache
def z3_says_of_cases(seed: int) -> list[str]:
    net, question = random_question(seed)
    return [solve(net, prop(one, n_outputs=net.n_outputs)).status for one in question.cases]


@pytest.mark.parametrize("backend", ["gurobi", "highs", "auto"])
def test_milp_agrees_with_z3(backend):
    agreed = 0
    for seed in range(20):
        net, question = random_question(seed)
        stack, zero = Stack([net]), torch.tensor([0])
        for one, truth in zip(question.cases, z3_says_of_cases(seed)):
            sides = ([[float(v) for v in side]] for side in (one.lower, one.upper))
            lower, upper = (torch.tensor(side, dtype=torch.float64) for side in sides)
            l, u = hidden_intervals(stack, zero, lower, upper)
            try:
                found = solve_box(net, one, lower=lower[0], upper=upper[0], l=l[0], u=u[0], backend=backend)
            except InputError as error:
                pytest.skip(str(error))
            assert found.status in ("unknown", {"sat": "feasible", "unsat": "infeasible"}[truth])
            agreed += found.status != "unknown"
    assert agreed >= 20


# --- covers -------------------------------------------------------------------------------------


def some_nodes(n: int, inputs: int, hidden: int, seed: int) -> Nodes:
    random = np.random.default_rng(seed)
    lower = torch.tensor(random.normal(size=(n, inputs)))
    width = torch.tensor(random.random((n, inputs)) * random.integers(0, 2, (n, inputs)))
    l = torch.tensor(-random.random((n, hidden))).float()
    zero = torch.zeros(n, hidden, dtype=torch.int8)
    return Nodes(
        torch.zeros(n, dtype=torch.long),
        lower,
        lower + width,
        l,
        -2 * l,
        torch.zeros(n, 1, dtype=torch.bool),
        zero,
        zero.to(torch.uint8),
        zero.bfloat16(),
        torch.arange(n),
        torch.full((n,), -1),
        torch.zeros(n, dtype=torch.long),
    )


def check_split_input(split=split_input) -> None:
    """Children of a batch that mixes dimensions cover each parent exactly and meet in a face only."""
    nodes = some_nodes(200, 3, 4, 0)
    random = torch.Generator().manual_seed(0)
    nodes = nodes.select(splits(nodes).any(1))
    plane = torch.randn(len(nodes), 4, generator=random, dtype=torch.float64)
    low, high = split(nodes, plane, torch.ones(len(nodes), 3).double())
    cut = set()
    for i in range(len(nodes)):
        check_cover((nodes.lower[i], nodes.upper[i]), [(c.lower[i], c.upper[i]) for c in (low, high)])
        cut |= set((low.upper[i] != nodes.upper[i]).nonzero()[:, 0].tolist())
        for child in (low, high):
            assert torch.equal(child.l[i], nodes.l[i]) and torch.equal(child.u[i], nodes.u[i])
            assert child.root[i] == nodes.root[i] and child.depth[i] == nodes.depth[i] + 1
    assert cut == {0, 1, 2}  # the batch did mix dimensions


def test_children_cover_their_parents():
    check_split_input()


def test_a_flat_plane_halves_the_widest_input():
    """Where a bound does not depend on the inputs none of them is halved forever, and inputs of no width never."""
    nodes = some_nodes(50, 3, 4, 2)
    nodes = nodes.select(splits(nodes).any(1))
    reach = torch.tensor([1.0, 4.0, 0.5]).double().expand(len(nodes), -1)
    low, _ = split_input(nodes, torch.zeros(len(nodes), 4).double(), reach)
    cut = (low.upper != nodes.upper).int().argmax(1)
    assert torch.equal(cut, ((nodes.upper - nodes.lower) * reach).argmax(1)) and len(set(cut.tolist())) == 3


def test_parents_are_left_alone():
    nodes = some_nodes(20, 3, 4, 1)
    nodes = nodes.select(splits(nodes).any(1))
    before = [column.clone() for column in nodes.columns()]
    low, _ = split_input(nodes, torch.ones(len(nodes), 4).double(), torch.ones(len(nodes), 3).double())
    split_sign(nodes, torch.zeros(len(nodes), dtype=torch.long))
    low.upper.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before, nodes.columns()))


@pytest.mark.parametrize(
    "low, high, can",
    [
        (0.0, 0.0, False),
        (1.0, 1.0 + 2.0**-52, False),
        (1.0, 1.0 + 2.0**-51, True),
        (0.0, 5e-324, False),
        (0.0, 1e-323, True),
        (-1e308, 1e308, None),
        (-5e-324, 5e-324, True),
    ],
)
def test_midpoints_that_collapse(low, high, can):
    """Only intervals with a float64 value inside are split."""
    nodes = some_nodes(1, 1, 1, 0)
    nodes.lower[:], nodes.upper[:] = low, high
    found = bool(splits(nodes)[0, 0])
    assert can is None or found == can
    if found:
        children = split_input(nodes, torch.ones(1, 2).double(), torch.ones(1, 1).double())
        check_cover((nodes.lower[0], nodes.upper[0]), [(c.lower[0], c.upper[0]) for c in children])


def check_split_sign(split=split_sign) -> None:
    """Every value of the neuron lies in a child's bounds, all else is as it was."""
    nodes = some_nodes(50, 2, 6, 2)
    neuron = torch.arange(50) % 6
    off, on = split(nodes, neuron)
    for i, j in enumerate(neuron.tolist()):
        for z in np.linspace(float(nodes.l[i, j]), float(nodes.u[i, j]), 9).tolist() + [0.0]:
            inside = [c.l[i, j] <= z <= c.u[i, j] and float(c.phases[i, j]) * z >= 0 for c in (off, on)]
            assert any(inside)
        for child in (off, on):
            assert torch.equal(child.lower[i], nodes.lower[i]) and torch.equal(child.upper[i], nodes.upper[i])
            others = torch.arange(6) != j
            assert torch.equal(child.l[i][others], nodes.l[i][others])
            assert torch.equal(child.u[i][others], nodes.u[i][others])
            assert not child.phases[i][others].any() and not child.excluded[i].any()


def test_signs_cover():
    check_split_sign()


def recorded_leaves(monkeypatch, net, question: Property, **options):
    """verify(), and every box on which all polytopes were excluded: (case, lower, upper)."""
    leaves, cases, original = [], {}, branch_and_bound.BranchAndBound._open_boxes

    def open_boxes(self, nodes, seed, *, roots, deadline):
        boxes = zip(nodes.root.tolist(), nodes.lower, nodes.upper)
        whole = [(root, low.clone(), high.clone()) for root, low, high in boxes]
        found = original(self, nodes, seed, roots=roots, deadline=deadline)
        left = {
            (root, *low.tolist(), *high.tolist())
            for root, low, high in zip(found.nodes.root.tolist(), found.nodes.lower, found.nodes.upper)
        }
        leaves.extend(b for b in whole if (b[0], *b[1].tolist(), *b[2].tolist()) not in left)
        cases.update(enumerate(zip(roots.lower, roots.upper)))
        return found

    monkeypatch.setattr(branch_and_bound.BranchAndBound, "_open_boxes", open_boxes)
    return verify(net, question, Options(device="cpu", threads=1, **options)), leaves, cases


def check_end_to_end(monkeypatch) -> None:
    """On an `unsat` the boxes proved cover every case, in exact rationals, beginning with its decimals."""
    # |z| - 0.875 |z|, which linear bounds do not see to be the same z: boxes along z = 0 must be small
    z = [[1.0, 0.5], [-1.0, -0.5]] * 2
    net = executable(network([z, [[1.0, 1.0, -0.875, -0.875]]], [[0.25, -0.25] * 2, [0.125]]))
    cuts = [Fraction(-11, 3), Fraction(1, 7), Fraction(39, 10)]
    rows = [row([1])]
    question = prop(*(case([a, -4], [b, Fraction(1, 10)], rows) for a, b in zip(cuts, cuts[1:])))
    verdict, leaves, roots = recorded_leaves(monkeypatch, net, question, batch=8, timeout=20)
    assert verdict.word == "unsat" and len(leaves) > 20
    for i, one in enumerate(question.cases):
        lower, upper = roots[i]
        assert all(Fraction(float(a)) <= v for a, v in zip(lower, one.lower))
        assert all(Fraction(float(a)) >= v for a, v in zip(upper, one.upper))
        check_cover(roots[i], [leaf[1:] for leaf in leaves if leaf[0] == i])


def test_leaves_cover_the_cases(monkeypatch):
    check_end_to_end(monkeypatch)


# --- counterexamples ----------------------------------------------------------------------------


def test_counterexamples_stand(standin_paths, standin_networks):
    """Wherever there is one: replayed, exact, and inside the exact decimal box."""
    with (next(iter(standin_paths.values())).parent / "expected.csv").open(newline="") as file:
        violated = [one for one in csv.DictReader(file) if one["verdict"] == "sat"]
    assert len(violated) >= 10
    for one in violated:
        net = standin_networks[one["network"].removesuffix(".onnx")]
        question = load_property(property_path(int(one["property"].removeprefix("prop_").removesuffix(".vnnlib"))))
        verdict = verify(net, question, Options(timeout=20, device="cpu"))
        assert verdict.word == "sat", one
        check_counterexample(verdict.counterexample, net, question)


@pytest.mark.parametrize("decimal", ["0.1", "0.3", "-0.7", "1e-46", "16777217"])
def test_counterexamples_lie_inside_decimal_ends(decimal):
    """The whole box is unsafe, and its end is no float32 value: the nearest float32 may lie outside."""
    end = Fraction(decimal)
    net = executable(network([[[1.0]], [[1.0]]], [[0], [0]]))
    question = prop(case([end], [end + 1], [row([-1], -1, n_inputs=1)]))  # y >= -1
    verdict = verify(net, question, Options(**QUICK))
    assert verdict.word == "sat"
    check_counterexample(verdict.counterexample, net, question)


# --- points, ties, boxes without numbers --------------------------------------------------------

IDENTITY = network([[[1.0], [-1.0]], [[1.0, -1.0]]], [[0, 0], [0]])  # y = x


@pytest.mark.parametrize("x", [0, Fraction(1, 2), -3])
def test_point_boxes(x):
    net = executable(IDENTITY)
    for offset, truth in ((1, "unsat"), (-1, "sat")):
        question = prop(case([x], [x], [row([1], offset - x, n_inputs=1)]))  # y <= x - offset
        verdict = verify(net, question, Options(**QUICK))
        assert verdict.word == truth
        check_verdict(verdict, net, question, truth=truth)


EMPTY = [("0.1", "0.1"), ("0.1", "0.1000000000001"), ("16777217", "16777217")]


@pytest.mark.parametrize("lower, upper", EMPTY)
def test_boxes_without_float32_values(lower, upper):
    """No input of the network lies there, but real points do: what they violate is violated, what holds is proved."""
    net = executable(IDENTITY)
    violated = prop(case([lower], [upper], [row([-1], n_inputs=1)]))
    verdict = verify(net, violated, Options(**QUICK))
    assert verdict.word == "sat" and not verdict.counterexample.executable
    check_counterexample(verdict.counterexample, net, violated)
    holds = prop(case([lower], [upper], [row([1], n_inputs=1)]))
    assert verify(net, holds, Options(**QUICK)).word == "unsat"


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_one_case_without_float32_values_among_others(semantics):
    """In float32 semantics only the other case counts."""
    net = executable(IDENTITY)
    empty, full = (case([v], [v], [row([-1], n_inputs=1)]) for v in (Fraction(1, 10), Fraction(1, 2)))
    verdict = verify(net, prop(empty, full), Options(semantics=semantics, **QUICK))
    assert verdict.word == "sat" and (semantics == "real" or verdict.counterexample.stands)
    check_counterexample(verdict.counterexample, net, prop(empty, full))


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("lower, upper", [(1, 1), (1, 2), (1, Fraction(5, 4))])
def test_exact_ties(lower, upper, strict, semantics):
    """y = x reaches 1 exactly: y <= 1 is met, y < 1 is not."""
    net = executable(IDENTITY)
    question = prop(case([lower], [upper], [row([1], -1, strict=strict, n_inputs=1)]))
    verdict = verify(net, question, Options(semantics=semantics, timeout=1, device="cpu"))
    check_verdict(verdict, net, question, truth="unsat" if strict else "sat")


def test_ties_of_networks_with_rounding():
    """A threshold that a network reaches exactly at the end of its box, while float64 sums round."""
    net = executable(network([[[1.1], [0.7], [-0.3]], [[1.0, -2.0, 0.5]]], [[0.1, 0.2, 0.9], [0.0]]))
    least = min(exact_trace(net, [Fraction(1, 2)]).y[0], exact_trace(net, [1]).y[0])
    for strict in (False, True):
        question = prop(case([Fraction(1, 2)], [1], [row([1], -least, strict=strict, n_inputs=1)]))
        truth = solve(net, question).status
        check_verdict(verify(net, question, Options(timeout=1, device="cpu")), net, question, truth=truth)


def test_a_polytope_without_rows_is_everything():
    net = executable(IDENTITY)
    question = prop(case([0], [1], []))
    verdict = verify(net, question, Options(**QUICK))
    assert verdict.word == "sat"
    check_counterexample(verdict.counterexample, net, question)


def test_a_polytope_without_rows_where_no_float32_is():
    net = executable(IDENTITY)
    verdict = verify(net, prop(case(["0.1"], ["0.1"], [])), Options(**QUICK))
    assert verdict.word == "sat" and verdict.counterexample.exact_inputs == (Fraction(1, 10),)


@pytest.mark.parametrize("others", [(), ([row([1], 9, n_inputs=1)],)])
def test_a_case_without_polytopes_holds(others):
    net = executable(IDENTITY)
    verdict = verify(net, prop(case([0], [1]), case([0], [1], *others)), Options(**QUICK))
    assert verdict.word == "unsat"


@pytest.mark.parametrize("outputs, inputs", [([0], [1]), ([0], [0]), ([1], [1])])
@pytest.mark.parametrize("constant, truth", [(1, "unsat"), (-3, "sat")])
def test_rows_over_inputs_or_nothing(outputs, inputs, constant, truth):
    net = executable(IDENTITY)
    question = prop(case([0], [1], [row(outputs, constant, inputs=inputs)]))
    assert verify(net, question, Options(**QUICK)).word == truth


def test_numbers_of_any_size_in_rows():
    """Rows scaled by a power of ten mean the same; they may stay open, never turn over."""
    net = executable(IDENTITY)
    for power in (-400, -310, -100, 0, 100, 300, 400):
        scale = Fraction(10) ** power
        for constant, truth in ((1, "unsat"), (-1, "sat")):
            question = prop(case([Fraction(1, 2)], [2], [row([scale], scale * constant / 2 * 3, n_inputs=1)]))
            try:
                verdict = verify(net, question, Options(timeout=1, device="cpu", max_open=500))
            except InputError:
                continue
            check_verdict(verdict, net, question, truth=truth)


def test_a_network_without_relu():
    net = executable(network([[[1.0, -1.0]]], [[0.5]]))
    for constant, truth in ((2, "unsat"), (0, "sat")):
        question = prop(case([0, 0], [1, 1], [row([1], constant)]))
        assert verify(net, question, Options(**QUICK)).word == truth


# --- limits and options -------------------------------------------------------------------------


def hard():
    """A tie on a whole face: no number of boxes decides it."""
    net = executable(network([[[1.0, 0.5], [-1.0, 0.25]], [[1.0, 1.0]]], [[0, 0], [0.125]]))
    least = exact_trace(net, [0, 0]).y[0]
    return net, prop(case([-1, 0], [1, 1], [row([1], -least, strict=True)]))


def test_a_timeout_is_unknown_and_says_so():
    net, question = hard()
    verdict = verify(net, question, Options(timeout=1e-6, device="cpu"))
    assert verdict.word == "timeout" and "out of time" in verdict.reason


def test_too_many_open_boxes_are_unknown():
    net = executable(random_network((5, 20, 20, 5), seed=0))
    y = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (20000, 5)))
    question = prop(
        case([-1] * 5, [1] * 5, [row([1, 0, 0, 0, 0], -float(y[:, 0].min()) + 0.3, n_inputs=5)]), n_outputs=5
    )
    verdict = verify(net, question, Options(max_open=4, batch=4, timeout=20, device="cpu"))
    assert verdict.word == "unknown" and "max_open" in verdict.reason
    assert 0 <= verdict.proved < 1


SEEDS = (1, 3, 6, 7, 12, 14)
QUESTIONS = [random_question(seed) for seed in SEEDS]


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 1},
        {"batch": 64},
        {"batch": 8192},
        {"window": 1},
        {"threads": 2},
        {"threads": 1, "seed": 5},
        {"steps": 1},
        {"steps": 30},
        {"batch": 3, "window": 2, "threads": 2},
        {"stalled": 1},
    ],
    ids=str,
)
def test_no_option_changes_a_verdict(options):
    problems = [Problem(*question) for question in QUESTIONS]
    words = [v.word for v in verify_all(problems, Options(timeout=5, device="cpu", **options))]
    want = [z3_says(seed) for seed in SEEDS]
    for problem, word, truth in zip(problems, words, want):
        assert word in (truth, "unknown", "timeout"), (problem, word, truth)
    assert sum(word == truth for word, truth in zip(words, want)) >= len(want) - 1


@pytest.mark.parametrize(
    "long, stalled, least, most",
    [(state.LONG, 1, 5, 1000), (0, 64, 5, 1000), (state.LONG, 64, 0, 0)],
    ids=["soon", "in a long search", "late in a short one"],
)
def test_signs_may_be_split_from_the_start(monkeypatch, long, stalled, least, most):
    """The exact finish, multipliers included, proves what z3 says: y stays above its least value by little."""
    monkeypatch.setattr(state, "LONG", long)  # the boxes after which few signs are split however deep
    split = []

    def spy(nodes, neuron):
        split.append(len(nodes))
        return split_sign(nodes, neuron)

    monkeypatch.setattr(branch_and_bound, "split_sign", spy)
    for seed in (0, 3):
        net = executable(random_network((2, 6, 6, 1), seed=seed))
        points = np.stack(np.meshgrid(*[np.linspace(-1, 1, 101)] * 2), -1).reshape(-1, 2)
        values = net.evaluate(points)[:, 0]
        for below, truth in ((0.01, "unsat"), (-0.01, "sat")):
            level = float(values.min() - below * np.ptp(values))
            question = prop(case([-1, -1], [1, 1], [row([1], -level)]))  # unsafe: y <= level
            verdict = verify(net, question, Options(device="cpu", timeout=10, stalled=stalled, steps=1))
            assert verdict.word == truth == solve(net, question, timeout=30).status
    assert least <= sum(split) <= most


@pytest.mark.parametrize(
    "strict, constant, truth", [(True, 0, "unsat"), (False, 0, "sat"), (False, 1, "unsat"), (True, -1, "sat")]
)
def test_rows_without_variables_are_decided_exactly(strict, constant, truth):
    net = executable(random_network((2, 3, 1), seed=0))
    always = row([1], -1000)  # y <= 1000
    question = prop(case([0, 0], [1, 1], [row([0], constant, strict=strict), always]), n_outputs=1)
    assert verify(net, question, Options(device="cpu", timeout=5)).word == truth


def test_order_of_verdicts_and_one_report_each():
    problems = [Problem(*question) for question in QUESTIONS]
    seen = []
    options = Options(window=2, timeout=5, device="cpu")
    verdicts = verify_all(problems, options, on_verdict=lambda i, v: seen.append((i, v)))
    assert sorted(i for i, _ in seen) == list(range(len(problems)))
    assert all(verdicts[i] is v for i, v in seen)
    backwards = verify_all(problems[::-1], options)
    assert [v.word for v in backwards[::-1]] == [v.word for v in verdicts]


MIRROR = network([[[1.0], [-1.0]], [[1.0, -1.0], [-1.0, 1.0]]], [[0, 0], [0, 0]])  # y = (x, -x)
SAFE, MET = row([1, 0], 5, n_inputs=1), row([0, 1], 0, n_inputs=1)  # on [-1, 1]: never; where x >= 0


def mixed_cases():
    """Cases with 1 to 3 polytopes of 1 to 3 rows, and whether each holds: one polytope may be met."""
    for polytopes in (1, 2, 3):
        for rows in (1, 2, 3):
            for bad in (None, *range(polytopes)):
                parts = [[MET] * (rows - 1) + [MET if p == bad else SAFE] for p in range(polytopes)]
                yield case([-1], [1], *parts), bad is None


def check_batch_keeps_rows() -> None:
    """None is lost beside a smaller or a larger case, by the bounds alone (an attack would hide it)."""
    cases, holds = zip(*mixed_cases())
    assert proved_cases(MIRROR, cases) == list(holds)
    for one, wanted in zip(cases, holds):
        assert proved_cases(MIRROR, [one]) == [wanted]


def test_batches_that_mix_instances_lose_no_row():
    check_batch_keeps_rows()
    net = executable(MIRROR)
    cases, holds = zip(*mixed_cases())
    problems = [Problem(net, prop(one, n_outputs=2)) for one in cases]
    found = verify_all(problems, Options(timeout=10, device="cpu"))
    assert [v.word for v in found] == ["unsat" if held else "sat" for held in holds]


def test_no_case_is_forgotten():
    """A violation in any one of several cases is found, wherever it stands."""
    net = executable(IDENTITY)
    for bad in range(4):
        rows = [[row([1], -i if i == bad else 9, n_inputs=1)] for i in range(4)]
        question = prop(*(case([i], [i + Fraction(1, 2)], rows[i]) for i in range(4)))
        assert proved_cases(net, question.cases) == [i != bad for i in range(4)]
        assert verify(net, question, Options(**QUICK)).word == "sat"


def test_rows_reach_the_bounds_as_they_are():
    """make_roots() keeps polytopes apart and pads without inventing rows."""
    cases = [
        case([0], [1], [row([1], 2, n_inputs=1)]),
        case([0], [1], [row([3], 4, n_inputs=1)] * 2, [row([5], 6, inputs=[7])]),
    ]
    roots = make_roots(Stack([IDENTITY]), [0, 0], cases)
    assert roots.missing.tolist() == [[False, True], [False, False]]
    assert roots.absent.tolist() == [[[False, True], [True, True]], [[False, False], [False, True]]]
    assert roots.rows[1, 1, 0].tolist() == [5, 6] and roots.inputs[1, 1, 0].tolist() == [7]
    assert root_nodes(roots, torch.arange(2)).excluded.tolist() == roots.missing.tolist()


def test_a_mismatched_property_is_refused():
    with pytest.raises(InputError, match="2 outputs"):
        Problem(executable(IDENTITY), prop(case([0], [1]), n_outputs=2))


def test_polytopes_compare_by_value():
    """Problems may be compared and deduplicated by what they ask."""
    assert Polytope((row([1]),)) == Polytope((row([1]),))
