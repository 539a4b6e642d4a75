"""The SMT method: known smallest changes, what it must not touch, conflicts, and a real network."""

from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import network, random_network

from engine import Options, Problem, verify_all
from engine.comparison.fidelity import changes, compare
from engine.errors import InputError
from engine.repair.localize import localize
from engine.repair.smt.conflict import significance
from engine.repair.smt.method import by_output, smt
from engine.repair.smt.points import Constraint
from engine.repair.task import Counterexample, Evidence, Task

QUIET = lambda words: None


def task_of(net, *targets, keep=(), low=-1.0, high=1.0, seed=0) -> Task:
    return Task(net, targets, keep, np.full(net.n_inputs, low), np.full(net.n_inputs, high), seed)


def first(task: Task, evidence: Evidence | None = None, **options):
    """The first candidate of which all is proved, after resuming with counterexamples as the loop does."""
    evidence = evidence or Evidence()
    for candidate in smt(task, evidence, QUIET, **{"samples": 4000, **options}):
        problems = [Problem(candidate.network, target) for target in task.properties]
        verdicts = verify_all(problems, Options(timeout=5, device="cpu"))
        if all(verdict.word == "unsat" for verdict in verdicts):
            return candidate
        for p, verdict in enumerate(verdicts):
            if verdict.word == "sat":
                x = verdict.counterexample.inputs
                inside = [
                    all(lo <= Fraction(v) <= up for lo, v, up in zip(c.lower, x, c.upper))
                    for c in task.properties[p].cases
                ]
                evidence.counterexamples.append(Counterexample(p, inside.index(True), np.array(x, np.float32)))
    return None


def test_the_smallest_change_that_is_enough():
    """y0 is to be at most 1 on [0, 1] where it reaches 5/4: one weight, lowered by 1/4 and the margin at least."""
    net = executable(network([[[1.0]], [[1.25], [0.0]]], [[0.0], [0.0, 2.0]]))
    target = prop(case([0], [1], [row([-1, 0], 1, n_inputs=1)]), n_outputs=2)  # unsafe: y0 >= 1
    found = first(task_of(net, target), edges=[(1, 0, 0)], margins=(0.0625,))
    assert changes(net, found.network) == (1, 1, 1)
    weight = found.network.layers[1].weight[0, 0]
    assert 0 <= weight <= 1 - 0.0625 + 1e-6 and weight == np.float32(weight)
    assert "1 weights, neuron 0 of layer 2, margin 0.0625" == found.note


def test_bounds_on_changes_are_relaxed_only_as_needed():
    """Lowering by 0.3 takes a bound of 0.8, not of 3.2: the change stays within it."""
    net = executable(network([[[1.0]], [[1.25], [0.0]]], [[0.0], [0.0, 2.0]]))
    target = prop(case([0], [1], [row([-1, 0], 1, n_inputs=1)]), n_outputs=2)
    found = first(task_of(net, target), edges=[(1, 0, 0)], margins=(0.0625,))
    assert abs(found.network.layers[1].weight[0, 0] - 1.25) <= 0.8


def test_no_advisory_changes():
    """y1 must exceed 1/2 on [-1, -1/2], where it is lowest by 0.05: h = relu(x) cannot help, relu(-x) can."""
    net = executable(network([[[1.0], [-1.0]], [[0.0, 0.5], [0.0, 0.4]]], [[0.0, 0.0], [0.25, 0.25]]))
    target = prop(case([-1], [Fraction(-3, 4)], [row([0, 1], Fraction(-3, 5), n_inputs=1)]), n_outputs=2)
    found = first(task_of(net, target), margins=(0.01,))
    assert found is not None
    result = compare(net, found.network, [], lower=(-1.0,), upper=(1.0,), points=20_000, grid=1000)
    assert result.outside.changed == result.grid.changed == 0


def test_it_can_be_ended_between_two_calls_of_z3():
    """What is at hand is said before each, and whoever hears it may raise."""
    net = executable(network([[[1.0]], [[1.25], [0.0]]], [[0.0], [0.0, 2.0]]))
    target = prop(case([0], [1], [row([-1, 0], 1, n_inputs=1)]), n_outputs=2)
    heard = []

    def late(words: str) -> None:
        heard.append(words)
        if len(heard) == 2:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        next(smt(task_of(net, target), Evidence(), late, samples=4000, edges=[(1, 0, 0)], margins=(0.0625,)))
    assert heard[0] == "z3: neuron 0 of layer 2, margin 0.0625, 0 demands" and heard[1] != heard[0]


def test_a_conflict_finds_the_edge_that_resolves_it():
    """Of three features only the third tells the failing point from the passing one."""
    failing = Constraint(np.array([-1.0]), np.array([[1.0, 1.0, 1.0]]))
    passing = Constraint(np.array([0.5]), np.array([[-1.0, -1.0, 0.0]]))
    weight = significance([failing, passing], [0])
    assert weight[0] == 0 and weight[1] == pytest.approx(0, abs=1e-9) and weight[2] > 0.1
    assert (significance([failing, Constraint(np.empty(0), np.empty((0, 3)))], [0]) == 0).all()  # beyond help


def test_alternatives_are_chosen_by_z3():
    """Unsafe where y0 is highest: raising either other score is enough, and z3 may choose."""
    net = executable(network([[[1.0], [-1.0]], [[0.0, 0.0]] * 3], [[0.0, 0.0], [1.0, 0.875, 0.75]]))
    target = prop(case([-1], [1], [row([-1, 1, 0], n_inputs=1), row([-1, 0, 1], n_inputs=1)]), n_outputs=3)
    found = first(task_of(net, target), edges=[(1, 2, 0), (1, 1, 2), (1, 2, 2)], margins=(0.01,))
    y = found.network.evaluate(np.linspace(-1, 1, 101)[:, None])
    assert (y[:, 1:].max(1) > y[:, 0]).all() and (y.argmin(1) == 2).all()
    assert changes(net, found.network)[0] == 1


def test_in_the_layer_before_the_last():
    """The only free weight is the first layer's: relu(1.25 x) is to be at most 1 on [0, 1]."""
    net = executable(network([[[1.25]], [[1.0], [0.0]]], [[0.0], [0.0, 2.0]]))
    target = prop(case([0], [1], [row([-1, 0], 1, n_inputs=1)]), n_outputs=2)
    found = first(task_of(net, target), edges=[(0, 0, 0)], margins=(0.0625,))
    assert 0 <= found.network.layers[0].weight[0, 0] <= 1 - 0.0625 + 1e-6
    assert changes(net, found.network) == (1, 1, 1)


def test_what_holds_is_kept():
    """y0 >= -1 holds and would break if y0's bias were lowered as far as the target alone allows."""
    net = executable(network([[[1.0]], [[0.5], [0.0]]], [[0.0], [0.75, 2.0]]))
    target = prop(case([0], [1], [row([-1, 0], 1, n_inputs=1)]), n_outputs=2)  # y0 < 1
    keep = prop(case([-1], [0], [row([1, 0], Fraction(-1, 2), n_inputs=1)]), n_outputs=2)  # y0 > 1/2
    found = first(task_of(net, target, keep=(keep,)), margins=(0.01,))
    y = found.network.evaluate(np.linspace(-1, 1, 201)[:, None])[:, 0]
    assert (y[101:] < 1).all() and (y[:101] > 0.5).all()


def test_a_contradiction_ends():
    """y0 <= 0 and y0 >= 1 on the same box: no candidate, no endless loop."""
    net = executable(random_network((1, 3, 2), seed=0))
    low = prop(case([0], [1], [row([-1, 0], n_inputs=1)]), n_outputs=2)
    high = prop(case([0], [1], [row([1, 0], -1, n_inputs=1)]), n_outputs=2)
    assert list(smt(task_of(net, low, high), Evidence(), QUIET, samples=500)) == []


def test_no_target_no_change():
    net = executable(random_network((2, 4, 2), seed=0))
    found = next(smt(task_of(net, keep=()), Evidence(), QUIET, edges=[(1, 0, 0)], samples=100))
    assert changes(net, found.network) == (0, 0, 0)


def test_points_of_the_evidence_are_heeded():
    """A counterexample that samples miss is right afterwards: y0 < y1 at 3/4, y2 lowest as before."""
    net = executable(network([[[1.0]], [[1.0], [0.0], [0.0]]], [[0.0], [0.0, 0.5, -1.0]]))
    x = Fraction(3, 4)
    target = prop(case([x], [x], [row([-1, 1, 0], n_inputs=1)]), n_outputs=3)  # unsafe: y1 <= y0
    found = first(task_of(net, target), Evidence([Counterexample(0, 0, np.array([0.75], np.float32))]))
    y = found.network.evaluate(np.array([[0.75]]))[0]
    assert y[2] < y[0] < y[1]


def test_a_changed_advisory_may_be_forgiven():
    """y1 = 1/2 is to be lowest at 3/4, where y0 = 3/4 is not: that of its neighbours changes too, if it may."""
    net = executable(network([[[1.0]], [[-1.0], [0.0]]], [[0.0], [1.0, 0.5]]))  # y0 = 1 - relu(x)
    x = Fraction(513, 1024)
    target = prop(case([x], [x], [row([1, -1], n_inputs=1)]), n_outputs=2)  # unsafe: y0 <= y1
    evidence = Evidence([Counterexample(0, 0, np.array([float(x)], np.float32))])
    options = {"samples": 2000, "margins": (0.003,)}
    assert first(task_of(net, target), evidence, forgiven=0.0, **options) is None
    found = first(task_of(net, target), evidence, forgiven=0.02, **options)
    result = compare(net, found.network, [], lower=(-1.0,), upper=(1.0,), points=20_000, grid=0)
    assert 0 < result.outside.changed <= 0.02 * 20_000


def test_the_same_seed_gives_the_same():
    net = executable(random_network((2, 6, 3), seed=4))
    target = prop(case([-1, -1], [1, 1], [row([1, 0, 0], 5)]), case([0, 0], [1, 1], [row([-1, 0, 0])]), n_outputs=3)
    one, two = (next(smt(task_of(net, target), Evidence(), QUIET, samples=2000, forgiven=0.1), None) for _ in range(2))
    assert one is not None and all(
        (a.weight == b.weight).all() and (a.bias == b.bias).all()
        for a, b in zip(one.network.layers, two.network.layers)
    )


@pytest.mark.parametrize("edges", [[(0, 0, 0)], [(2, 0, 0), (1, 0, 0)], []])
def test_other_layers_are_refused(edges):
    net = executable(random_network((2, 4, 4, 2), seed=0))
    with pytest.raises(InputError, match="layer"):
        next(smt(task_of(net), Evidence(), QUIET, edges=edges))


def test_choices_by_output():
    net = random_network((2, 4, 3), seed=0)
    target = prop(case([-1, -1], [1, 1], [row([0, 1, 0])]), n_outputs=3)
    (single, together) = by_output(localize(task_of(net, target), Evidence()))
    assert single[0][0] == (1, 1, 4) and all(edge[1] == 1 for edge in single[0])
    assert sorted(together[0]) == [(1, j, i) for j in range(3) for i in range(5)]


@pytest.mark.slow
def test_a_benchmark_network(acasxu_data):
    """N(3,1)/P2: one weight, proved, and no advisory of 100,000 changed."""
    from engine import load_network, load_property
    from engine.acasxu.domain import acasxu_domain
    from engine.acasxu.files import property_path

    net = load_network(acasxu_data / "onnx" / "ACASXU_run2a_3_1_batch_2000.onnx")
    target, *keep = (load_property(property_path(number)) for number in (2, 1, 3, 4))
    lower, upper = (np.array([float(v) for v in side]) for side in acasxu_domain().ends)
    found = first(Task(net, (target,), tuple(keep), lower, upper), samples=50_000)
    assert changes(net, found.network)[0] <= 8
    result = compare(net, found.network, [target], lower=lower, upper=upper, points=100_000, grid=0)
    assert result.outside.agreement >= 0.999 and result.inside[0].safe.agreement >= 0.999
