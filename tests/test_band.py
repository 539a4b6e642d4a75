"""The decision outside a tie band, proved: by hand, by brute force, in exact arithmetic; and the joined networks."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from conftest import network, random_network
from test_preservation import LOWER, PAIRS, UPPER, _read, nudged, with_layer

from engine.audit.comparison.band import Walk
from engine.audit.comparison.joined import Joined, possible
from engine.audit.comparison.joined import outside as outside_again
from engine.audit.data import Band, Case, Tree
from engine.comparison.band import OutsideBand, outside, outside_band
from engine.comparison.band_measured import measure_outside
from engine.comparison.decision import Decision
from engine.comparison.joined import joined, places_in_joined
from engine.comparison.pair import paired
from engine.comparison.proving import Limits
from engine.comparison.structure import structure
from engine.domain import Domain
from engine.errors import InputError
from engine.exact import evaluate

GAP = Fraction(1, 50)


def prove(original, changed, gap=GAP, *, lower=LOWER, upper=UPPER, **limits) -> OutsideBand:
    limits = {"max_boxes": 100, "threads": 1, "batch": 32} | limits
    return outside_band(original, changed, gap=Fraction(gap), lower=lower, upper=upper, limits=Limits(**limits))


@cache
def proved(name: str) -> OutsideBand:
    return prove(*PAIRS[name])


def leaves(original, changed, found: OutsideBand) -> list[tuple]:
    """(lower, upper, True where it is open) of each leaf, as the checker sees them."""
    met = []

    class Seen(Walk):
        def _step(self, nodes):
            here = super()._step(nodes)  # marks what the nodes exclude
            ends = nodes.take(self.tree.split[nodes.number] < 0)
            differ = self.networks.unequal(ends.u)
            reached = ~ends.excluded & (differ[:, self.before] | differ[:, self.after])
            met.extend(zip(ends.lower, ends.upper, reached.any(1)))
            return here

    arrays = {
        name: getattr(found.proof, name).astype(float if name in ("cut", "multiplier_value") else int)
        for name in Tree._fields
    }
    pair = _read(original), _read(changed)
    case = Case(found.case.lower, found.case.upper, outside_again(possible(*pair), found.gap, original.n_outputs))
    band = Band("", "", found.gap, found.open, (case,), 0, Tree(**arrays), {}, "")
    walk = Seen(band, Joined(*pair), found.pairs, "float64")
    walk.walk([*walk.roots()], lambda done: None)
    assert walk.open.at_most(found.open)
    return met


# The networks, and the polytopes


@pytest.mark.parametrize("name", PAIRS)
def test_the_joined_network_is_both_networks(name):
    original, changed = PAIRS[name]
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    both = joined(original, changed)
    expected = np.concatenate([original.evaluate(x), changed.evaluate(x)], 1)
    np.testing.assert_allclose(both.evaluate(x), expected, atol=1e-12)
    again = Joined(_read(original), _read(changed)).network
    for layer, other in zip(both.layers, again.layers, strict=True):
        assert np.array_equal(layer.weight, other.weight) and np.array_equal(layer.bias, other.bias)
        assert np.array_equal(np.broadcast_to(layer.relu, layer.bias.shape), other.has_relu)


@pytest.mark.parametrize("name", PAIRS)
def test_the_pair_s_neurons_are_found_in_the_joined_network(name):
    original, changed = PAIRS[name]
    places = places_in_joined(original, changed)
    assert np.array_equal(places, Joined(_read(original), _read(changed)).places)
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    one, other = (before_relus(net(original, changed), x) for net in (paired, joined))
    np.testing.assert_allclose(one, other[:, places], atol=1e-12)


def before_relus(net, x: np.ndarray) -> np.ndarray:
    """The values of all hidden neurons before their ReLUs: [n, hidden]."""
    found = [np.empty((len(x), 0))]
    for layer in net.layers:
        z = x @ layer.weight.T + layer.bias
        found.append(z[:, np.broadcast_to(layer.relu, layer.bias.shape)])
        x = layer.outputs(z)
    return np.concatenate(found, 1)


def test_only_neurons_that_may_differ_stand_twice():
    """A neuron of the second of three hidden layers is rewritten: all that read it differ."""
    net = random_network((2, 4, 4, 4, 3), seed=0)
    weight = net.layers[1].weight.copy()
    weight[2] += 1
    widths = [len(layer.bias) for layer in joined(net, with_layer(net, 1, weight=weight)).layers]
    assert widths == [4, 5, 8, 6]
    assert [len(layer.bias) for layer in joined(net, net).layers] == [4, 4, 4, 6]


@pytest.mark.parametrize("name", PAIRS)
def test_engine_and_checker_ask_the_same(name):
    original, changed = PAIRS[name]
    pairs = structure(original, changed).changes(Decision.LOWEST)
    assert list(pairs) == possible(_read(original), _read(changed))
    ours = outside(pairs, GAP, original.n_inputs, original.n_outputs)
    again = outside_again(list(pairs), GAP, original.n_outputs)
    for polytope, rows in zip(ours, again, strict=True):
        for row, other in zip(polytope.rows, rows, strict=True):
            assert {i: c for i, c in enumerate(row.outputs) if c} == other.outputs
            assert (row.constant, row.strict) == (other.constant, other.strict)


def test_a_polytope_holds_just_where_that_decision_changes():
    """f = (0, 1/2), g = (1, 1/2): from 0 to 1, which is clear by less than 1/2; at a tie of g, too."""
    (polytope,) = outside([(0, 1)], Fraction(1, 4), 1, 2)
    at = [tuple(map(Fraction, y)) for y in ((0, 0.5, 1, 0.5), (0, 0.5, 0.5, 0.5), (0, 0.25, 1, 0), (0, 0.5, 0, 0.5))]
    assert [polytope.contains((Fraction(0),), y) for y in at] == [True, True, False, False]


# What is proved


@pytest.mark.parametrize("gap, share", [("0", "3/10"), ("1/10", "1/5"), ("29/100", "1/100"), ("3/10", "0")])
def test_by_hand(gap, share):
    """f = (0, x - 1/2), g = (0, x - 4/5) on [0, 1]: it changes for 1/2 < x <= 4/5, with a gap of x - 1/2."""
    original, changed = network([[[0], [1]]], [[0, -0.5]]), network([[[0], [1]]], [[0, float(np.float32(-0.8))]])
    found = prove(original, changed, gap, lower=(Fraction(0),), upper=(Fraction(1),), max_boxes=100, batch=8)
    assert found.pairs == ((0, 1),)
    assert Fraction(share) - Fraction(1, 10**6) <= found.open <= Fraction(share) + Fraction(1, 500)


@pytest.mark.parametrize("name", PAIRS)
def test_against_brute_force(name):
    """Every sampled point with a clear decision that changes lies in an open leaf, and they are not more than that."""
    original, changed = PAIRS[name]
    found = proved(name)
    x = np.random.default_rng(1).uniform(-1, 1, (20_000, 2))
    before, after = original.evaluate(x), changed.evaluate(x)
    best = np.sort(before, 1)
    clear = best[:, min(1, best.shape[1] - 1)] - best[:, 0] > float(GAP)
    differs = clear & (before.argmin(1) != after.argmin(1))
    assert differs.mean() <= float(found.open) + 3 * np.sqrt(float(found.open) / len(x))
    ends = [(low, high) for low, high, is_open in leaves(original, changed, found) if is_open]
    inside = np.any([np.zeros(len(x), bool), *((low <= x).all(1) & (x <= high).all(1) for low, high in ends)], axis=0)
    assert inside[differs].all()


@pytest.mark.parametrize("name", PAIRS)
def test_in_exact_arithmetic(name):
    """On leaves that are closed: at their corners and in their middles."""
    original, changed = PAIRS[name]
    met = [ends[:2] for ends in leaves(original, changed, proved(name)) if not ends[2]]
    for low, high in met[:: max(1, len(met) // 15)]:
        for x in (low, (low + high) / 2, high):
            y, z = (evaluate(net, tuple(map(Fraction, x))) for net in (original, changed))
            best = y.index(min(y))
            clear = all(y[best] + GAP < other for j, other in enumerate(y) if j != best)
            assert not clear or z.index(min(z)) == best


def test_a_larger_gap_leaves_less():
    shares = [prove(*PAIRS["layers 1 and 2"], gap, max_boxes=100).open for gap in ("0", "1/20", "1/2")]
    assert shares[0] > shares[1] >= shares[2] == 0


def test_a_theorem_leaves_the_decision_that_it_leaves_possible():
    """Output 1 alone is raised: only what was 1 can change, and nothing else is looked at, not even ties."""
    original, changed = PAIRS["a shift"]
    found = prove(original, changed, 0)
    assert found.pairs == ((1, 0), (1, 2), (1, 3)) and found.leaving == {1}
    x = np.random.default_rng(0).uniform(-1, 1, (20_000, 2))
    before, after = original.evaluate(x).argmin(1), changed.evaluate(x).argmin(1)
    assert (before != after).mean() <= float(found.open) < (before == 1).mean() + 0.01


def test_where_nothing_can_change_one_box_is_enough():
    net = random_network((2, 6, 6, 3), seed=0)
    found = prove(net, net)
    assert (found.open, found.boxes, found.pairs) == (0, 1, ())


def test_where_outputs_are_exactly_equal_nothing_else_is_needed():
    """Outputs change for x > 1/2 alone, in the first layer: what is twice behind it has lines of its own."""
    cut = [(np.array([0.499, -2]), np.array([2, 2]))]
    found = outside_band(
        *PAIRS["switched"], gap=Fraction(0), lower=LOWER, upper=UPPER, first=cut, limits=Limits(max_boxes=3, batch=1)
    )
    assert found.open <= 0.2505001


def test_it_can_stop_early():
    net = random_network((2, 6, 6, 3), seed=2)
    changed, seen = nudged(net, 1, by=0.3), []
    assert prove(net, changed, timeout=1e-9).open == 1
    limits = Limits(enough=0.5, max_boxes=500, batch=1, threads=1)
    some = outside_band(net, changed, gap=GAP, lower=LOWER, upper=UPPER, limits=limits, on_progress=seen.append)
    assert 0 < some.open <= 0.500001 and seen[-1].boxes == some.boxes and seen[-1].unequal == seen[-1].open


def test_what_it_is_not_for():
    net = random_network((2, 4, 2), seed=0)
    with pytest.raises(InputError, match="different shapes"):
        prove(net, random_network((2, 5, 2), seed=0))
    with pytest.raises(InputError, match="no volume"):
        prove(net, net, lower=(0, 0), upper=(1, 0))


# What is measured


@pytest.mark.parametrize("decision", [Decision.LOWEST, Decision.HIGHEST])
def test_measured_on_points(decision):
    """f = (0, x - 1/2), g = (0, x - 4/5): of [0, 1] 4/5 are clear by 1/10, 1/5 change, and 2/5 are 0 there."""
    sign = 1 if decision is Decision.LOWEST else -1
    nets = [network([[[0], [sign]]], [[0, -sign * by]]) for by in (0.5, 0.8)]
    domain = Domain((Fraction(0),), (Fraction(1),), "[0, 1]")
    options = {"gap": Fraction(1, 10), "leaving": {0}, "points": 50_000, "seed": 0}
    found = measure_outside(*nets, domain, decision, **options)
    shares = np.array([found.clear, found.possible, found.changed]) / found.points
    np.testing.assert_allclose(shares, [0.8, 0.4, 0.2], atol=0.01)
