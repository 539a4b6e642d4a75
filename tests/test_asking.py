"""Statements about pairs of networks, against exact enumeration and MILP."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import executable
from conftest import network as chain
from conftest import random_network
from line_networks import critical_gap, largest_difference, largest_fall, trace

from engine.comparison.asking import Asked, ask, difference, refutation
from engine.comparison.decision import Decision
from engine.comparison.narrowing import Bracket, narrow
from engine.comparison.questions import Equivalent, Monotone, SameDecision
from engine.comparison.seeking import seek
from engine.errors import InputError
from engine.network import Affine, Network
from engine.property import Case
from engine.search.problem import Options
from engine.solvers.milp import solve_box
from engine.verdict import Unknown, Verified, Violated

F = Fraction
LINE = (((F(-1),), (F(1),)),)
SQUARE = (((F(-1),) * 2, (F(1),) * 2),)
OPTIONS = Options(timeout=20)
LOWEST = Decision.LOWEST


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def decided(statement, f, g=None, boxes=LINE, **options):
    pair = (executable(f), executable(g or f))
    return ask(Asked(statement, pair, boxes), replace(OPTIONS, **options))


def short(value, factor) -> Fraction:
    """A decimal near the value times a factor."""
    return F(f"{float(value) * factor:.6f}")


def changed(network: Network, layer: int, by: float) -> Network:
    """One weight changed."""
    layers = list(network.layers)
    weight = layers[layer].weight.copy()
    weight[0, 0] += by
    layers[layer] = Affine(weight, layers[layer].bias, layers[layer].relu)
    return Network(tuple(layers), "changed")


def reordered(network: Network, order, factors) -> Network:
    """The same function: hidden neurons of the first layer in another order, scaled by powers of two."""
    first, second, *rest = network.layers
    s = np.array(factors)
    return Network(
        (
            Affine(first.weight[order] * s[:, None], first.bias[order] * s, True),
            Affine(second.weight[:, order] / s, second.bias, second.relu),
            *rest,
        ),
        "reordered",
    )


# Equivalence


@pytest.mark.parametrize("seed", [0, slow(1), slow(2), slow(3)])
def test_equivalence_is_decided_as_enumeration_does(seed):
    """Networks of different widths and depths, and one weight changed."""
    f = random_network((1, 5, 4, 3), seed=seed)
    g = random_network((1, 3, 3, 3, 3), seed=seed + 10) if seed % 2 else changed(f, seed // 2, 0.25)
    exact = largest_difference(f, g, F(-1), F(1))
    assert exact > F(1, 100)
    assert isinstance(decided(Equivalent(short(exact, 1.05)), f, g).verdict, Verified)
    found = decided(Equivalent(short(exact, 0.95)), f, g)
    point = refutation(found)
    assert isinstance(found.verdict, Violated) and short(exact, 0.95) < difference(found) <= exact
    assert point.exact == (trace(f, point.inputs[0][0])[1], trace(g, point.inputs[1][0])[1])
    assert point.executed_differences == pytest.approx([float(d) for d in point.differences], abs=1e-5)


@pytest.mark.parametrize("factors", [[1, 2, 0.25, 4], slow([1, 1, 1, 1])], ids=["scaled", "permuted"])
def test_one_function_in_two_forms(factors):
    f = random_network((2, 4, 2), seed=3)
    g = reordered(f, [2, 0, 3, 1], factors)
    assert isinstance(decided(Equivalent(F("0.05")), f, g, SQUARE).verdict, Verified)
    other = reordered(f, [2, 0, 3, 1], [1, 1, 1, -1])  # relu(-z) is another function
    assert isinstance(decided(Equivalent(F("0.05")), f, other, SQUARE).verdict, Violated)


def test_equal_networks():
    f = random_network((2, 4, 4, 3), seed=1)
    assert isinstance(decided(Equivalent(F("0.05")), f, f, SQUARE).verdict, Verified)
    assert not isinstance(decided(Equivalent(F(1, 10**9)), f, f, SQUARE, timeout=0.3).verdict, Violated)


def test_every_box_counts():
    """Nets that differ at 1 alone."""
    f, g = (chain([[[1.0]], [[a]]], [[-0.75], [0.0]]) for a in (1.0, 2.0))
    low, both = (((F(-1),), (F("0.5"),)),), (((F(-1),), (F("0.5"),)), ((F("0.9"),), (F(1),)))
    assert isinstance(decided(Equivalent(F("0.1")), f, g, low).verdict, Verified)
    assert isinstance(decided(Equivalent(F("0.1")), f, g, both).verdict, Violated)


def test_float32_is_answered_in_float32():
    f = executable(random_network((1, 3, 2), seed=1))
    found = ask(Asked(Equivalent(F("0.01")), (f, f), LINE, "float32"), OPTIONS)
    assert isinstance(found.verdict, Verified) and found.verdict.semantics == "float32"


def test_proofs_are_kept():
    found = decided(Equivalent(F(1)), random_network((1, 3, 2), seed=1), proofs=True)
    assert found.verdict.proof is not None and found.question.query.property.sha256


# The same decision


@pytest.mark.parametrize("seed", [0, slow(2), slow(8), slow(10)])
def test_the_gap_decides_as_enumeration_does(seed):
    f = random_network((1, 5, 4, 3), seed=seed)
    g = changed(changed(f, 0, 0.5), 2, 0.5)
    gap = critical_gap(f, g, F(-1), F(1))
    assert gap > F(1, 100)
    assert isinstance(decided(SameDecision(LOWEST, short(gap, 1.05)), f, g).verdict, Verified)
    found = decided(SameDecision(LOWEST, short(gap, 0.9)), f, g)
    y, v = refutation(found).exact
    assert np.argmin(y) != np.argmin(v) and sorted(y)[1] - min(y) > short(gap, 0.9)
    assert isinstance(decided(SameDecision(LOWEST), f, g).verdict, Violated)


def test_the_highest_is_the_lowest_of_the_mirror_images():
    f = random_network((1, 5, 4, 3), seed=0)
    g = changed(changed(f, 0, 0.5), 2, 0.5)
    mirror = lambda n: Network((*n.layers[:-1], Affine(-n.layers[-1].weight, -n.layers[-1].bias, False)), "mirror")
    gap = critical_gap(f, g, F(-1), F(1))
    for factor, word in ((1.05, "unsat"), (0.9, "sat")):
        found = decided(SameDecision(Decision.HIGHEST, short(gap, factor)), mirror(f), mirror(g))
        assert found.verdict.word == word


def test_ties_do_not_decide():
    """Two outputs that are equal everywhere, and a third one that is far above."""
    f = chain([[[1.0], [-1.0]], [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]], [[0.5, 0.25], [0.0, 0.0, 9.0]])
    assert isinstance(decided(SameDecision(LOWEST, F("0.01")), f, f).verdict, Verified)
    assert not isinstance(decided(SameDecision(LOWEST), f, f, timeout=0.3).verdict, Violated)
    moved = chain([[[1.0], [-1.0]], [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]], [[0.5, 0.25], [0.5, 0.0, 9.0]])
    assert isinstance(decided(SameDecision(LOWEST, F("0.01")), f, moved).verdict, Verified)  # another of two equals
    far = chain([[[1.0], [-1.0]], [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]]], [[0.5, 0.25], [9.0, 9.0, -9.0]])
    assert isinstance(decided(SameDecision(LOWEST, F("0.01")), moved, far).verdict, Violated)


# Monotonicity


def rising(seed: int) -> Network:
    """No weight of the path from input 0 is negative."""
    f = random_network((2, 4, 3, 2), seed=seed)
    layers = [Affine(abs(layer.weight), layer.bias, layer.relu) for layer in f.layers]
    layers[0].weight[:, 1] *= -1
    return Network(tuple(layers), "rising")


@pytest.mark.parametrize("seed", [0, slow(1)])
def test_monotone_by_construction(seed):
    f = rising(seed)
    for i, up in ((0, True), (1, False)):
        assert isinstance(decided(Monotone(i, up, (0, 1), F("0.5")), f, boxes=SQUARE).verdict, Verified)
        exactly = decided(Monotone(i, up, (0, 1)), f, boxes=SQUARE, timeout=0.3)
        assert not isinstance(exactly.verdict, Violated)
        found = decided(Monotone(i, not up, (1,)), f, boxes=SQUARE)
        (x, u), (y, v) = refutation(found).inputs, refutation(found).exact
        assert u[i] > x[i] and u[1 - i] == x[1 - i] and (v[1] > y[1]) == up


@pytest.mark.parametrize("seed", [0, slow(1), slow(2)])
def test_the_tolerance_decides_as_enumeration_does(seed):
    f = random_network((1, 5, 4, 2), seed=seed)
    fall = largest_fall(f, 1, F(-1), F(1))
    assert fall > F(1, 100)
    assert isinstance(decided(Monotone(0, True, (1,), short(fall, 1.1)), f).verdict, Verified)
    assert isinstance(decided(Monotone(0, True, (1,), short(fall, 0.9)), f).verdict, Violated)
    assert isinstance(decided(Monotone(0, True, (0, 1), short(fall, 0.9)), f).verdict, Violated)


def test_pairs_lie_in_one_box():
    """|x| falls up to 0 and rises then: from one box to another no pair is asked about."""
    f = chain([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    boxes = (((F("0.5"),), (F(1),)), ((F(2),), (F(3),)))
    assert isinstance(decided(Monotone(0, True, (0,), F("0.01")), f, boxes=boxes).verdict, Verified)
    assert isinstance(decided(Monotone(0, True, (0,), F("0.01")), f, boxes=LINE).verdict, Violated)


# The smallest and the largest


def narrowed(f, g, boxes, first, *, seconds=8.0, known=True):
    asked = Asked(Equivalent(first), (executable(f), executable(g)), boxes)

    def ask_for(eps, limit):
        return ask(replace(asked, statement=Equivalent(eps)), replace(OPTIONS, timeout=limit))

    before = seek(asked, OPTIONS) if known else None
    return narrow(ask_for, first, known=before, step_seconds=seconds / 4, seconds=seconds)


@pytest.mark.parametrize("first, known", [(F("0.01"), True), slow(F(10), False), slow(F("0.01"), False)])
def test_the_true_difference_is_between(first, known):
    f = random_network((1, 5, 4, 3), seed=0)
    g = changed(f, 1, 0.25)
    exact = largest_difference(f, g, F(-1), F(1))
    found = narrowed(f, g, LINE, first, known=known)
    refuted, proved = found.bracket.refuted, found.bracket.proved
    assert refuted < exact <= proved <= refuted * F(106, 100)
    assert found.proved.asked.statement.eps == proved and isinstance(found.proved.verdict, Verified)
    assert found.refuted.asked.statement.eps == refuted < difference(found.refuted)


def test_the_difference_that_a_milp_finds_is_between():
    f, g = random_network((2, 5, 2), seed=3), random_network((2, 4, 2), seed=4)
    found = narrowed(f, g, SQUARE, F(1))
    pair = _side_by_side(f, g)
    (case,) = found.proved.question.query.property.cases
    whole = Case(case.lower, case.upper, case.unsafe)
    reach = [np.abs(layer.weight).sum(1) + np.abs(layer.bias) for layer in pair.layers[:1]][0]
    depth = solve_box(pair, whole, lower=[-1, -1], upper=[1, 1], l=-reach, u=reach, backend="highs").margin
    largest = float(found.bracket.proved) + depth
    assert float(found.bracket.refuted) - 1e-5 <= largest <= float(found.bracket.proved) + 1e-5


def _side_by_side(f: Network, g: Network) -> Network:
    (a, b), (c, d) = f.layers, g.layers
    zero = np.zeros((len(b.weight), len(c.weight))), np.zeros((len(d.weight), len(a.weight)))
    last = np.block([[b.weight, zero[0]], [zero[1], d.weight]])
    first = Affine(np.concatenate([a.weight, c.weight]), np.concatenate([a.bias, c.bias]), True)
    return Network((first, Affine(last, np.concatenate([b.bias, d.bias]), False)), "pair")


def test_what_was_given_up_does_not_end_the_search():
    """Values that time out lie between both ends, which go on to be narrowed."""
    bracket = Bracket().with_refuted(F(1)).with_proved(F(100))
    assert bracket.next() == 10
    bracket = bracket.given_up(F(10))
    assert bracket.next() == F("31.6")
    bracket = bracket.with_proved(F("10.1"))
    assert bracket.next() == F("3.16")
    bracket = bracket.with_refuted(F("9.9"))
    assert bracket.next() is None and (bracket.low, bracket.high) == (10, 10)
    assert bracket.with_refuted(F("10.05")).low is None and bracket.with_proved(F(10)).high is None


def test_ends_without_the_other_end():
    assert Bracket().with_refuted(F(1)).next() == 8 and Bracket().with_proved(F(1)).next() == F("0.125")
    assert Bracket().given_up(F(1)).next() == 8
    assert Bracket().with_proved(F(1)).given_up(F("0.125")).next() == F("0.354")
    assert Bracket().with_proved(F(1)).given_up(F("0.99")).given_up(F("0.01")).next() is None


def test_equal_networks_are_refuted_for_no_eps():
    f = random_network((1, 3, 2), seed=1)
    found = narrowed(f, f, LINE, F(1), seconds=1.0)
    assert found.refuted is None and found.bracket.proved < 1
    assert all(step.word != "sat" for step in found.steps)


# What cannot be asked


def test_what_does_not_fit():
    one, two = (executable(random_network(widths, seed=0)) for widths in ((1, 3, 2), (2, 3, 2)))
    single = executable(random_network((1, 3, 1), seed=0))
    for words, statement, pair, boxes in (
        ("have 1 and 2 inputs", Equivalent(F(1)), (one, two), LINE),
        ("have 2 and 1 outputs", Equivalent(F(1)), (one, single), LINE),
        ("boxes have 2 inputs, the network has 1", Equivalent(F(1)), (one, one), SQUARE),
        ("there is no input 1; the network's inputs are 0 to 0", Monotone(1, True, (0,)), (one, one), LINE),
        ("there is no output 2", Monotone(0, True, (2,)), (one, one), LINE),
        ("one output decides nothing", SameDecision(LOWEST), (single, single), LINE),
    ):
        with pytest.raises(InputError) as error:
            ask(Asked(statement, pair, boxes), OPTIONS)
        assert words in str(error.value)


def test_no_verdict_without_time():
    f, g = (random_network((2, 30, 30, 30, 2), seed=seed) for seed in (1, 2))
    found = decided(Equivalent(F("3.7")), f, g, SQUARE, timeout=0.05)
    assert isinstance(found.verdict, (Unknown, Violated))
    assert (refutation(found) is None) == isinstance(found.verdict, Unknown)
